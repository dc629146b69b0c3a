"""The commands as people and other programs use them, against a sandbox that knows the truth."""

import json
import random
import signal
import socket
import subprocess
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.types.json import Jsonb

from acceptance.conftest import Product, Sandbox
from perfectcatch.store.server.embedded import Server

MIRRORED = {
    "crm.customers": "servicetitan.st_customers",
    "crm.locations": "servicetitan.st_locations",
    "jpm.jobs": "servicetitan.st_jobs",
    "jpm.appointments": "servicetitan.st_appointments",
    "sales.estimates": "servicetitan.st_estimates",
    "accounting.invoices": "servicetitan.st_invoices",
    "accounting.payments": "servicetitan.st_payments",
}


def assert_equal(product: Product, sandbox: Sandbox) -> None:
    """Each record of the vendor is in the mirror, as it is there; and none that the vendor does not have."""
    for collection, table in MIRRORED.items():
        truth = {record["id"]: record for record in sandbox.get(f"records/{collection}")}
        stored = dict(product.rows(f"select st_id, full_data from {table} where deleted_at is null"))
        gone = {st_id for st_id, record in truth.items() if st_id not in stored and not record["active"]}
        assert stored.keys() == truth.keys() - gone, collection
        for st_id, document in stored.items():
            assert document == truth[st_id], (collection, st_id)


def assert_events_once(product: Product) -> None:
    """No transition is told twice: a record comes into being once."""
    twice = product.rows(
        "select event_type, entity, st_id, count(*) from automation.events "
        "where event_type like '%%_created' group by 1, 2, 3 having count(*) > 1"
    )
    assert twice == []


def rows_of(result: Any) -> dict[str, dict[str, Any]]:
    assert result.returncode == 0, result.stderr
    return {row["entity"]: row for row in json.loads(result.stdout)}


def test_a_mirror_equals_the_vendor_and_follows_it(new_product: Product, sandbox: Sandbox) -> None:
    product = new_product  # everything is made on the way
    first = rows_of(product.run("sync", "full", "--json"))
    assert first["customers"]["fetched"] == first["customers"]["created"] == 60
    assert set(first["customers"]) == {
        "entity",
        "mode",
        "fetched",
        "created",
        "updated",
        "unchanged",
        "deactivated",
        "quarantined",
        "requests",
        "duration_ms",
        "status",
        "error",
    }
    assert {row["status"] for row in first.values()} == {"succeeded"}
    assert sum(row["quarantined"] for row in first.values()) == 0
    assert product.rows("select entity, path, detail, example from servicetitan.schema_drift") == []
    assert_equal(product, sandbox)
    assert product.rows("select count(*) from automation.events where not historical") == [(0,)]

    done = sandbox.post("activity", changes=80)["done"]
    assert done
    rows_of(product.run("sync", "incremental", "--json"))
    assert_equal(product, sandbox)
    assert_events_once(product)
    [(new,)] = product.rows("select count(*) from automation.events where not historical")
    assert new >= 20
    again = rows_of(product.run("--json", "sync", "full"))
    assert sum(row["created"] + row["updated"] for row in again.values()) == 0
    [(still,)] = product.rows("select count(*) from automation.events where not historical")
    assert still == new
    assert product.run("db", "check").returncode == 0


def test_phones_items_technicians_and_fields_can_be_queried(product: Product, sandbox: Sandbox) -> None:
    rows_of(product.run("sync", "full", "--json"))
    for query in (
        "select 1 from servicetitan.st_customers where phone like '+1%%' and email like '%%@%%'",
        "select 1 from servicetitan.job_technicians natural join servicetitan.st_appointment_assignments",
        "select 1 from servicetitan.st_estimate_items",
        "select 1 from servicetitan.st_invoice_items",
        "select 1 from servicetitan.st_technicians where cardinality(skills) > 0",
        "select 1 from servicetitan.custom_field_values where name is not null",
        "select 1 from servicetitan.record_tags where entity = 'customers'",
        "select 1 from servicetitan.st_estimates where job_id is null",
        "select 1 from public.sync_statistics where successful_syncs > 0",
        "select 1 from public.business_units where not sync_enabled",
        "select 1 from public.sync_state where key = 'customers_last_modified'",
    ):
        assert product.rows(query + " limit 1") == [(1,)], query
    [(balance,)] = product.rows("select sum(balance) from servicetitan.st_invoices where deleted_at is null")
    truth = sandbox.get("records/accounting.invoices")
    assert float(balance) == pytest.approx(sum(float(each["balance"]) for each in truth if each["active"]))


