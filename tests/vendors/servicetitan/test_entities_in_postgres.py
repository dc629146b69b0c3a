"""The real declarations in a real database: each fixture becomes a row, and what hangs together is joined."""

import json
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from databases import new_database
from perfectcatch.model.entity import Entity, derived_id
from perfectcatch.store import names
from perfectcatch.store.merging import mirror
from perfectcatch.store.merging.mirror import Batch, Outcome
from perfectcatch.store.pool import Pool, open_pool
from perfectcatch.store.schema import functions, mirror_tables, tables
from perfectcatch.store.server.embedded import Server
from perfectcatch.vendors.servicetitan.entities import BY_NAME, ENTITIES

TENANT = 5
FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
async def template(database: Server) -> AsyncIterator[str]:
    """The name of a database that holds the tables and nothing else."""
    made = new_database(database)
    engine = create_engine((await made.__aenter__()).replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for schema in {*names.SCHEMAS, *(entity.table.split(".")[0] for entity in ENTITIES)}:
            connection.execute(text(f"create schema if not exists {schema}"))
        tables.metadata.create_all(connection)
        mirror_tables.mirror_metadata(ENTITIES).create_all(connection)
        for function in functions.FUNCTIONS:
            connection.exec_driver_sql(function)
    engine.dispose()
    yield made.name
    await made.__aexit__()


@pytest.fixture
async def pool(database: Server, template: str) -> AsyncIterator[Pool]:
    async with new_database(database, template) as url, open_pool(url) as opened:
        yield opened


def fixture(entity: Entity, **values: Any) -> dict[str, Any]:
    """The fixture of ``entity``, tagged as its feed does, with ``values`` instead of its own."""
    record: dict[str, Any] = json.loads((FIXTURES / f"{entity.name}.json").read_text(encoding="utf-8"))
    return dict(feed.tag for feed in entity.feeds[:1] if feed.tag) | record | values


async def merge(pool: Pool, name: str, **values: Any) -> Outcome:
    records = [json.dumps(fixture(BY_NAME[name], **values)).encode()]
    return await mirror.merge(
        pool, Batch(tenant_id=TENANT, entity=BY_NAME[name], entities=BY_NAME, records=records)
    )


async def row(pool: Pool, query: str) -> tuple[Any, ...]:
    async with pool.connection() as connection:
        [found] = await (await connection.execute(query)).fetchall()
    return tuple(found)


async def test_every_fixture_becomes_a_row_that_stays(pool: Pool) -> None:
    for entity in ENTITIES:
        first = await merge(pool, entity.name)
        again = await merge(pool, entity.name)

        assert (first.created, first.quarantined) == (1, 0), entity.name
        assert (again.unchanged, again.quarantined) == (1, 0), entity.name


async def test_every_fixture_passes_inspection_beside_a_record_that_does_not(pool: Pool) -> None:
    for entity in ENTITIES:
        good = json.dumps(fixture(entity)).encode()
        outcome = await mirror.merge(
            pool, Batch(tenant_id=TENANT, entity=entity, entities=BY_NAME, records=[good, b"{}"])
        )

        assert (outcome.created, outcome.quarantined) == (1, 1), entity.name


async def test_a_customer_shows_what_its_contacts_say(pool: Pool) -> None:
    await merge(pool, "customers")
    await merge(pool, "customer_contacts", id=1, type="Phone", value="(813) 555-0100")
    await merge(pool, "customer_contacts", id=2, type="MobilePhone", value="813.555.0142")
    await merge(
        pool, "customer_contacts", id=3, type="Email", value="Robin22@Example.com", phoneSettings=None
    )

    assert await row(pool, "select first_name, last_name, phone, email from servicetitan.st_customers") == (
        "Robin",
        "Sample",
        "+18135550142",
        "robin22@example.com",
    )
    assert await row(
        pool, "select phone, email from servicetitan.st_customer_contacts where contact_type = 'Email'"
    ) == (None, "robin22@example.com")


async def test_technicians_are_found_from_the_job_and_the_appointment(pool: Pool) -> None:
    await merge(pool, "jobs")
    await merge(pool, "appointments")
    for number, technician in ((1, 8), (2, 7), (3, 8)):
        await merge(
            pool,
            "appointment_assignments",
            id=number,
            technicianId=technician,
            assignedOn=f"2026-03-0{number}T00:00:00Z",
        )
    await merge(pool, "appointment_assignments", id=4, technicianId=6, active=False)

    assert await row(pool, "select lead_technician_id from servicetitan.st_jobs") == (8,)
    assert await row(pool, "select technician_ids from servicetitan.st_appointments") == ([7, 8],)
    assert await row(
        pool, "select array_agg(technician_id order by technician_id) from servicetitan.job_technicians"
    ) == ([7, 8],)


async def test_amounts_and_days_have_their_type(pool: Pool) -> None:
    await merge(pool, "estimates")
    await merge(pool, "invoices")
    await merge(pool, "payments")

    assert await row(pool, "select status, status_value, total from servicetitan.st_estimates") == (
        "Open",
        0,
        Decimal("165.0000"),
    )
    assert await row(pool, "select due_date, balance, status from servicetitan.st_invoices") == (
        date(2026, 4, 1),
        Decimal("165.0000"),
        "Pending",
    )
    assert await row(
        pool, "select payment_id, invoice_id, applied_amount from servicetitan.st_payment_applications"
    ) == (70092, 70090, Decimal("165.0000"))


async def test_records_without_a_number_of_their_own_keep_apart(pool: Pool) -> None:
    await merge(pool, "technician_skills")
    for place in ("jobs", "customers"):
        await merge(pool, "custom_fields", appliesTo=place, id=70008)

    assert await row(pool, "select st_id from public.scheduling_technician_skills") == (
        derived_id(["sk-70101-heat"]),
    )
    assert await row(
        pool, "select array_agg(st_id order by applies_to), min(type_id) from servicetitan.st_custom_fields"
    ) == ([derived_id(["customers", "70008"]), derived_id(["jobs", "70008"])], 70008)


async def test_a_sale_taken_back_is_an_event(pool: Pool) -> None:
    for name, modified in (("Open", 1), ("Sold", 2), ("Open", 3)):
        status = {"value": modified, "name": name}
        await merge(pool, "estimates", status=status, modifiedOn=f"2026-04-0{modified}T00:00:00Z")

    assert await row(pool, "select array_agg(event_type order by id) from automation.events") == (
        ["estimate_created", "estimate_approved", "estimate_unsold"],
    )
