"""Every declared path is documented by the vendor with a fitting type, and no documented field is missed."""

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from perfectcatch.model.entity import Column, Convert, Entity, Type
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE
from perfectcatch.vendors.servicetitan.entities import ENTITIES

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("PERFECTCATCH_SHARED", REPOSITORY.parent / "shared"))
SPECS = SHARED / "servicetitan" / "specs"
FIXTURES = REPOSITORY / "tests" / "vendors" / "servicetitan" / "fixtures"

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason=f"the vendor's documents are not at {SPECS}")

Schema = dict[str, Any]

# The list of calls nests what the feed has flat, and its ``type`` is something else.
NO_TWIN = {"calls"}

# The vendor writes amounts and one id as text.
TEXT_AS_NUMBER = {"invoices", "payments"}

FITTING: Mapping[tuple[str, str | None], set[Type]] = {
    ("integer", "int64"): {Type.BIGINT},
    ("integer", "int32"): {Type.INTEGER, Type.BIGINT},
    ("number", "decimal"): {Type.MONEY, Type.NUMBER},
    ("number", "double"): {Type.DOUBLE, Type.NUMBER},
    ("boolean", None): {Type.FLAG},
    ("string", "date-time"): {Type.MOMENT, Type.DAY},
    ("string", "date"): {Type.DAY},
    ("string", "duration"): {Type.NUMBER},
    ("object", None): {Type.JSON},
}

each_entity = pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)


class Place(NamedTuple):
    """A schema and the document that its references point into."""

    document: Schema
    schema: Schema


@cache
def documents() -> tuple[Schema, ...]:
    """Every document, the newest first."""
    files = sorted(SPECS.glob("*/*.json"), key=lambda file: file.parent.name, reverse=True)
    return tuple(json.loads(file.read_text(encoding="utf-8")) for file in files)


@cache
def record_of(endpoint: str) -> Place:
    """The schema of one record that an operation of the catalogue answers with."""
    path = CATALOGUE[endpoint].path
    for document in documents():
        base = "/" + document["servers"][0]["url"].split("/", 3)[3]
        for tail, operations in document["paths"].items():
            if base.rstrip("/") + tail == path:
                (content,) = operations["get"]["responses"]["200"]["content"].values()
                answer = resolved(Place(document, content["schema"]))
                rows = answer.schema["properties"].get("data")
                return (
                    resolved(Place(document, resolved(Place(document, rows)).schema["items"]))
                    if rows
                    else answer
                )
    raise LookupError(path)


def resolved(place: Place) -> Place:
    """Follow references and the one choice that is not null."""
    document, schema = place
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            continue
        choices = [each for each in schema.get("oneOf", ()) if each.get("type") != "null"]
        if len(choices) != 1:
            return Place(document, schema)
        schema = choices[0]


def type_of(schema: Schema) -> str:
    found = schema.get("type", "object")
    return next(each for each in found if each != "null") if isinstance(found, list) else found


def at(place: Place, path: tuple[str, ...]) -> Place:
    for step in path:
        place = resolved(Place(place.document, place.schema["properties"][step]))
    return place


def fitting(place: Place) -> Iterator[tuple[Type, Convert]]:
    """Every pair of type and conversion that a documented field can fill."""
    kind, form = type_of(place.schema), place.schema.get("format")
    if kind == "array":
        item = resolved(Place(place.document, place.schema["items"]))
        if type_of(item.schema) == "object":
            yield Type.JSON, Convert.PLAIN
            yield from ((Type.IDS, Convert.IDS_OF), (Type.TEXTS, Convert.NAMES_OF))
        else:
            yield (Type.IDS if type_of(item.schema) == "integer" else Type.TEXTS), Convert.PLAIN
        return
    if kind == "string" and (kind, form) not in FITTING:
        for convert in (Convert.PLAIN, Convert.PHONE, Convert.LOWER, Convert.FIRST_NAME, Convert.LAST_NAME):
            yield Type.TEXT, convert
        return
    how = {Type.DAY: Convert.DAY_OF}
    if form == "duration":
        how = {Type.NUMBER: Convert.SECONDS}
    for type_ in FITTING[kind, form if (kind, form) in FITTING else None]:
        yield type_, how.get(type_, Convert.PLAIN)


