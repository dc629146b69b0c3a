"""The mirror is compared with the vendor: each difference is explained rightly, and repaired."""

import json
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from acceptance.conftest import Product, Sandbox
from acceptance.test_sync_commands import assert_equal

COLUMNS = {
    "entity",
    "vendor",
    "mirror",
    "missing",
    "gone",
    "differing",
    "unexplained",
    "repaired",
    "compared",
    "requests",
    "sure",
    "at_most",
    "verdict",
    "differences",
}


def gaps(product: Product, *words: str, status: int = 0) -> dict[str, dict[str, Any]]:
    done = product.run("sync", "gaps", "--json", *words)
    assert done.returncode == status, done.stderr + done.stdout
    return {row["entity"]: row for row in json.loads(done.stdout)}


def kinds(row: dict[str, Any]) -> dict[str, list[int]]:
    return {kind: found["ids"] for kind, found in row["differences"].items()}


def execute(product: Product, statement: str, *values: Any) -> list[Any]:
    with psycopg.connect(product.url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def test_each_difference_is_explained_and_what_is_wrong_is_repaired(
    product: Product, sandbox: Sandbox
) -> None:
    assert product.run("sync", "full", "--json").returncode == 0
    rows = gaps(product)
    assert set(rows["jobs"]) == COLUMNS
    # The list of contacts cannot tell a deleted one, which the feed does.
    told = {entity for entity, row in rows.items() if row["verdict"] == "explained"}
    assert told <= {"customer_contacts", "location_contacts"}
    assert {row["verdict"] for row in rows.values()} <= {"equal", "explained"}
    assert all(row["sure"].startswith("certain") for row in rows.values())

    jobs = [
        row[0]
        for row in execute(
            product, "select st_id from servicetitan.st_jobs where deleted_at is null order by st_id limit 40"
        )
    ]
    lost, corrupt, damaged, buried, removed = jobs[:5]
    execute(product, "delete from servicetitan.st_jobs where st_id = %s", lost)
    execute(
        product,
        "update servicetitan.st_jobs set full_data = full_data || %s where st_id = %s",
        Jsonb({"summary": "no"}),
        corrupt,
    )
    execute(product, "update servicetitan.st_jobs set total = -1, job_status = 'X' where st_id = %s", damaged)
    execute(product, "update servicetitan.st_jobs set deleted_at = now() where st_id = %s", buried)
    execute(
        product,
        "insert into servicetitan.st_jobs (tenant_id, st_id, active, content_hash, full_data, "
        "st_created_on, st_modified_on) select tenant_id, 17, active, content_hash, full_data, "
        "st_created_on, st_modified_on from servicetitan.st_jobs where st_id = %s",
        jobs[20],
    )
    sandbox.post("delete", collection="jpm.jobs", id=removed, hard=True)
    customers = [
        row[0]
        for row in execute(
            product,
            "select st_id from servicetitan.st_customers where active and merged_to_id is null order by 1",
        )
    ]
    sandbox.post("merge", **{"from": customers[0], "to": customers[1]})
    sandbox.post("edit", collection="crm.customers", id=customers[2], changes={"active": False})

    rows = gaps(product, status=1)
    found = kinds(rows["jobs"])
    found.pop("not_read_yet", None)  # jobs that went with the merged customer
    assert found == {
        "deleted": sorted([17, removed]),
        "deleted_here": [buried],
        "differs": sorted([corrupt, damaged]),
        "lost": [lost],
    }
    assert (rows["jobs"]["missing"], rows["jobs"]["gone"]) == (2, 2)
    assert rows["jobs"]["verdict"] == "lost"
    assert set(kinds(rows["customers"])) == {"not_read_yet"}
    assert set(kinds(rows["customers"])["not_read_yet"]) >= {customers[0], customers[2]}
    shown = product.run("sync", "gaps", "jobs")
    assert shown.returncode == 1
    assert "the vendor has it, we do not" in shown.stdout
    assert "sync gaps --repair" in shown.stdout

    rows = gaps(product, "--repair")
    assert rows["jobs"]["verdict"] == "repaired"
    assert rows["jobs"]["repaired"] == 6
    assert rows["jobs"]["vendor"] == rows["jobs"]["mirror"]
    assert product.run("sync", "incremental", "--json").returncode == 0
    assert_equal(product, sandbox)
    assert execute(
        product, "select total > -1, job_status <> 'X' from servicetitan.st_jobs where st_id = %s", damaged
    ) == [(True, True)]
    # What repair brings of older times is history.
    assert execute(
        product, "select count(*) from automation.events where not historical and st_id = any(%s)", jobs[:6]
    ) == [(0,)]
    assert {row["verdict"] for row in gaps(product).values()} <= {"equal", "explained"}
    proofs = product.rows(
        "select verdict from servicetitan.sync_gaps where entity = 'jobs' order by finished_at"
    )
    assert [row[0] for row in proofs] == ["equal", "lost", "lost", "repaired", "equal"]
    modes = product.rows("select distinct mode, status from servicetitan.sync_runs where mode = 'gaps'")
    assert sorted(modes) == [("gaps", "partial"), ("gaps", "succeeded")]
