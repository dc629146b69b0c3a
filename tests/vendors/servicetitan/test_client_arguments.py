"""Arguments: checked by name and type before anything is sent, spelled as the vendor wants them."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from servicetitan_lab import ROWS, TENANT

from perfectcatch.errors import BadArgument
from perfectcatch.vendors.servicetitan.arguments import bind, snake

CUSTOMERS = ROWS["crm.customers.list"]


def target(name: str, /, **arguments: Any) -> str:
    return bind(ROWS[name], TENANT, arguments).target.partition("tenant/4711/")[2]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "customers"),
        ({"name": "Smith & Söhne/ü"}, "customers?name=Smith%20%26%20S%C3%B6hne%2F%C3%BC"),
        ({"sort": "+Id"}, "customers?sort=%2BId"),
        ({"page_size": 5000, "page": "2"}, "customers?page=2&pageSize=5000"),
        ({"pageSize": 10}, "customers?pageSize=10"),
        ({"includeTotal": True}, "customers?includeTotal=true"),
        ({"include_total": "False"}, "customers?includeTotal=false"),
        ({"ids": [3, 1, 2]}, "customers?ids=3,1,2"),
        ({"ids": "3,1"}, "customers?ids=3,1"),
        ({"active": "any"}, "customers?active=Any"),
        ({"active": True}, "customers?active=True"),
        ({"name": None}, "customers"),
        ({"statuses": ["Pending", "posted"]}, "customers?statuses=Pending&statuses=Posted"),
        ({"statuses": "Pending, Posted"}, "customers?statuses=Pending&statuses=Posted"),
        ({"custom_field_fields": {"A b": 1}}, "customers?customField.Fields.A%20b=1"),
        ({"owners": [{"type": "Job", "id": 7}]}, "customers?owners[0].type=Job&owners[0].id=7"),
        ({"owners": "+Id"}, "customers?owners=%2BId"),
        ({"minCost": Decimal("1E+2")}, "customers?minCost=100"),
        ({"min_cost": 0.5}, "customers?minCost=0.5"),
        ({"on": date(2026, 2, 3)}, "customers?on=2026-02-03"),
        (
            {"modified_on_or_after": datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=-5)))},
            "customers?modifiedOnOrAfter=2026-01-02T08:00:00Z",
        ),
        (
            {"modifiedOnOrAfter": datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)},
            "customers?modifiedOnOrAfter=2026-01-02T03:04:05.000600Z",
        ),
        (
            {"modifiedOnOrAfter": "2026-01-02T03:04:05.1234567Z"},
            "customers?modifiedOnOrAfter=2026-01-02T03:04:05.1234567Z",
        ),
        (
            {"modifiedOnOrAfter": "2026-01-02T03:00:00+02:00"},
            "customers?modifiedOnOrAfter=2026-01-02T01:00:00Z",
        ),
        ({"modifiedOnOrAfter": "2026-01-02"}, "customers?modifiedOnOrAfter=2026-01-02T00:00:00Z"),
    ],
)
def test_values_are_spelled_as_the_vendor_wants_them(arguments: dict[str, Any], expected: str) -> None:
    assert target("crm.customers.list", **arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"jobStatus": 1}, "crm.customers.list has no argument jobStatus; did you mean statuses?"),
        ({"modified_onafter": 1}, "did you mean modifiedOnOrAfter?"),
        ({"zzz": 1}, "it takes active, customField.Fields, "),
        ({"tenant": 1}, "has no argument tenant"),
        ({"page": "one"}, "page takes a whole number, not 'one'"),
        ({"page": True}, "page takes a whole number"),
        ({"page": 1.5}, "page takes a whole number"),
        ({"page": 2**63}, "page takes a whole number"),
        ({"page": [1]}, "page takes a whole number"),
        ({"pageSize": 5001}, "pageSize is from 1 to 5000, not 5001"),
        ({"pageSize": 0}, "pageSize is from 1 to 5000"),
        ({"includeTotal": "yes"}, "includeTotal takes true or false"),
        ({"active": "All"}, "active takes one of True, Any, False, not 'All'"),
        ({"statuses": ["Open"]}, "statuses takes one of Pending, Posted"),
        ({"modifiedOnOrAfter": datetime(2026, 1, 1)}, "modifiedOnOrAfter takes a moment with its offset"),  # noqa: DTZ001
        ({"modifiedOnOrAfter": "yesterday"}, "modifiedOnOrAfter takes a moment"),
        ({"minCost": "NaN"}, "minCost takes a number"),
        ({"on": "2026-02-30"}, "on takes a day"),
        ({"name": {"a": 1}}, "name takes text"),
        ({"customField.Fields": "a=1"}, "customField.Fields takes names with values"),
        ({"pageSize": 1, "page_size": 2}, "pageSize is given twice"),
    ],
)
def test_what_the_vendor_would_misread_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadArgument) as caught:
        bind(CUSTOMERS, TENANT, arguments)
    assert sentence in str(caught.value)


def test_path_parameters() -> None:
    assert target("crm.customers.get", id=7) == "customers/7"
    assert target("crm.providers.get", booking_provider="a/b c") == "booking-provider/a%2Fb%20c/tags"
    for wrong in ({}, {"id": None}, {"id": "7/../8"}, {"id": True}):
        with pytest.raises(BadArgument, match="whole number"):
            target("crm.customers.get", **wrong)
    for wrong_text in ("..", ".", ""):
        with pytest.raises(BadArgument, match="booking_provider cannot be"):
            target("crm.providers.get", booking_provider=wrong_text)


def test_what_a_row_requires() -> None:
    with pytest.raises(BadArgument, match="needs at least one of modifiedBefore, modifiedOnOrAfter"):
        target("crm.contacts.list")
    with pytest.raises(BadArgument, match=r"pricebook.images.get needs path \(text\)"):
        target("pricebook.images.get")
    assert target("crm.customers.export", from_="x=") == "export/customers?from=x%3D"
    assert target("settings.intacct.list", page=0) == "business-units/intacct?page=0&includeTotal=true"
    assert target("settings.intacct.list", includeTotal=False).endswith("?includeTotal=false")


def test_bodies() -> None:
    row = ROWS["crm.customers.update"]
    given = {"at": datetime(2026, 1, 1, tzinfo=UTC), "price": Decimal("1.10")}
    bound = bind(row, TENANT, {"id": 1}, given)
    assert bound.body == b'{"at":"2026-01-01T00:00:00Z","price":1.10}'
    assert bind(row, TENANT, {"id": 1}, b'{"a": 1}').body == b'{"a": 1}'
    for wrong in (b"{", object()):
        with pytest.raises(BadArgument, match="cannot be written as JSON"):
            bind(row, TENANT, {"id": 1}, wrong)
    with pytest.raises(BadArgument, match="needs a body: UpdateCustomer"):
        bind(row, TENANT, {"id": 1})
    with pytest.raises(BadArgument, match="takes no body"):
        bind(CUSTOMERS, TENANT, {}, msgspec.UNSET)


def test_a_report_is_known_by_category_and_id() -> None:
    bound = bind(ROWS["reporting.data.run"], TENANT, {"report_category": "sales", "report_id": 9}, {})
    assert bound.report == "sales:9"
    assert bind(CUSTOMERS, TENANT, {}).report is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("modifiedOnOrAfter", "modified_on_or_after"),
        ("customField.Operator", "custom_field_operator"),
        ("id", "id"),
    ],
)
def test_snake(name: str, expected: str) -> None:
    assert snake(name) == expected
