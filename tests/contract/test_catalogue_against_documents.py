"""The catalogue and the vendor's documents say the same, in both directions."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from perfectcatch.model.endpoint import Endpoint, Kind, Parameter
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE

SHARED = Path(os.environ.get("PERFECTCATCH_SHARED", Path(__file__).parents[3] / "shared"))
LISTING = SHARED / "servicetitan" / "endpoints.json"
SPECS = SHARED / "servicetitan" / "specs"

pytestmark = pytest.mark.skipif(not LISTING.is_file(), reason=f"the vendor's documents are not at {LISTING}")

Json = dict[str, Any]

ROWS = {(row.method, row.path): row for row in CATALOGUE.values()}
each_row = pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.name)


@cache
def documented() -> dict[tuple[str, str], Json]:
    listed = json.loads(LISTING.read_text(encoding="utf-8"))
    return {(operation["method"], operation["path"]): operation for operation in listed}


@cache
def document(snapshot: str, file: str) -> Json:
    found: Json = json.loads((SPECS / snapshot / file).read_text(encoding="utf-8"))
    return found


def listing(row: Endpoint) -> Json:
    return documented()[row.method, row.path]


def operation(row: Endpoint) -> tuple[Json, Json] | None:
    """The newest document that has the operation, and the operation there; some are known by listing only."""
    listed = listing(row)
    for snapshot in sorted((folder.name for folder in SPECS.iterdir()), reverse=True):
        if (SPECS / snapshot / listed["spec_file"]).is_file():
            whole = document(snapshot, listed["spec_file"])
            for path, methods in whole["paths"].items():
                if path.split("/tenant/")[-1] == row.path.split("/tenant/")[-1] and (
                    row.path.endswith(path) and row.method.lower() in methods
                ):
                    return whole, methods[row.method.lower()]
    return None


def query_of(listed: Json) -> set[Parameter]:
    """The documents' ``enum`` becomes the type of its values, with the values as choices."""
    found = set()
    for spelled in listed["query_params"]:
        name, kind = spelled.split(":")
        choices = listed["query_enums"].get(name, ())
        if kind.startswith("enum"):
            kind = kind.replace("enum", "integer" if isinstance(choices[0], int) else "string")
        found.add(
            Parameter(
                name,
                kind,
                required=name in listed["query_required"],
                choices=tuple(str(choice) for choice in choices),
            )
        )
    return found


def schema_of(name: str | None) -> str | None:
    """A number alone is an integer; an inline object is, in all of its four places, an uploaded file."""
    return {"inline:integer": "integer", "inline:object": "binary"}.get(name or "", name)


def test_no_operation_lacks_and_none_is_made_up():
    assert set(documented()) - set(ROWS) == set()
    assert set(ROWS) - set(documented()) == set()


@each_row
def test_a_row_says_what_the_documents_say(row: Endpoint):
    listed = listing(row)
    assert set(row.query) == query_of(listed)
    assert {f"{parameter.name}:{parameter.type}" for parameter in row.path_parameters} == set(
        listed["path_params"]
    )
    assert list(row.scopes) == listed["scopes"]
    assert row.current == listed["current"]
    assert row.body == schema_of(listed["body_schema_name"])
    assert row.answer == schema_of(listed["response_schema_name"])


@each_row
def test_a_rows_kind_is_that_of_the_documented_answer(row: Endpoint):
    found = operation(row)
    if row.writes or found is None:
        return
    whole, described = found
    fields, record = answer_of(whole, described)
    if row.kind is Kind.EXPORT:
        assert fields in ({"hasMore", "continueFrom", "data"}, None)
    elif row.kind is Kind.PAGE:
        assert fields is None or {"page", "pageSize", "hasMore", "totalCount", "data"} <= fields
    elif row.kind is Kind.LIST:
        assert fields in (None, set()) or (
            "data" in fields and not (row.takes("page") and "hasMore" in fields)
        )
    elif row.kind is Kind.FILE:
        assert fields is None
    elif row.kind is Kind.ITEM and fields is not None:
        assert "hasMore" not in fields
        assert record is None or row.name == "telecom.optinouts_optouts.query"
    if row.record is not None:
        assert record == row.record


@each_row
def test_a_row_takes_what_the_document_itself_takes(row: Endpoint):
    """The listing is an extract; this looks past it."""
    found = operation(row)
    if found is None:
        return
    whole, described = found
    taken = [resolved(whole, parameter) for parameter in described.get("parameters", ())]
    asked = {
        parameter["name"]: parameter.get("required", False)
        for parameter in taken
        if parameter["in"] == "query"
    }
    assert {parameter.name: parameter.required for parameter in row.query} == asked
    assert {part.name for part in row.path_parameters} == {
        part["name"] for part in taken if part["in"] == "path"
    }
    assert described.get("requestBody") is None or row.body is not None


def test_every_document_that_has_paging_is_a_page_and_nothing_else_is():
    paged = {row.name for row in CATALOGUE.values() if row.kind is Kind.PAGE}
    documented_pages = {
        row.name
        for row in CATALOGUE.values()
        if row.method == "GET" and row.takes("page") and row.kind is not Kind.LIST
    }
    whole = {row.name for row in CATALOGUE.values() if row.kind is Kind.LIST and row.takes("page")}
    assert paged == documented_pages
    # These take a page and answer without saying whether there are more.
    assert whole == {
        "accounting.inventory_bills.list",
        "jpm.work_breakdown_structure_projects_segments.list",
        "jpm.work_breakdown_structure_segments.list",
    }


def answer_of(whole: Json, described: Json) -> tuple[set[str] | None, str | None]:
    """The fields of the answer (none for an array, None for no JSON) and the schema of one record."""
    contents: Json = {}
    for status, response in described["responses"].items():
        if status.startswith("2"):
            contents = response.get("content") or contents
    schema = contents.get("application/json", {}).get("schema")
    if schema is None:
        return None, None
    if "items" in schema:
        return set(), named(schema["items"])
    fields: Json = whole["components"]["schemas"].get(named(schema), {}).get("properties", {})
    return set(fields), named(fields.get("data", {}).get("items", {}))


def resolved(whole: Json, part: Json) -> Json:
    """Follow a reference within the document."""
    reference = part.get("$ref")
    if reference is None:
        return part
    for step in reference.removeprefix("#/").split("/"):
        whole = whole[step]
    return whole


def named(schema: Json) -> str | None:
    reference = schema.get("$ref") or next(
        (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None
    )
    return reference.rsplit("/", 1)[1] if reference else None
