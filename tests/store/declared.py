"""Three small entities in the vendor's manner, for tests of the merge."""

import json as plain_json
from typing import Any

from perfectcatch.model.entity import (
    Child,
    Convert,
    Entity,
    Inactive,
    Link,
    Local,
    LookedUp,
    Type,
    big,
    day,
    export,
    ids,
    json,
    moment,
    money,
    number,
    text,
)
from perfectcatch.model.event import (
    Above,
    All,
    AtMost,
    Exists,
    Is,
    Present,
    Refers,
    Transition,
    appears,
    becomes,
    changes,
    clock,
)

UNITS = Entity(
    name="units",
    table="servicetitan.t_units",
    does="Parts of the company.",
    groups=("reference",),
    feeds=export("t.units.export"),
    columns=(text("name"),),
)
CUSTOMERS = Entity(
    name="customers",
    table="servicetitan.t_customers",
    does="People.",
    groups=("core",),
    feeds=export("t.customers.export"),
    columns=(
        text("name"),
        text("first_name", "name", convert=Convert.FIRST_NAME),
        text("city", "address.city"),
        money("balance"),
        ids("tag_type_ids"),
        json("custom_fields"),
        big("merged_to_id"),
        LookedUp(
            name="phone",
            type=Type.TEXT,
            entity="contacts",
            by="customer_id",
            column="e164",
            where_column="type",
            where_values=("MobilePhone", "Phone"),
        ),
        Local(name="note", type=Type.TEXT, does="Ours."),
    ),
    events=(
        appears("customer_created", "A customer is new."),
        Transition(event_type="customer_merged", does="Merged.", enters=Present("merged_to_id")),
    ),
    also="address",
)
CONTACTS = Entity(
    name="contacts",
    table="servicetitan.t_contacts",
    does="Ways to reach people.",
    groups=("contacts",),
    feeds=export("t.contacts.export"),
    columns=(
        big("customer_id", ref="customers"),
        text("type"),
        text("value"),
        text("e164", "value", convert=Convert.PHONE),
        big("kind_id"),
    ),
    inactive_means=Inactive.DELETED,
    links=(Link(table="t_customer_kinds", left="customer_id", right="kind_id", does="Pairs."),),
)
JOBS = Entity(
    name="jobs",
    table="servicetitan.t_jobs",
    does="Work.",
    groups=("core",),
    feeds=export("t.jobs.export"),
    columns=(
        text("status"),
        big("customer_id", ref="customers"),
        big("unit_id", ref="units"),
        money("total"),
        money("balance"),
        day("due_date"),
        moment("completed_on"),
    ),
    children=(
        Child(
            table="t_job_items",
            at="items",
            parent_column="job_id",
            columns=(big("item_id", "id"), number("quantity")),
            does="Lines.",
        ),
    ),
    events=(
        appears("job_created", "New."),
        appears("install_job_created", "New install.", when=Refers("unit_id", "units", "name", "Install")),
        changes("customer_repriced", "A job's price.", "total", about="customer_id"),
        becomes("job_completed", "Done.", "status", "Completed", at="completed_on"),
        changes("job_moved", "Moved.", "customer_id", "unit_id"),
        changes("open_job_repriced", "Price.", "total", while_=Is("status", ("Open",))),
        Transition(
            event_type="job_paid", does="Paid.", enters=All((AtMost("balance"), Above("total"), Exists()))
        ),
        clock("job_overdue", "Overdue.", "due_date", 0, 7, 30, while_=Above("balance")),
    ),
    settles=("unit_id",),
)
ENTITIES = {entity.name: entity for entity in (UNITS, CUSTOMERS, CONTACTS, JOBS)}

CREATED = "2026-01-01T00:00:00.1234567Z"
MODIFIED = "2026-01-02T00:00:00Z"


def document(st_id: int, **values: Any) -> dict[str, Any]:
    """A record in the vendor's shape."""
    return {"id": st_id, "active": True, "createdOn": CREATED, "modifiedOn": MODIFIED, **values}


def encoded(*documents: dict[str, Any] | bytes) -> list[bytes]:
    """Records as they come over the wire."""
    return [each if isinstance(each, bytes) else plain_json.dumps(each).encode() for each in documents]
