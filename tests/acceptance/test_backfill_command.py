"""A read of the past beside the sync, killed and resumed; and one customer on demand."""

import json
import signal
from urllib.parse import parse_qs

from acceptance.conftest import Product, Sandbox
from acceptance.test_gaps_command import execute
from acceptance.test_sync_commands import said, wait_for_requests
from perfectcatch.sync.gaps.look import written

SPAN = ("--from", "2010-01-01", "--to", "2026-12-31")


def pieces(sandbox: Sandbox) -> list[tuple[str, str]]:
    """The windows that were asked for, in order."""
    found = []
    for entry in sandbox.get("ledger?limit=20000")["entries"]:
        query = parse_qs(entry["query"])
        if "createdBefore" in query and query.get("pageSize") != ["1"]:
            found.append((query["createdOnOrAfter"][0], query["createdBefore"][0]))
    return found


def test_a_killed_backfill_goes_on_and_the_sync_keeps_its_pace(product: Product, sandbox: Sandbox) -> None:
    assert product.run("sync", "full", "--json").returncode == 0
    # What changed a moment ago is news for the sync, which may see it once more.
    execute(product, "delete from servicetitan.st_jobs where st_modified_on < now() - interval '1 hour'")
    execute(product, "delete from automation.events")
    running = product.start("sync", "backfill", "jobs", *SPAN, SERVICE_TITAN_RATE_LIMIT="2")
    wait_for_requests(sandbox, 5, running)
    report = json.loads(product.run("sync", "incremental", "--json").stdout)
    assert {row["status"] for row in report} == {"succeeded"}  # none waited for it, or was left out
    assert running.poll() is None
    running.send_signal(signal.SIGKILL)
    running.communicate()
    [(left, fetched)] = execute(product, "select position, records_fetched from servicetitan.sync_backfills")

    before = pieces(sandbox)
    done = product.run("sync", "backfill", "jobs", *SPAN, "--json")
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)
    assert row["status"] == "done"
    again = pieces(sandbox)[len(before) :]
    # What was stored is not read again: at most the piece under way comes twice.
    assert max(end for _, end in again) == written(left)
    assert row["fetched"] >= fetched
    truth = {job["id"]: job for job in sandbox.get("records/jpm.jobs") if job["active"]}
    mirror = dict(
        execute(product, "select st_id, full_data from servicetitan.st_jobs where deleted_at is null")
    )
    assert mirror == truth
    assert execute(product, "select count(*) from automation.events where not historical") == [(0,)]


def test_what_cannot_be_read_by_dates_is_said(new_product: Product) -> None:
    for words, command in (
        ("no day", ["jobs", "--from", "yesterday"]),
        ("must lie before", ["jobs", "--from", "2026-02-01", "--to", "2026-01-01"]),
        ("cannot be read by dates", ["arrival_windows", "--from", "2026-01-01"]),
        ("no entity called", ["jbos", "--from", "2026-01-01"]),
        ("Give either --from", ["jobs"]),
    ):
        result = new_product.run("sync", "backfill", *command)
        assert result.returncode == 2, result.stderr
        assert words in said(result)
    assert new_product.rows("select to_regclass('servicetitan.sync_backfills')") == [(None,)]


def test_one_customer_is_read_with_everything_around(product: Product, sandbox: Sandbox) -> None:
    assert product.run("sync", "full", "--json").returncode == 0
    [(customer, job)] = product.rows(
        "select customer_id, st_id from servicetitan.st_jobs where deleted_at is null order by st_id limit 1"
    )
    execute(product, "delete from servicetitan.st_appointments where customer_id = %s", customer)
    execute(product, "delete from automation.events where entity = 'appointments'")
    sandbox.post("edit", collection="jpm.jobs", id=job, changes={"summary": "called again"})
    done = product.run("sync", "customer", str(customer), "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["entity"]: row for row in json.loads(done.stdout)}
    assert rows["jobs"]["updated"] == 1
    assert rows["appointments"]["created"] > 0
    assert rows["appointments"]["events"].get("appointment_created", 0) > 0
    changed = sum(row["created"] + row["updated"] for row in rows.values())
    assert changed == 1 + rows["appointments"]["created"]
    assert {row["age_seconds"] for row in rows.values()} == {0.0}
    unknown = product.run("sync", "customer", "12")
    assert unknown.returncode == 1
    assert "The vendor has no record 12 of customers." in said(unknown)
