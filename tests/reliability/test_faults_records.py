"""A2, A3, A6, A8: records that come late, move, are spoiled, are deleted, or are left out."""

import random
from typing import Any

import pytest

from reliability.faults_lab import (
    PLENTY,
    SEED,
    TRUTHS,
    Lab,
    Labs,
    assert_events_once,
    assert_exact,
)
from reliability.faults_lab import labs as labs  # noqa: PLC0414 - a fixture
from reliability.faults_lab import sandboxes as sandboxes  # noqa: PLC0414
from reliability.test_faults_transport import LARGE, SMALL, Company, sizes

pytestmark = pytest.mark.timeout(900)

LISTS = {  # collections that are read as numbered pages
    "jpm.job_types": "servicetitan.st_job_types",
    "marketing.campaigns": "servicetitan.st_campaigns",
    "dispatch.technician_shifts": "servicetitan.st_technician_shifts",
}


def assert_lists(lab: Lab, *collections: str) -> None:
    """The same as ``assert_exact`` for collections without an export feed, by their documents."""
    for collection in collections:
        records = {record["id"]: record for record in lab.sandbox.get(f"records/{collection}")}
        rows = lab.product.rows(f"select st_id, full_data from {LISTS[collection]} where deleted_at is null")
        stored = dict(rows)
        assert len(stored) == len(rows)
        assert stored.keys() == records.keys(), collection
        for st_id, document in stored.items():
            assert document == records[st_id], (collection, st_id)


