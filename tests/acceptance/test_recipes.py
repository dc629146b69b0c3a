"""Pages for people who ask the mirror with SQL: every statement on them runs, and brings what it promises."""

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import psycopg

from acceptance.conftest import Product, Sandbox
from perfectcatch.vendors.servicetitan.entities import BY_NAME

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def statements(page: str) -> list[str]:
    """The SQL blocks of a page."""
    return re.findall(r"^```sql\n(.*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)


def filled(statement: str, values: dict[str, Any]) -> str:
    """A statement with psql's variables replaced: ``:name`` as it is, ``:'name'`` as text."""
    statement = re.sub(r":'(\w+)'", lambda found: "'" + str(values[found[1]]) + "'", statement)
    return re.sub(r"(?<!:):([a-z_]+)\b", lambda found: str(values[found[1]]), statement)


def run_page(product: Product, page: str, values: dict[str, Any]) -> None:
    """Run every statement of a page; each has to bring something."""
    blocks = statements(page)
    assert len(blocks) > 4
    with psycopg.connect(product.url) as connection:
        for block in blocks:
            found = connection.execute(filled(block, values))
            if found.description is not None:
                assert found.fetchone() is not None, block


def one(product: Product, query: str) -> Any:
    [(value,)] = product.rows(query + " limit 1")
    return value


def values_for(product: Product) -> dict[str, Any]:
    """Records of which each statement has something to tell."""
    mirror = "servicetitan."
    return {
        "invoice": one(product, f"select invoice_id from {mirror}st_payment_applications"),
        "changed_invoice": one(
            product, f"select st_id from {mirror}record_history where entity = 'invoices'"
        ),
        "moment": one(product, "select now()::text"),
        "customer": one(
            product,
            f"select s.st_id from {mirror}customers_survivors s "
            f"join {mirror}st_jobs j on j.customer_id = s.survivor_id",
        ),
        "job": one(product, f"select job_id from {mirror}job_technicians"),
        "field_name": one(product, f"select name from {mirror}custom_field_values where entity = 'jobs'"),
        "tag_name": one(
            product,
            f"select t.name from {mirror}record_tags r join {mirror}st_tag_types t "
            "on t.st_id = r.tag_type_id where r.entity = 'customers'",
        ),
        "last_recorded_at": one(product, "select min(recorded_at)::text from automation.events"),
        "tenant": one(product, "select tenant_id from automation.events"),
        "ids": one(product, "select array[id]::text from automation.events where not historical"),
    }


def succeed(product: Product, *words: str) -> Any:
    result = product.run(*words, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def merge_two_customers(product: Product, sandbox: Sandbox) -> None:
    [(lost,), (kept,)] = product.rows(
        "select distinct c.st_id from servicetitan.st_customers c join servicetitan.st_jobs j "
        "on j.customer_id = c.st_id where c.active and c.merged_to_id is null order by 1 limit 2"
    )
    sandbox.post("merge", **{"from": lost, "to": kept})


def test_what_the_page_about_reading_says(product: Product, sandbox: Sandbox) -> None:
    succeed(product, "sync", "full")
    merge_two_customers(product, sandbox)
    sandbox.post("activity", changes=80)
    succeed(product, "sync", "incremental")
    values = values_for(product)
    run_page(product, "read-the-mirror.md", values)
    the_same_version_as_the_command_tells(product, values)


def the_same_version_as_the_command_tells(product: Product, values: dict[str, Any]) -> None:
    [statement] = [block for block in statements("read-the-mirror.md") if ":'moment'" in block]
    changed = str(values["changed_invoice"])
    [(end,)] = product.rows(
        "select min(valid_to) from servicetitan.record_history where entity = 'invoices' and st_id = %s",
        int(changed),
    )
    for moment in (end.isoformat(), (end.replace(microsecond=0)).isoformat()):
        [told] = succeed(product, "sync", "record", "invoices", changed, "--as-of", moment)
        with psycopg.connect(product.url) as connection:
            found = connection.execute(filled(statement, values | {"moment": moment})).fetchone()
        assert found is not None
        assert (found[0], found[2]) == (told["revision"], told["full_data"])


def test_a_listener_hears_of_events_and_finds_them(product: Product, sandbox: Sandbox) -> None:
    succeed(product, "sync", "full")
    listen, by_ids = (
        next(block for block in statements("read-the-mirror.md") if word in block)
        for word in ("listen perfectcatch_events", ":'ids'")
    )
    with psycopg.connect(product.url, autocommit=True) as connection:
        connection.execute(listen)
        connection.execute("listen perfectcatch_progress")
        sandbox.post("activity", changes=30)
        report = succeed(product, "sync", "incremental")
        notes = list(connection.notifies(timeout=0.5))
        told = [json.loads(note.payload) for note in notes if note.channel == "perfectcatch_events"]
        heard = [
            row
            for note in told
            for row in connection.execute(
                filled(by_ids, {"tenant": note["tenant_id"], "ids": set(note["ids"])})
            )
        ]
        live = connection.execute("select count(*) from automation.events where not historical").fetchone()
    assert live == (len(heard),)
    assert heard
    progress = [json.loads(note.payload) for note in notes if note.channel == "perfectcatch_progress"]
    last = {note["entity"]: note["fetched"] for note in progress}
    assert last == {row["entity"]: row["fetched"] for row in report if row["entity"] in last}
    assert {"customers", "jobs", "invoices"} <= last.keys()


def test_what_the_page_about_operating_says(product: Product, sandbox: Sandbox) -> None:
    succeed(product, "sync", "full")
    ids = [row[0] for row in product.rows("select st_id from servicetitan.st_location_contacts limit 30")]
    for st_id in ids:
        sandbox.post("delete", collection="crm.locations_contacts", id=st_id, hard=True)
    waiting = product.run("sync", "run", "location_contacts", "--full", "--json")
    assert waiting.returncode == 1
    [held] = json.loads(waiting.stdout)
    assert held["status"] == "held"
    job = one(product, "select st_id from servicetitan.st_jobs where deleted_at is null")
    sandbox.post("edit", collection="jpm.jobs", id=job, changes={"customerId": "nobody"})
    [jobs] = succeed(product, "sync", "run", "jobs")
    assert jobs["quarantined"] == 1
    assert product.run("sync", "run", "jobs", SERVICE_TITAN_APP_KEY="wrong").returncode == 2
    assert product.run("sync", "gaps", "jobs").returncode == 0
    run_page(product, "operate.md", {})


ENTITIES_OF: dict[tuple[str, ...], set[str]] = {
    ("reference",): {"business_units", "technicians", "job_types", "campaigns", "tag_types", "custom_fields"},
    ("pricebook",): {"pricebook_categories", "pricebook_services", "pricebook_materials"},
    ("scheduling",): {"teams", "zones", "technician_shifts", "arrival_windows", "technician_skills"},
    ("contacts",): {"customer_contacts", "location_contacts"},
    ("run", "estimates"): {"estimates"},
    ("run", "technicians"): {"technicians"},
    ("run", "appointments", "--full"): {"appointments"},
    ("run", "jobs", "invoices", "jobs"): {"jobs", "invoices"},
}


def test_each_kind_of_run_by_hand(product: Product) -> None:
    for words, entities in ENTITIES_OF.items():
        rows = {row["entity"]: row for row in succeed(product, "sync", *words)}
        assert entities <= rows.keys()
        assert words[0] != "run" or entities == rows.keys()
        assert all(rows[name]["status"] == "succeeded" for name in entities)
        assert all(product.rows(f"select 1 from {BY_NAME[name].table} limit 1") for name in entities)


def test_a_worker_reads_on_its_schedule_until_it_is_told_to_end(product: Product, tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    others = ("SYNC_FULL", "CONTACTS_INCREMENTAL", "CONTACTS_FULL", "SYNC_SCHEDULING", "SYNC_PRICEBOOK")
    settings = {f"{name}_CRON": "off" for name in others} | {"SYNC_INCREMENTAL_CRON": "* * * * * *"}
    worker = product.start("worker", "sync", HEARTBEAT_FILE=str(heartbeat), **settings)
    try:
        deadline = time.monotonic() + 60
        done = "select 1 from servicetitan.sync_runs where trigger = 'schedule' and status = 'succeeded'"
        while not product.rows(done):
            assert worker.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        worker.send_signal(signal.SIGTERM)
        _, words = worker.communicate(timeout=40)
    finally:
        worker.kill()
    assert worker.returncode == 0, words
    assert heartbeat.exists()
    assert product.rows("select count(*) from servicetitan.st_customers") == [(60,)]
    assert product.rows("select count(*) from servicetitan.sync_runs where mode <> 'incremental'") == [(0,)]


COUNTED = {
    "servicetitan": (50, 4),
    "automation": (22, 0),
    "integrations": (12, 0),
    "pricebook": (4, 0),
    "public": (12, 3),
}


def test_the_tables_are_counted(new_product: Product) -> None:
    product = new_product
    succeed(product, "db", "migrate")
    counted = {
        schema: (tables, views)
        for schema, tables, views in product.rows(
            "select n.nspname, count(*) filter (where c.relkind = 'r'), "
            "count(*) filter (where c.relkind = 'v') from pg_class c "
            "join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'v') "
            "and n.nspname !~ '^(pg_|information_schema)' group by 1"
        )
    }
    assert counted == COUNTED
    tables, views = (sum(each) for each in zip(*counted.values(), strict=True))
    assert f"{tables} tables and {views} views" in (PAGES.parent / "architecture.md").read_text()
