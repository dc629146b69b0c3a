"""The route table: complete, unambiguous, closed to everything else."""

import json
from collections import Counter

import pytest
from passing_lab import TABLE, Lab

from perfectcatch.gateway.passing.described import describe
from perfectcatch.gateway.passing.table import Match, Table, shape
from perfectcatch.gateway.problems import Denied
from perfectcatch.model.endpoint import Parameter
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE
from perfectcatch.vendors.servicetitan.routes import LOCAL, offer

PROMISED_GROUPS = set(
    """
    jobs customers estimates opportunities accounting dispatch pricebook settings equipment inventory payroll
    marketing forms telecom timesheets reporting memberships jpm crm jbce marketing-ads task-management images
    """.split()  # noqa: SIM905 - a list of words reads better so
)


def find(method: str, path: str) -> Match | frozenset[str]:
    return TABLE.find(method, path.encode())


def test_every_operation_has_a_route_of_its_own():
    primary = [route for route in TABLE.routes if not route.alias]
    assert {route.endpoint.name for route in primary} == set(CATALOGUE)
    assert all(route.path.startswith("/st/") for route in primary)
    assert len(CATALOGUE) <= len(primary) <= len(CATALOGUE) + 10


def test_there_are_well_over_372_routes():
    assert len(TABLE.routes) > 1200


def test_no_two_routes_could_be_meant_by_one_request():
    counted = Counter((route.method, shape(route.path)) for route in TABLE.routes)
    assert [key for key, count in counted.items() if count > 1] == []


def test_every_promised_group_is_there():
    assert {prefix.decode() for prefix in TABLE.prefixes} >= PROMISED_GROUPS


def test_every_route_is_found_by_its_path():
    for route in TABLE.routes:
        values = {each.name: "7" for each in route.endpoint.path_parameters if each.name != "tenant"}
        match = find(route.method, route.path.format(**values))
        assert isinstance(match, Match), route.key
        assert match.route is route
        assert match.values == values
        assert "tenant" not in route.path


@pytest.mark.parametrize(
    ("asked", "operation"),
    [
        ("GET /jobs", "jpm.jobs.list"),
        ("GET /jobs/7/notes", "jpm.jobs_notes.list"),
        ("GET /jobs/7/history", "jpm.jobs_history.get"),
        ("GET /customers/contacts", "crm.customers_contacts.list"),
        ("GET /customers/7/contacts", "crm.customers_contacts.list_of_one"),
        ("GET /crm/export/customers/contacts", "crm.customers_contacts.export"),
        ("PUT /customers/7", "crm.customers.update"),
        ("PUT /st/crm/customers/7", "crm.customers.update"),
        ("POST /estimates/7/sell", "sales.estimates.sell"),
        ("POST /estimates/7/unsell", "sales.estimates.unsell"),
        ("GET /dispatch/capacity", "dispatch.capacity.get"),
        ("GET /opportunities", "sales.opportunities.list"),
        ("GET /equipment/installed-equipment", "equipmentsystems.installed_equipment.list"),
        ("GET /telecom/calls", "telecom.calls.list"),
        ("GET /telecom/v3/calls", "telecom.calls.list"),
        ("GET /st/telecom/v2/calls", "telecom.calls.list_v2"),
        ("GET /st/pricebook/services", "pricebook.services.list"),
        ("POST /pricebook/services", "pricebook.services.create"),
        ("GET /st/service-agreements/service-agreements", "service_agreements.service_agreements.list"),
    ],
)
def test_what_habits_ask_for(asked: str, operation: str):
    match = find(*asked.split())
    assert isinstance(match, Match)
    assert match.route.endpoint.name == operation


def test_the_price_book_under_its_own_name_is_our_copy():
    for asked in LOCAL:
        match = find(*asked.split())
        assert isinstance(match, frozenset)
        assert "GET" not in match


def test_withdrawn_operations_are_marked():
    document: dict = {}
    describe(document, offer(), TABLE.routes)
    for route in TABLE.routes:
        told = document["paths"][route.path][route.method.lower()]
        assert told.get("deprecated", False) is not route.endpoint.current
        assert told["x-required-scope"] == ("write" if route.endpoint.writes else "read")
        assert {each["name"] for each in told["parameters"] if each.get("in") == "query"} == {
            each.name for each in route.query
        }