def assert_documented(entity: Entity, column: Column, record: Place) -> None:
    place = at(record, column.path)
    pairs = set(fitting(place))
    if entity.name in TEXT_AS_NUMBER and type_of(place.schema) == "string":
        pairs |= {(type_, Convert.PLAIN) for type_ in (Type.MONEY, Type.NUMBER, Type.BIGINT)}
    assert (column.type, column.convert) in pairs, f"{entity.name}.{column.name}: {place.schema}"


def fields_of(endpoint: str) -> set[str]:
    return set(record_of(endpoint).schema["properties"])


def documented_fields(entity: Entity) -> set[str]:
    """Top-level fields of the record wherever it can be read."""
    endpoints = {feed.endpoint for feed in entity.feeds}
    if entity.reads_one:
        endpoints.add(entity.reads_one)
    if entity.name not in NO_TWIN:
        paths = {CATALOGUE[feed.endpoint].path.replace("/export/", "/") for feed in entity.feeds}
        endpoints |= {name for name, row in CATALOGUE.items() if row.path in paths and row.method == "GET"}
    fields = {field for endpoint in endpoints for field in fields_of(endpoint)}
    return fields | {feed.tag[0] for feed in entity.feeds if feed.tag}


@each_entity
def test_every_path_is_documented(entity: Entity) -> None:
    tags = {feed.tag[0] for feed in entity.feeds if feed.tag}
    for feed in entity.feeds:
        record = record_of(feed.endpoint)
        for column in entity.vendor_columns:
            if column.at not in tags:
                assert_documented(entity, column, record)
        for child in entity.children:
            rows = at(record, tuple(child.at.split(".")))
            item = resolved(Place(rows.document, rows.schema["items"]))
            for column in child.columns:
                assert_documented(entity, column, item)


@each_entity
def test_the_marks_of_a_record_are_documented(entity: Entity) -> None:
    for feed in entity.feeds:
        record = record_of(feed.endpoint)
        marks = {entity.created: "date-time", entity.modified: "date-time", entity.merged_into: "int64"}
        for path, form in marks.items():
            if path:
                assert at(record, tuple(path.split("."))).schema["format"] == form
        if entity.active:
            assert type_of(at(record, tuple(entity.active.split("."))).schema) == "boolean"
        key = at(record, tuple(entity.key.split("."))).schema
        assert entity.derived_key or key["format"] == "int64"


@each_entity
def test_no_documented_field_is_missed_and_none_invented(entity: Entity) -> None:
    assert sorted(entity.known_fields) == sorted(documented_fields(entity))


@each_entity
def test_the_default_marks_are_used_where_there_are_any(entity: Entity) -> None:
    fields = set.intersection(*(fields_of(feed.endpoint) for feed in entity.feeds))

    assert (entity.created is None) == ("createdOn" not in fields)
    assert (entity.modified is None) == ("modifiedOn" not in fields)
    assert (entity.active is None) == ("active" not in fields)
    assert (entity.merged_into is None) == ("mergedToId" not in fields)


@each_entity
def test_the_fixture_is_shaped_as_documented(entity: Entity) -> None:
    fixture = json.loads((FIXTURES / f"{entity.name}.json").read_text(encoding="utf-8"))
    for feed in entity.feeds:
        document, schema = record_of(feed.endpoint)
        validator = Draft202012Validator({"components": document["components"], **schema})

        assert not [f"{error.json_path}: {error.message}" for error in validator.iter_errors(fixture)]
        assert set(schema["properties"]) == set(fixture), "a fixture shows every field"


def test_there_is_one_fixture_for_each_entity() -> None:
    assert {file.stem for file in FIXTURES.glob("*.json")} >= {entity.name for entity in ENTITIES}