@pytest.mark.parametrize(("company", "rows", "rounds"), sizes((SMALL, 40, 1), (LARGE, 2000, 12)))
def test_a2_changes_become_visible_late(labs: Labs, company: Company, rows: int, rounds: int) -> None:
    lab = labs(*company.words(*PLENTY))
    draw = random.Random(SEED)
    lab.fault("equal-times", on="crm.customers", rows=rows, times=1)
    late = lab.fault("late", seconds=480)
    customers = lab.ids("crm.customers")
    shifts = lab.ids("dispatch.technician_shifts")
    for at in range(rounds):
        for each in draw.sample(customers, min(len(customers), 5 + rows // 20)):
            lab.edit("crm.customers", each, name=f"Changed in round {at}")
        for each in draw.sample(shifts, 5):
            lab.edit("dispatch.technician_shifts", each, note=f"Changed in round {at}")
        lab.sync("run", "customers")
        lab.sync("run", "technician_shifts")
        lab.advance(90)
    assert lab.struck(late)["struck"] > 0
    lab.advance(480)
    lab.clear()
    lab.sync("run", "customers")
    lab.sync("run", "technician_shifts")
    assert_exact(lab.product, lab.sandbox, "crm.customers")
    assert_lists(lab, "dispatch.technician_shifts")


@pytest.mark.parametrize(("company", "runs"), sizes((SMALL, 1), (Company(120, 20, 0), 100)))
def test_a3_the_company_changes_between_two_pages(labs: Labs, company: Company, runs: int) -> None:
    lab = labs(*company.words(*PLENTY))
    entities = ("technician_shifts", "customer_contacts")  # a list and a feed
    for number in range(runs):
        lab.fault("page-shift", seed=SEED + number, times=4)
        for entity in entities:  # a list that never stands still says so and fails; what came is stored
            lab.product.run("sync", "run", entity, *(("--full",) if number % 2 else ()))
        lab.clear()
        if number in (runs // 2, runs - 1):
            for entity in entities:
                _read_again(lab, entity)
            assert_lists(lab, "dispatch.technician_shifts")
            assert_exact(lab.product, lab.sandbox, "crm.customers_contacts")


def _read_again(lab: Lab, entity: str) -> None:
    """One more cycle: a list is believed about a deletion at the second time, many wait for a person."""
    for words in ((), ("--allow-deletions",)):
        result = lab.product.run("sync", "run", entity, "--full", *words)
    assert result.returncode == 0, (result.stdout, result.stderr)


# A6 ------------------------------------------------------------------------------------------------

# What no PostgreSQL column and no JSON document can hold; the others are stored as they came.
BAD = {
    "nul", "nan", "bad-date", "no-date", "lone-surrogate", "bad-utf-8", "deep", "no-id", "text-id",
    "no-object", "huge-number", "huge-exponent", "other-type",
}  # fmt: skip
FINE = {"huge-text", "nested", "empty", "new-field", "unknown-value", "missing-field"}
NAMELESS = {"no-id", "text-id", "no-object"}  # nobody can say whose they are


@pytest.mark.parametrize(("company", "share"), sizes((SMALL, 0.12), (LARGE, 0.01)))
def test_a6_spoiled_records_cost_only_themselves(labs: Labs, company: Company, share: float) -> None:
    lab = labs(*company.words(*PLENTY))
    spoilt = {
        collection: lab.fault("awkward", on=collection, rows=share, seed=SEED)
        for collection in ("crm.customers", "accounting.invoices", "jpm.jobs")
    }
    drifted = lab.fault("drift", on="sales.estimates", rows=share, field="total", what="other-type")
    new = lab.fault("drift", on="crm.locations", rows=share, what="new-field")
    rows = lab.sync("full")
    assert {row["status"] for row in rows.values()} == {"succeeded"}

    for collection, number in {**spoilt, "sales.estimates": drifted, "crm.locations": new}.items():
        touched = {int(key): what for key, what in lab.struck(number)["records"].items()}
        assert touched, collection
        truth = TRUTHS[collection]
        assert_exact(lab.product, lab.sandbox, collection, spoiled=touched)
        _assert_kept(lab, truth.entity, truth.table, touched)
    [(kinds,)] = lab.product.rows("select count(*) from servicetitan.schema_drift where kind = 'new_field'")
    assert kinds >= 1

    lab.clear()
    lab.sync("full")
    assert_exact(lab.product, lab.sandbox)
    still = lab.product.rows(
        "select st_id, reason from servicetitan.sync_quarantine "
        "where resolved_at is null and st_id is not null"
    )
    assert still == []


def _assert_kept(lab: Lab, entity: str, table: str, touched: dict[int, str]) -> None:
    """Each spoiled record is stored or in quarantine with a reason, whichever its value asks for."""
    waiting = lab.product.rows(
        "select st_id, reason from servicetitan.sync_quarantine where entity = %s and resolved_at is null",
        entity,
    )
    assert all(reason for _, reason in waiting)
    stored = {st_id for (st_id,) in lab.product.rows(f"select st_id from {table}")}
    held = {st_id: reason for st_id, reason in waiting if st_id is not None}
    named = {st_id: what for st_id, what in touched.items() if what not in NAMELESS}
    for st_id, what in named.items():
        assert (st_id in held) != (st_id in stored), (entity, st_id, what)
        if what in FINE:
            assert st_id in stored, (entity, st_id, what, held.get(st_id))
        if what in BAD - {"huge-number", "huge-exponent", "other-type"}:  # those depend on the field
            assert st_id in held, (entity, st_id, what)
    # Equal nonsense is kept once, and every "no-object" is the same text.
    nameless = {what if what == "no-object" else st_id for st_id, what in touched.items() if what in NAMELESS}
    assert sum(st_id is None for st_id, _ in waiting) == len(nameless)


# A8 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("company", "deleted", "restored"), sizes((SMALL, 30, 5), (LARGE, 500, 50)))
def test_a8_deletions_and_a_list_that_forgets(
    labs: Labs, company: Company, deleted: int, restored: int
) -> None:
    lab = labs(*company.words(*PLENTY))
    draw = random.Random(SEED)
    lab.sync("run", "jobs")
    tombstones = _tombstones(lab)
    alive = [
        record["id"] for record in lab.sandbox.get("records/jpm.jobs") if record.get("active") is not False
    ]
    gone = draw.sample(alive, deleted)
    for each in gone:
        lab.delete("jpm.jobs", each)
    lab.sync("run", "jobs")
    assert _tombstones(lab) - tombstones == set(gone)
    back = draw.sample(gone, restored)
    records = {record["id"]: record for record in lab.sandbox.get("records/jpm.jobs")}
    for each in back:
        lab.sandbox.post("add", collection="jpm.jobs", record={**records[each], "active": True})
    lab.sync("run", "jobs")
    assert _tombstones(lab) - tombstones == set(gone) - set(back)
    assert_exact(lab.product, lab.sandbox, "jpm.jobs")
    assert_events_once(lab.product)

    before = _tombstones(lab)
    lab.fault("absent", on="jpm.jobs", rows=0.4)
    row = lab.sync("run", "jobs", "--full", fails=True)["jobs"]
    assert row["status"] == "held"
    assert _tombstones(lab) == before
    assert lab.product.rows("select entity from servicetitan.sync_holds where decided_at is null") == [
        ("jobs",)
    ]
    lab.clear()
    lab.sync("run", "jobs", "--full")
    assert lab.product.rows("select entity from servicetitan.sync_holds where decided_at is null") == []
    assert _tombstones(lab) == before
    assert_exact(lab.product, lab.sandbox, "jpm.jobs")


def _tombstones(lab: Lab) -> set[Any]:
    return {
        each
        for (each,) in lab.product.rows("select st_id from servicetitan.st_jobs where deleted_at is not null")
    }