def test_the_document_refers_to_nothing_that_is_not_there():
    document: dict = {}
    describe(document, offer(), TABLE.routes)
    missing = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                found: object = document
                for step in reference.removeprefix("#/").split("/"):
                    found = found.get(step) if isinstance(found, dict) else None
                if found is None:
                    missing.append(reference)
            for each in node.values():
                walk(each)
        elif isinstance(node, list):
            for each in node:
                walk(each)

    walk(document)
    assert missing == []
    names = [told["operationId"] for item in document["paths"].values() for told in item.values()]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert len(json.dumps(document)) < 4_000_000


@pytest.mark.parametrize(
    "path",
    [
        "/st/../health",
        "/st/crm/../../health",
        "/st/crm/./customers",
        "/st/crm/%2e%2e/customers",
        "/st/crm/%2E/customers",
        "/st/crm/customers%2f7",
        "/st/crm/customers/%5c..",
        "/st/crm\\customers",
        "/st/crm/customers;x=1",
        "/st/crm/customers/%3B",
        "/st/crm/customers/7%00",
        "/st/crm/customers/7%0d%0aX:1",
        "/st/crm/customers/%252e%252e",
        "/st//crm/customers",
        "/st/crm/customers/%zz",
        "/st/crm/customers/\x7f",
        "/customers/..",
    ],
)
def test_hostile_paths_are_refused(path: str):
    with pytest.raises(Denied) as caught:
        find("GET", path)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "path", ["/st/crm", "/st/crm/customers/", "/st/crm/v2/tenant/1/customers", "/st/CRM/customers", "/st/x/y"]
)
def test_other_paths_do_not_exist(path: str):
    assert find("GET", path) == frozenset()


def test_an_id_is_a_number():
    with pytest.raises(Denied, match="whole number"):
        find("GET", "/st/crm/customers/seven")
    assert isinstance(find("GET", "/st/dispatch/technician-skills/a%20b"), Match)


def test_a_wrong_method_is_told_which_are_right():
    assert find("DELETE", "/st/crm/customers") == {"GET", "POST"}


def test_two_routes_of_one_meaning_are_refused():
    route = TABLE.routes[0]
    with pytest.raises(AssertionError):
        Table([route, route])


# Each route at the vendor --------------------------------------------------------------------------


def _value(parameter: Parameter) -> str:
    if parameter.choices:
        return parameter.choices[0]
    return {"date-time": "2026-01-31T00:00:00Z", "date": "2026-01-31", "boolean": "true"}.get(
        parameter.type.removesuffix("[]"), "7"
    )


async def test_every_route_reaches_the_operation_that_it_names(lab: Lab):
    """Over the wire for each operation; its other names are shown to make the very same call."""
    wrong, ledger, passage = [], lab.vendor.ledger, lab.app.state.gateway.passage
    called: dict[str, set[str]] = {}
    for number, route in enumerate(TABLE.routes, 1):
        endpoint = route.endpoint
        needed = [each for each in route.query if each.required or each.name in endpoint.needs_one_of[:1]]
        pairs = [(each.name, _value(each)) for each in needed]
        names = [each.name for each in endpoint.path_parameters if each.name != "tenant"]
        call = passage.bind(route, dict.fromkeys(names, "7"), pairs)
        called.setdefault(f"{endpoint.name} {route.query_is_body}", set()).add(call.target)
        if route.alias:
            continue
        # Another number each time: one report runs once a minute.
        path = route.path.format(**dict.fromkeys(names, str(number)))
        content: dict = {}
        if route.uploads:
            content = {"files": {"file": ("a.png", b"png", "image/png")}}
        elif endpoint.body is not None and not route.query_is_body:
            content = {"json": {}}
        answer = await lab.ask(
            route.method, path, params=pairs, headers={"Cache-Control": "no-cache"}, **content
        )
        last = ledger.entries[-1]
        reached = last.operation == f"{endpoint.method} {endpoint.path}"
        ours = f"/tenant/{lab.tenant_id}/" in last.path
        if not (reached and ours) or answer.status_code >= 500:
            wrong.append((route.key, answer.status_code, last.operation, answer.text[:600]))
    assert wrong == []
    assert [name for name, targets in called.items() if len(targets) != 1] == []
