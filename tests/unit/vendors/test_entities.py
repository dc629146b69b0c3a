"""The declarations, linted as rows."""

import re
from collections.abc import Iterator
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from perfectcatch.errors import BadArgument
from perfectcatch.model.endpoint import Kind
from perfectcatch.model.entity import (
    Child,
    Column,
    Convert,
    Entity,
    Source,
    Type,
    derived_id,
    text,
)
from perfectcatch.model.event import (
    Above,
    All,
    AtMost,
    Condition,
    Exists,
    Is,
    Present,
    Refers,
    Transition,
    appears,
    fires,
    goes,
)
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE
from perfectcatch.vendors.servicetitan.entities import BY_NAME, ENTITIES, find
from perfectcatch.vendors.servicetitan.entities.describe import describe

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "entities.md"

GROUPS = {"core", "contacts", "reference", "scheduling", "pricebook"}
EVERY_TABLE = {
    "tenant_id": "bigint",
    "st_id": "bigint",
    "id": "uuid",
    "st_created_on": "timestamptz",
    "st_modified_on": "timestamptz",
    "active": "boolean",
    "deleted_at": "timestamptz",
    "revision": "bigint",
    "content_hash": "bytea",
    "local_synced_at": "timestamptz",
    "full_data": "jsonb",
}

TYPES_OF = {
    Convert.PHONE: {Type.TEXT},
    Convert.FIRST_NAME: {Type.TEXT},
    Convert.LAST_NAME: {Type.TEXT},
    Convert.LOWER: {Type.TEXT},
    Convert.DAY_OF: {Type.DAY},
    Convert.SECONDS: {Type.NUMBER},
    Convert.IDS_OF: {Type.IDS},
    Convert.NAMES_OF: {Type.TEXTS},
}

KIND_OF = {Source.EXPORT: Kind.EXPORT, Source.CHANGED: Kind.PAGE, Source.WHOLE: Kind.PAGE}

# Promises to people who know the original system's tables; they are kept whatever the vendor calls them.
PROMISED = {
    "servicetitan.st_customers": {
        "name": Type.TEXT,
        "first_name": Type.TEXT,
        "last_name": Type.TEXT,
        "email": Type.TEXT,
        "phone": Type.TEXT,
        "address_line1": Type.TEXT,
        "city": Type.TEXT,
        "state": Type.TEXT,
        "zip": Type.TEXT,
        "country": Type.TEXT,
        "customer_type": Type.TEXT,
        "balance": Type.MONEY,
        "ghl_contact_id": Type.TEXT,
        "ghl_sync_status": Type.TEXT,
        "ghl_synced_at": Type.MOMENT,
    },
    "servicetitan.st_jobs": {
        "job_number": Type.TEXT,
        "customer_id": Type.BIGINT,
        "location_id": Type.BIGINT,
        "job_type_id": Type.BIGINT,
        "business_unit_id": Type.BIGINT,
        "campaign_id": Type.BIGINT,
        "job_status": Type.TEXT,
        "summary": Type.TEXT,
        "total": Type.MONEY,
        "lead_technician_id": Type.BIGINT,
        "sold_by_id": Type.BIGINT,
        "st_completed_on": Type.MOMENT,
        "ghl_opportunity_id": Type.TEXT,
        "ghl_sync_status": Type.TEXT,
    },
    "servicetitan.st_invoices": {
        "customer_id": Type.BIGINT,
        "job_id": Type.BIGINT,
        "due_date": Type.DAY,
        "balance": Type.MONEY,
        "status": Type.TEXT,
    },
    "servicetitan.st_estimates": {"customer_id": Type.BIGINT, "job_id": Type.BIGINT, "status": Type.TEXT},
    "servicetitan.st_locations": {"customer_id": Type.BIGINT},
    "servicetitan.st_appointments": {
        "job_id": Type.BIGINT,
        "customer_id": Type.BIGINT,
        "technician_ids": Type.IDS,
    },
    "servicetitan.st_technicians": {"business_unit_id": Type.BIGINT, "skills": Type.TEXTS},
    "servicetitan.st_business_units": {"name": Type.TEXT, "ghl_pipeline_id": Type.TEXT},
    "servicetitan.st_payments": {},
    "servicetitan.st_employees": {},
    "servicetitan.st_job_types": {},
    "servicetitan.st_campaigns": {},
    "servicetitan.st_tag_types": {},
    "servicetitan.st_call_reasons": {},
    "servicetitan.st_custom_fields": {},
    "servicetitan.st_installed_equipment": {},
}