def test_a_hard_deletion_and_a_merge_are_found(product: Product, sandbox: Sandbox) -> None:
    rows_of(product.run("sync", "full", "--json"))
    [(contact, customer)] = product.rows(
        "select c.st_id, c.customer_id from servicetitan.st_customer_contacts c "
        "join servicetitan.st_customers s on s.st_id = c.customer_id and s.phone = c.phone limit 1"
    )
    sandbox.post("delete", collection="crm.customers_contacts", id=contact, hard=True)
    [(lost,), (kept,)] = product.rows(
        "select st_id from servicetitan.st_customers where active and merged_to_id is null "
        "and st_id <> %s and st_id in (select customer_id from servicetitan.st_jobs) order by st_id limit 2",
        customer,
    )
    sandbox.post("merge", **{"from": lost, "to": kept})
    rows_of(product.run("sync", "contacts", "--full", "--json"))
    [(deleted, phone)] = product.rows(
        "select c.deleted_at is not null, s.phone from servicetitan.st_customer_contacts c "
        "join servicetitan.st_customers s on s.st_id = c.customer_id where c.st_id = %s",
        contact,
    )
    assert deleted
    again = sandbox.get("records/crm.customers_contacts")
    phones = [each for each in again if each["customerId"] == customer and "hone" in each["type"]]
    assert (phone is None) == (not phones)
    rows_of(product.run("sync", "incremental", "--json"))
    assert product.rows(
        "select survivor_id from servicetitan.customers_survivors where st_id = %s", lost
    ) == [(kept,)]
    assert product.rows(
        "select count(*) from automation.events where event_type = 'customer_merged' and not historical"
    ) == [(1,)]
    # The jobs were read one by one before their feed brought them: that is one new version, not two.
    assert product.rows(
        "select distinct count(*) from servicetitan.record_history where entity = 'jobs' group by st_id"
    ) == [(1,)]
    assert_equal(product, sandbox)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_killed_run_loses_nothing_and_tells_nothing_twice(
    product: Product, sandbox: Sandbox, seed: int
) -> None:
    draw = random.Random(seed)
    for _ in range(3):
        killed = product.start("sync", "full", "--json", SERVICE_TITAN_RATE_LIMIT="40")
        wait_for_requests(sandbox, draw.randint(1, 60), killed)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        sandbox.post("activity", changes=5)
    rows_of(product.run("sync", "full", "--json"))
    rows_of(product.run("sync", "incremental", "--json"))
    assert_equal(product, sandbox)
    assert_events_once(product)
    assert product.rows("select count(*) from servicetitan.st_sync_log where status = 'running'") == [(0,)]


