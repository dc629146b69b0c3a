"""Operations that people were promised by name or by number, found in the catalogue."""

import re
from collections import Counter

import pytest

from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE

# Where the vendor's own word differs from the promise, the vendor's is here: a customer is changed with
# PATCH, an estimate sold with PUT, capacity asked for with POST.
NAMED = """
GET jpm jobs
GET jpm jobs/{}
GET jpm jobs/{}/notes
GET jpm jobs/{}/history
POST jpm jobs
GET jpm job-types
GET jpm appointments
POST jpm appointments
GET crm customers
GET crm customers/{}
POST crm customers
PATCH crm customers/{}
GET crm customers/{}/contacts
GET crm export/customers/contacts
GET sales estimates
GET sales estimates/{}
PUT sales estimates/{}/sell
PUT sales estimates/{}/unsell
GET accounting invoices
GET settings business-units
GET settings technicians
GET marketing campaigns
GET dispatch appointment-assignments
GET dispatch technician-shifts
POST dispatch capacity
GET dispatch zones
GET dispatch teams
GET dispatch arrival-windows
GET pricebook categories
GET pricebook services
GET pricebook materials
GET pricebook equipment
GET crm locations
GET accounting payments
GET settings employees
GET settings tag-types
GET jbce call-reasons
GET jpm jobs/custom-fields
GET equipmentsystems installed-equipment
GET sales opportunities
GET sales opportunities/followups
"""

AT_LEAST = {
    "accounting": 54,
    "dispatch": 36,
    "pricebook": 40,
    "settings": 20,
    "payroll": 34,
    "inventory": 47,
    "marketing": 19,
    "telecom": 10,
    "forms": 5,
    "reporting": 5,
    "timesheets": 12,
}

OPERATIONS = {
    re.sub(r"\{\w+\}", "{}", f"{each.method} {each.path.replace('/tenant/{tenant}', '')}")
    for each in CATALOGUE.values()
}


def in_catalogue(method: str, module: str, rest: str) -> bool:
    return any(re.fullmatch(rf"{method} /{module}/v[23]/{re.escape(rest)}", each) for each in OPERATIONS)


@pytest.mark.parametrize("line", NAMED.strip().splitlines())
def test_an_operation_promised_by_name_is_there(line: str) -> None:
    assert in_catalogue(*line.split())


def test_each_module_has_as_many_operations_as_promised() -> None:
    found = Counter(name.split(".")[0] for name in CATALOGUE)
    assert {module: found[module] for module in AT_LEAST if found[module] < AT_LEAST[module]} == {}
    assert {"jpm", "crm", "sales", "equipmentsystems"} <= found.keys()
    assert len(found) >= 16


def test_visits_are_not_where_they_never_answered() -> None:
    assert not in_catalogue("GET", "dispatch", "appointments")
    assert not in_catalogue("POST", "dispatch", "appointments")


def test_paging_goes_up_to_what_each_list_allows() -> None:
    sizes = Counter(each.max_page_size for each in CATALOGUE.values() if each.takes("pageSize"))
    assert sizes.most_common(1)[0][0] == 5000
    assert min(sizes) >= 50