PROMISED_EVENTS = {
    "estimate_created",
    "estimate_approved",
    "estimate_rejected",
    "job_created",
    "install_job_created",
    "job_completed",
    "invoice_created",
    "invoice_overdue",
    "appointment_created",
}

each_entity = pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)


def columns_with_types(entity: Entity) -> dict[str, str]:
    return EVERY_TABLE | {column.name: column.type for column in entity.columns}


def conditions(condition: Condition) -> Iterator[Condition]:
    yield condition
    if isinstance(condition, All):
        for each in condition.conditions:
            yield from conditions(each)


def test_names_tables_and_events_are_unique() -> None:
    names = [entity.name for entity in ENTITIES]
    tables = [entity.table for entity in ENTITIES]
    tables += [child.table for entity in ENTITIES for child in entity.children]
    tables += [link.table for entity in ENTITIES for link in entity.links]
    events = [event.event_type for entity in ENTITIES for event in entity.events]

    for listed in (names, tables, events):
        assert sorted(listed) == sorted(set(listed))


def test_what_was_promised_is_declared() -> None:
    declared = {entity.table: columns_with_types(entity) for entity in ENTITIES}

    for table, columns in PROMISED.items():
        assert columns.items() <= declared[table].items(), table
    assert {event.event_type for entity in ENTITIES for event in entity.events} >= PROMISED_EVENTS
    assert BY_NAME["appointment_assignments"].links[0].table == "servicetitan.job_technicians"


def test_every_group_is_known_and_used() -> None:
    assert {group for entity in ENTITIES for group in entity.groups} == GROUPS
    assert all(entity.groups for entity in ENTITIES)


def test_an_entity_is_declared_after_what_it_needs() -> None:
    assert list(TopologicalSorter({entity.name: entity.needs for entity in ENTITIES}).static_order())

    seen: set[str] = set()
    for entity in ENTITIES:
        assert set(entity.needs) <= seen, f"{entity.name} stands too early"
        seen.add(entity.name)


@each_entity
def test_columns_are_sound(entity: Entity) -> None:
    names = [column.name for column in entity.columns]

    assert sorted(names) == sorted(set(names))
    assert not set(names) & set(EVERY_TABLE)
    assert_columns_sound(entity.vendor_columns)
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name)
    for local in entity.computed:
        without_texts = re.sub(r"'[^']*'(::\w+)?", "", local.expression)
        columns = set(re.findall(r"\b[a-z_]+\b(?!\()", without_texts))
        assert columns <= {column.name for column in entity.vendor_columns}


@each_entity
def test_children_and_links_are_sound(entity: Entity) -> None:
    for child in entity.children:
        assert_child_sound(child)
    for link in entity.links:
        assert {link.left, link.right} <= {column.name for column in entity.vendor_columns}


def assert_child_sound(child: Child) -> None:
    names = [column.name for column in child.columns]
    assert sorted(names) == sorted(set(names))
    assert not set(names) & {"tenant_id", "position", child.parent_column}
    assert_columns_sound(child.columns)


def assert_columns_sound(columns: tuple[Column, ...]) -> None:
    for column in columns:
        assert column.convert is Convert.PLAIN or column.type in TYPES_OF[column.convert], column.name
        assert column.type is not Type.DAY or column.convert is Convert.DAY_OF, column.name
        if column.references:
            assert column.references in BY_NAME, column.name
            assert column.type is Type.BIGINT, column.name
            assert column.index, column.name


@each_entity
def test_what_is_looked_up_exists(entity: Entity) -> None:
    for column in entity.looked_up:
        source = BY_NAME[column.entity]
        pointing = next(each for each in source.vendor_columns if each.name == column.by)
        types = columns_with_types(source)

        assert pointing.references == entity.name
        assert types[column.column] == (Type.BIGINT if column.type is Type.IDS else column.type)
        assert column.order_by in types
        assert (column.where_column in types) == bool(column.where_values)


@each_entity
def test_events_speak_of_columns(entity: Entity) -> None:
    types = columns_with_types(entity)
    vendor_columns = {column.name for column in entity.vendor_columns} | {"active"}
    for event in entity.events:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", event.event_type)
        assert event.does.endswith(".")
        assert_conditions_sound(entity, getattr(event, "enters", None) or getattr(event, "holds", Exists()))
        if isinstance(event, Transition):
            assert types[event.at] == Type.MOMENT
            assert set(event.changes) <= vendor_columns, "what is looked up changes without an event"
            assert_conditions_sound(entity, event.leaves or Exists())
        else:
            assert types[event.column] in (Type.DAY, Type.MOMENT)
            assert len(set(event.stages)) == len(event.stages) > 0