def wait_for_requests(sandbox: Sandbox, number: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when the vendor has seen so many requests more, or when nobody is left to make them."""
    start = sandbox.get("ledger?limit=1")["total"]
    while process.poll() is None and sandbox.get("ledger?limit=1")["total"] - start < number:
        pass


def said(result: Any) -> str:
    """The one sentence on stderr."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in lines[0]
    return lines[0]


def test_what_is_wrong_is_said_in_one_sentence(product: Product, sandbox: Sandbox) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        for status, words, command, settings in (
            (2, "custmers", ["sync", "run", "custmers"], {}),
            (2, "SERVICE_TITAN_APP_KEY", ["sync", "full"], {"SERVICE_TITAN_APP_KEY": ""}),
            (2, "SYNC_FULL_CRON", ["worker", "sync"], {"SYNC_FULL_CRON": "every night"}),
            (2, "SERVICE_TITAN_TIMEZONE", ["sync", "status"], {"SERVICE_TITAN_TIMEZONE": "Mars/Olympus"}),
            (2, "no moment", ["sync", "record", "jobs", "1", "--as-of", "yesterday"], {}),
            (2, "DATABASE_URL", ["sync", "status"], {"DATABASE_URL": "mysql://x/y"}),
            (1, "DATABASE_URL", ["sync", "status"], {"DATABASE_URL": nobody.replace("http", "postgresql")}),
        ):
            result = product.run(*command, **settings)
            assert result.returncode == status, (command, result.stderr)
            assert words in said(result)


@pytest.mark.parametrize(
    ("settings", "words", "status"),
    [
        ({"SERVICE_TITAN_CLIENT_SECRET": "wrong"}, "SERVICE_TITAN_CLIENT_SECRET", 2),
        ({"SERVICE_TITAN_APP_KEY": "wrong"}, "SERVICE_TITAN_APP_KEY", 2),
        ({"SERVICE_TITAN_API_URL": "http://127.0.0.1:9"}, "SERVICE_TITAN_API_URL", 1),
    ],
)
def test_a_vendor_that_refuses_leaves_nothing_half_written(
    product: Product, settings: dict[str, str], words: str, status: int
) -> None:
    result = product.run("sync", "run", "customers", "--json", **settings)
    assert result.returncode == status
    [row] = json.loads(result.stdout)
    assert row["status"] == "failed"
    assert words in row["error"]
    assert "wrong" not in row["error"].split()
    assert product.rows("select count(*) from servicetitan.st_customers") == [(0,)]
    assert product.rows("select status from servicetitan.st_sync_log") == [("failed",)]


@pytest.mark.parametrize("command", [["sync", "full"], ["up"]])
def test_wrong_credentials_are_one_sentence_for_all_entities(product: Product, command: list[str]) -> None:
    result = product.run(*command, SERVICE_TITAN_CLIENT_SECRET="wrong")
    assert (result.returncode, result.stdout) == (2, "")
    assert said(result).startswith("perfectcatch: nothing could be read: ServiceTitan refused SERVICE_TITAN_")


@pytest.mark.parametrize(
    ("setting", "words", "kind"),
    [
        ("statement_timeout = '1ms'", "took too long", "StatementStopped"),
        ("default_transaction_read_only = on", "takes no changes", "DatabaseUnavailable"),
    ],
)
def test_a_database_that_does_not_answer_as_usual_is_one_sentence(
    product: Product, setting: str, words: str, kind: str
) -> None:
    with psycopg.connect(product.url, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set {setting}".encode())
    result = product.run("sync", "run", "customers", "--json")
    assert result.returncode == 1
    assert words in said(result)
    assert json.loads(result.stdout)["error"]["type"] == kind


def test_a_role_that_may_not_read_is_told_what_is_missing(product: Product, database: Server) -> None:
    with psycopg.connect(product.url, autocommit=True) as connection:
        connection.execute("create role stranger login password 'stranger'")
        connection.execute("grant usage on schema servicetitan to stranger")
        name = connection.info.dbname
        try:
            url = f"postgresql://stranger:stranger@127.0.0.1:{urlsplit(database.tcp_url).port}/{name}"
            result = product.run("sync", "status", DATABASE_URL=url)
        finally:
            connection.execute("drop owned by stranger")
            connection.execute("drop role stranger")
    assert result.returncode == 1
    assert "the database role stranger may not do this (permission denied for table" in said(result)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_told_to_end_is_closed(
    product: Product, sandbox: Sandbox, number: signal.Signals, status: int
) -> None:
    process = product.start("sync", "full", "--json", SERVICE_TITAN_RATE_LIMIT="20")
    wait_for_requests(sandbox, 5, process)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (status, b"", b"")
    assert product.rows("select status from servicetitan.sync_runs") == [("interrupted",)]


def test_what_waits_for_a_person_is_shown(product: Product, sandbox: Sandbox) -> None:
    tenant = int(sandbox.settings["SERVICE_TITAN_TENANT_ID"])
    nothing_read = product.run("sync", "status", SERVICE_TITAN_TENANT_ID="")
    assert nothing_read.returncode == 2
    assert "perfectcatch sync full" in said(nothing_read)
    assert "perfectcatch sync full" in product.run("sync", "status").stdout
    assert product.run("sync", "holds").stdout == "Nothing is held for a person.\n"

    rows_of(product.run("sync", "run", "customers", "--json"))
    with psycopg.connect(product.url) as connection:
        connection.execute(
            "insert into servicetitan.sync_holds (tenant_id, entity, kind, found, total, detail) "
            "values (%s, 'customers', 'deletions', 50, 60, %s)",
            (tenant, Jsonb({"first_ids": list(range(50))})),
        )
        connection.execute(
            "insert into servicetitan.sync_quarantine (tenant_id, entity, fingerprint, reason, raw, "
            "first_seen_at, last_seen_at) values (%s, 'customers', '\\x01', %s, '\\x02', now(), now())",
            (tenant, "bad \x1b[2J\nvalue"),
        )
    [hold] = json.loads(product.run("sync", "holds", "--json").stdout)
    assert (hold["entity"], hold["found"], hold["total"]) == ("customers", 50, 60)
    assert hold["first_ids"] == list(range(50))
    shown = product.run("sync", "holds").stdout
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ..." in shown
    assert "--full --allow-deletions" in shown

    [row] = json.loads(product.run("sync", "status", "--json").stdout)
    assert (row["in_quarantine"], row["holds"]) == (1, 1)
    shown = product.run("sync", "status").stdout
    assert "`perfectcatch sync holds`" in shown
    assert "`perfectcatch sync quarantine`" in shown
    assert "bad [2J value" in product.run("sync", "quarantine").stdout

    refused = product.run("sync", "run", "customers", "--allow-deletions")
    assert refused.returncode == 2
    assert "--full" in said(refused)
