"""Every operation of the catalogue is asked of the sandbox, its answer held against the vendor's document."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from sandbox_requests import SPECS, Asker, complaints, operations

from perfectcatch.kit.clock import FakeClock
from perfectcatch.model.endpoint import Endpoint
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.server import make_app, serving
from perfectcatch.sandbox.servicetitan.service import Service
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE

needs_documents = pytest.mark.skipif(
    not SPECS.is_dir(), reason="the vendor's documents are not here (../shared)"
)

# Operations that no document holds: the answer must be a success, its shape cannot be checked.
WITHOUT_DOCUMENT = frozenset(
    {
        "reporting.data_queries.get",
        "reporting.data_queries.delete",
        "reporting.report_category_reports.start",
        "service_agreements.service_agreements_custom_fields.list",
    }
)

# Reads first, deletions last: each row finds the records that it needs.
_TURN = {"GET": 0, "POST": 1, "PATCH": 2, "PUT": 3, "DELETE": 4}
ROWS = sorted(CATALOGUE.values(), key=lambda row: _TURN[row.method])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def asker() -> AsyncIterator[Asker]:
    """A sandbox with a small company and somebody who may ask it."""
    service = Service(Options(customers=300, rate=1e9, tokens_per_minute=1000))
    async with TestClient(TestServer(make_app(service=service))) as client:
        asker = Asker(client, service)
        await asker.log_in()
        yield asker


@needs_documents
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS if row.current])
async def test_answer_has_the_documented_shape(row: Endpoint, asker: Asker) -> None:
    key = (row.method, row.path)
    path = await asker.fill(row)
    status, body, content_type = await asker.ask(row.method, path, asker.query(row), asker.body(row))

    assert 200 <= status < 400, (status, path, body[:1000])
    if row.name not in WITHOUT_DOCUMENT:
        assert not complaints(key, status, body, content_type), body[:500]


# The old documents hold these without any model, so the sandbox has a list of none.
_WITHOUT_RECORDS = frozenset({"sales.opportunities.get", "sales.opportunities_followups.list_of_one"})


@needs_documents
@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.name) for row in ROWS if not row.current and row.name not in _WITHOUT_RECORDS],
)
async def test_withdrawn_operations_still_answer(row: Endpoint, asker: Asker) -> None:
    path = await asker.fill(row)
    status, body, content_type = await asker.ask(row.method, path, asker.query(row), asker.body(row))

    assert 200 <= status < 300, (status, path, body[:1000])
    if operations()[row.method, row.path][2]["responses"].get(str(status)):
        assert not complaints((row.method, row.path), status, body, content_type), body[:500]


@needs_documents
def test_only_undocumented_operations_are_exempt() -> None:
    undocumented = {row.name for row in CATALOGUE.values() if (row.method, row.path) not in operations()}

    assert undocumented == WITHOUT_DOCUMENT


# The process's own side -----------------------------------------------------------------------------


async def test_it_serves_on_a_free_port_and_tells_where() -> None:
    options = Options(customers=20, clock=FakeClock())
    async with serving("127.0.0.1", 0, options) as address, ClientSession() as session:
        line = json.loads(address.line())
        form = {name: line[name] for name in ("client_id", "client_secret")}
        form["grant_type"] = "client_credentials"
        async with session.post(f"{line['url']}/connect/token", data=form) as answer:
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "ST-App-Key": line["app_key"]}
        customers = f"{line['url']}/crm/v2/tenant/{line['tenant_id']}/customers"
        async with session.get(customers, headers=headers) as answer:
            assert answer.status == 200
            assert len((await answer.json())["data"]) > 10
        async with session.get(f"{line['url']}/_sandbox/stats") as answer:
            assert (await answer.json())["requests"] == 2
        async with session.get(line["url"]) as answer:
            assert answer.status == 404


async def test_faults_strike_the_vendor_and_leave_the_control_surface_alone() -> None:
    service = Service(Options(customers=20))
    async with TestClient(TestServer(make_app(service=service))) as client:
        async with client.post("/_sandbox/faults", json={"kind": "5xx"}) as answer:
            assert (await answer.json())["struck"] == 0
        async with client.post("/connect/token") as answer:
            assert answer.status == 503
        async with client.get("/_sandbox/stats") as answer:
            assert answer.status == 200
        async with client.post("/_sandbox/faults/clear") as answer:
            assert await answer.json() == {"cleared": 1}
        async with client.post("/connect/token") as answer:
            assert answer.status == 400


async def test_a_company_can_go_on_living() -> None:
    clock = FakeClock()
    service = Service(Options(customers=20, activity=60, clock=clock))
    async with TestClient(TestServer(make_app(service=service))) as client:
        while len(clock.slept) < 5:  # noqa: ASYNC110 - a clock that jumps tells nobody
            await asyncio.sleep(0)
        async with client.get("/_sandbox/records/crm.customers") as answer:
            assert answer.status == 200
    assert clock.slept[:4] == [1.0] * 4
    changed = [row for table in service.tenant.tables.values() for row in table.rows.values()]
    assert any(row.modified > service.tenant.opened for row in changed)