def assert_conditions_sound(entity: Entity, condition: Condition) -> None:
    types = columns_with_types(entity)
    for each in conditions(condition):
        match each:
            case Is(column, values):
                expected = bool if types[column] == Type.FLAG else str
                assert values
                assert {type(value) for value in values} == {expected}
            case Above(column) | AtMost(column):
                assert types[column] in (Type.MONEY, Type.NUMBER, Type.INTEGER, Type.BIGINT)
            case Present(column):
                assert column in types
            case Refers(column, referred, text_column):
                assert next(c for c in entity.vendor_columns if c.name == column).references == referred
                assert columns_with_types(BY_NAME[referred])[text_column] == Type.TEXT
                assert column in entity.settles


@each_entity
def test_records_are_kept_apart(entity: Entity) -> None:
    tags = [feed.tag for feed in entity.feeds]

    assert all(tags) if len(tags) > 1 else tags == [None]
    assert not (entity.derived_key and entity.reads_one), "a derived number means nothing to the vendor"
    for name in entity.settles:
        assert next(column for column in entity.vendor_columns if column.name == name).references
    if entity.merged_into:
        (column,) = (each for each in entity.vendor_columns if each.at == entity.merged_into)
        assert column.references == entity.name
    assert sorted(entity.also.split()) == sorted(set(entity.also.split()))
    assert not set(entity.also.split()) & replace(entity, also="").known_fields


@each_entity
def test_feeds_are_rows_of_the_catalogue(entity: Entity) -> None:
    for feed in entity.feeds:
        endpoint = CATALOGUE[feed.endpoint]
        assert endpoint.current
        assert endpoint.kind is KIND_OF[feed.source]
        for name, value in feed.query:
            (parameter,) = (each for each in endpoint.query if each.name == name)
            assert not parameter.choices or value in parameter.choices
        assert endpoint.takes("modifiedOnOrAfter") or feed.source is not Source.CHANGED
        if endpoint.takes("active"):
            assert ("active", "Any") in feed.query, "the default leaves out what was switched off"
    if entity.reads_one:
        assert CATALOGUE[entity.reads_one].kind is Kind.ITEM
        assert CATALOGUE[entity.reads_one].current


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("customers", "customers"),
        ("Customer", "customers"),
        ("job-type", "job_types"),
        ("business units", "business_units"),
        ("pricebook_category", "pricebook_categories"),
        ("installed-equipment", "installed_equipment"),
    ],
)
def test_an_entity_is_found_however_it_is_written(written: str, name: str) -> None:
    assert find(written).name == name


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadArgument, match="did you mean invoices"):
        find("invoyces")
    with pytest.raises(BadArgument, match=r"choose one of business_units, .*non_job_appointments\."):
        find("xyz")


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == describe(ENTITIES), "run: make docs"


def test_a_sale_taken_back_needs_a_sale_before() -> None:
    unsold = next(event for event in find("estimate").transitions if event.event_type == "estimate_unsold")

    assert fires(unsold, {"status": "Sold"}, {"status": "Open"})
    assert not fires(unsold, {"status": "Dismissed"}, {"status": "Open"})
    assert not fires(unsold, {"status": "Open"}, {"status": "Open"})
    assert not fires(unsold, None, {"status": "Open"})


def test_leaving_also_guards_a_change() -> None:
    rule = replace(goes("x_y", "X.", "a", before=(1,), after=(2, 3)), changes=("a",))

    assert fires(rule, {"a": 1}, {"a": 2})
    assert not fires(rule, {"a": 2}, {"a": 3})


def test_a_derived_id_is_negative_and_stays() -> None:
    assert derived_id(["jobs", "70008"]) == -868870465783380318
    assert derived_id(["jobs", "70008"]) != derived_id(["customers", "70008"])
    assert derived_id(["a", "bc"]) != derived_id(["ab", "c"])
    assert all(-(2**60) <= derived_id([str(n)]) < 0 for n in range(1000))


def test_known_fields_include_the_parts_of_a_derived_key() -> None:
    entity = Entity(
        name="x",
        table="a.x",
        does="X.",
        groups=("core",),
        feeds=(),
        derived_key=("list.name", "number"),
        columns=(text("name"),),
        events=(appears("x_created", "X."),),
    )

    assert {"list", "number", "name", "id"} <= entity.known_fields
