"""The rows of the catalogue, linted as rows."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from perfectcatch.errors import BadArgument
from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE, find
from perfectcatch.vendors.servicetitan.endpoints._rows import FEED, PAGING, Module, parameters

ROWS = tuple(CATALOGUE.values())
TYPES = {"string", "integer", "number", "boolean", "date-time", "date", "object"}
PATH = re.compile(r"/([a-z-]+)/(v[23])/tenant/\{tenant\}(/[a-z-]+|/\{[A-Za-z_]+\})+")
NAME = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*(_v2)?")
SCHEMA = re.compile(r"integer|binary|inline:object|(array<)?[A-Za-z]\w+([.]\w+)*>?")
READS = {Kind.PAGE, Kind.EXPORT, Kind.ITEM, Kind.LIST, Kind.FILE, Kind.REPORT}


def test_the_catalogue_is_whole():
    assert Counter(row.current for row in ROWS) == {True: 563, False: 28}
    assert len({tuple(row.path.split("/")[1:3]) for row in ROWS}) == 25
    assert len({row.module for row in ROWS}) == 24


def test_no_operation_is_there_twice():
    assert [
        operation for operation, times in Counter((row.method, row.path) for row in ROWS).items() if times > 1
    ] == []


def named_by_module_resource_and_verb(row: Endpoint) -> bool:
    return NAME.fullmatch(row.name) is not None and CATALOGUE[row.name] is row


def path_begins_with_the_module(row: Endpoint) -> bool:
    found = PATH.fullmatch(row.path)
    return found is not None and found[1].replace("-", "_") == row.module


def path_and_its_parameters_agree(row: Endpoint) -> bool:
    placeholders = re.findall(r"\{(\w+)\}", row.path)
    return placeholders == [parameter.name for parameter in row.path_parameters] and all(
        parameter.required and parameter.type in {"integer", "string"} for parameter in row.path_parameters
    )


def resource_is_in_the_path(row: Endpoint) -> bool:
    fixed = [part.replace("-", "_") for part in row.path.split("/")[5:] if not part.startswith("{")]
    resource = row.name.split(".")[1]
    return all(word in "_".join(fixed) for word in resource.split("_"))


def parameters_are_well_formed(row: Endpoint) -> bool:
    return all(
        re.fullmatch(r"[a-z]\w*(\.[A-Z]\w*)?", parameter.name)
        and parameter.type.removesuffix("[]") in TYPES
        and len(set(parameter.choices)) == len(parameter.choices) != 1
        for parameter in row.query
    )


def no_parameter_is_there_twice(row: Endpoint) -> bool:
    return len({parameter.name for parameter in row.query}) == len(row.query)


def facts_name_parameters_of_the_row(row: Endpoint) -> bool:
    return all(row.takes(name) for name in (*row.needs_one_of, *(name for name, _ in row.always)))


def sentence_is_plain(row: Endpoint) -> bool:
    return re.fullmatch(r"[A-Z][A-Za-z ,:()'-]{5,70}", row.does) is not None and not row.does.endswith(" ")


def scope_fits_the_kind(row: Endpoint) -> bool:
    if not row.scopes:
        return not row.current
    (scope,) = row.scopes
    return re.fullmatch(r"tn\.[a-z]+\.[a-z]+:[rw]", scope) is not None and (
        not row.writes or scope.endswith(":w") or row.name == "reporting.data_queries.delete"
    )


def kind_fits_the_method(row: Endpoint) -> bool:
    if row.method == "GET":
        return row.kind in READS - {Kind.REPORT}
    if row.kind in {Kind.REPORT, Kind.ITEM}:
        return row.method == "POST"
    return row.kind is Kind.COMMAND and row.method in {"POST", "PUT", "PATCH", "DELETE"}


def verb_fits_the_kind(row: Endpoint) -> bool:
    verb = row.name.rsplit(".", 1)[1]
    if row.kind in {Kind.PAGE, Kind.LIST}:
        return verb.startswith("list")
    if row.kind is Kind.EXPORT:
        return verb in {"export", "export_old"}
    if row.kind in {Kind.ITEM, Kind.FILE}:
        return verb in {"get", "query"}
    return not verb.startswith(("get", "list", "export"))


def pages_can_be_paged(row: Endpoint) -> bool:
    if row.kind is Kind.PAGE:
        return row.takes("page") and row.takes("pageSize") and row.max_page_size in {500, 5000}
    return row.max_page_size == 5000 and row.first_page == 1


def feeds_take_a_token(row: Endpoint) -> bool:
    return (row.kind is Kind.EXPORT) == (set(FEED) <= set(row.query))


def schemas_are_spelled_out(row: Endpoint) -> bool:
    given = [schema for schema in (row.body, row.answer, row.record) if schema is not None]
    return all(SCHEMA.fullmatch(schema) and ".." not in schema for schema in given)


def records_belong_to_lists(row: Endpoint) -> bool:
    if row.kind not in {Kind.PAGE, Kind.EXPORT, Kind.LIST}:
        return row.record is None
    # An operation without a documented answer has no record; the rows of a value set have no names.
    return (row.record is None) == (row.answer is None) or row.name == "reporting.dynamic_value_sets.list"


def only_changes_carry_a_body(row: Endpoint) -> bool:
    return row.body is None or row.method != "GET"


RULES = (
    named_by_module_resource_and_verb,
    path_begins_with_the_module,
    path_and_its_parameters_agree,
    resource_is_in_the_path,
    parameters_are_well_formed,
    no_parameter_is_there_twice,
    facts_name_parameters_of_the_row,
    sentence_is_plain,
    scope_fits_the_kind,
    kind_fits_the_method,
    verb_fits_the_kind,
    pages_can_be_paged,
    feeds_take_a_token,
    schemas_are_spelled_out,
    records_belong_to_lists,
    only_changes_carry_a_body,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_row_keeps(rule: Callable[[Endpoint], bool]):
    assert [row.name for row in ROWS if not rule(row)] == []


def test_questions_asked_with_post_are_not_writes():
    asked = {row.name for row in ROWS if row.method == "POST" and not row.writes}
    assert asked == {
        "dispatch.adcap_availability.get",
        "dispatch.adcap_availability_slots.get",
        "dispatch.capacity.get",
        "reporting.report_category_reports.run",
        "reporting.report_category_reports.start",
        "telecom.optinouts_optouts.query",
    }


def test_the_vendors_oddities_are_facts_of_their_rows():
    bounded = {row.name for row in ROWS if row.needs_one_of}
    assert bounded == {"crm.customers_contacts.list", "crm.locations_contacts.list"}
    assert {row.needs_one_of for row in map(find, bounded)} == {("modifiedOnOrAfter", "modifiedBefore")}

    intacct = find("settings.business_units_intacct.list")
    assert (intacct.first_page, intacct.always) == (0, (("includeTotal", "true"),))
    assert [row.name for row in ROWS if row.first_page != 1 or row.always] == [intacct.name]

    assert {row.name for row in ROWS if row.max_page_size == 500} == {
        "accounting.journal_entries.list",
        "accounting.journal_entries_details.list",
        "accounting.journal_entries_summary.list",
        "inventory.return_types.list",
        "settings.business_units_intacct.list",
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("jpm.jobs.list", "jpm.jobs.list"),
        ("jobs.list", "jpm.jobs.list"),
        ("jobs.get", "jpm.jobs.get"),
        ("customers.create", "crm.customers.create"),
        ("estimates.sell", "sales.estimates.sell"),
        ("appointments.list", "jpm.appointments.list"),
        ("technicians.list", "settings.technicians.list"),
        ("teams.list", "dispatch.teams.list"),
        ("job-types.list", "jpm.job_types.list"),
        (" Job_Types.list ", "jpm.job_types.list"),
        ("categories.list", "pricebook.categories.list"),
        ("marketing.categories.list", "marketing.categories.list"),
        ("service-agreements.list", "service_agreements.service_agreements.list"),
        ("calls.list", "telecom.calls.list"),
        ("calls.list_v2", "telecom.calls.list_v2"),
    ],
)
def test_an_operation_is_found_by_its_full_and_its_short_name(asked: str, found: str):
    assert find(asked).name == found


@pytest.mark.parametrize("name", [row.name for row in ROWS])
def test_every_operation_is_found(name: str):
    assert find(name) is CATALOGUE[name]


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ("jobs.lst", "did you mean jobs.list"),
        ("jpm.jobs.lst", "did you mean jpm.jobs.list"),
        ("dispatch.technicians.list", r"did you mean settings\.technicians\.list\?$"),
        ("customers", "customers.get"),
        ("xyzzyqq", "names look like jpm.jobs.list"),
        ("", "names look like jpm.jobs.list"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_ones(asked: str, offered: str):
    with pytest.raises(BadArgument, match=offered):
        find(asked)


# The builders ----------------------------------------------------------------------------------


def test_a_word_says_name_type_choices_and_need():
    (plain, required, choice) = parameters("name !ids:integer[] status=Open|Closed")
    assert (plain.name, plain.type, plain.required, plain.choices) == ("name", "string", False, ())
    assert (required.name, required.type, required.required) == ("ids", "integer[]", True)
    assert (choice.name, choice.type, choice.choices) == ("status", "string", ("Open", "Closed"))


def test_a_row_is_put_together_from_its_parts():
    module = Module("shed", root="/shed/v2/tenant/{tenant}/", scopes="tn.shd.", schemas="Shed.V2")
    row = module.command(
        "tools.update",
        "PATCH tools/{id}/parts/{partId:string}",
        "Update a part",
        "tools",
        "array<.Part>",
        "Plain",
    )
    assert (row.name, row.method, row.path) == (
        "shed.tools.update",
        "PATCH",
        "/shed/v2/tenant/{tenant}/tools/{id}/parts/{partId}",
    )
    assert [(part.name, part.type) for part in row.path_parameters] == [
        ("tenant", "integer"),
        ("id", "integer"),
        ("partId", "string"),
    ]
    assert (row.body, row.answer, row.scopes) == ("array<Shed.V2.Part>", "Plain", ("tn.shd.tools:w",))

    page = module.page("tools.list", "tools", "List tools", "tools", ".Tool", PAGING, "name")
    assert (page.answer, page.record) == ("PaginatedResponse_Of_Shed.V2.Tool", "Shed.V2.Tool")
    assert page.query == (*PAGING, *parameters("name"))


def test_the_catalogue_reads_no_document_at_run_time():
    script = (
        "import sys, perfectcatch.vendors.servicetitan.endpoints as loaded;"
        "print(len(loaded.CATALOGUE), 'json' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.split() == ["591", "False"]
