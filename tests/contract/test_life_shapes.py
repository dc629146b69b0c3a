"""Whatever a month of life leaves behind is answered in the shapes of the vendor's documents."""

from functools import cache

import pytest
from test_company_shapes import DOCUMENTS, NOW, SHAPES, complaints

from perfectcatch.kit.clock import FakeClock
from perfectcatch.model.endpoint import Kind
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.routes import Route
from perfectcatch.sandbox.servicetitan.service import Service
from unit.sandbox.server_client import Caller

pytestmark = pytest.mark.skipif(
    not DOCUMENTS.is_dir(), reason=f"the vendor's documents are not at {DOCUMENTS}"
)

_EXPORT = {"includeRecentChanges": "true"}
_PAGE = {"pageSize": "5000", "active": "Any", "modifiedOnOrAfter": NOW.isoformat()}


@cache
def who() -> Caller:
    clock = FakeClock(NOW)
    caller = Caller(Service(Options(customers=90, clock=clock, rate=1e9, export_page_size=50_000)), clock)
    for _ in caller.service.life.advance(30 * 86_400):
        pass
    return caller


def own_routes(collection: str) -> list[Route]:
    """The feed and the list of a collection; calls as version 3 lists them."""
    routes = who().service.tenant.routes.by_collection[collection]
    shown = [each for each in routes if each.kind in {Kind.EXPORT, Kind.PAGE} and not each.parents]
    calls = collection == "telecom.calls"
    return [each for each in shown if not calls or each.kind is Kind.EXPORT or "/v3/" in each.path]


@pytest.mark.parametrize(("collection", "name", "export", "listed"), SHAPES, ids=[row[0] for row in SHAPES])
def test_records_of_a_months_life_have_the_documented_shape(
    collection: str, name: str, export: str | None, listed: str
) -> None:
    for route in own_routes(collection):
        shape = export if route.kind is Kind.EXPORT else listed
        module, version, _, _, rest = route.path.strip("/").split("/", 4)
        query = _EXPORT if route.kind is Kind.EXPORT else _PAGE
        records = who().get(f"{module}/{'v3/' if version == 'v3' else ''}{rest}", **query)["data"]
        assert shape
        assert complaints(name, shape, iter(records)) == []


def test_the_month_was_lived() -> None:
    lists = ("jpm.jobs", "jpm.appointments", "accounting.invoices", "accounting.payments", "sales.estimates")
    for name in (
        *lists,
        "crm.customers",
        "crm.leads",
        "crm.bookings",
        "telecom.calls",
        "dispatch.technician_shifts",
    ):
        fresh = [record for record in who().service.read(name) if record["createdOn"] > NOW.isoformat()]
        assert fresh, name
