"""The whole product as a login that owns nothing: what it may do comes from the role that changes rows."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

from acceptance.conftest import Product, Sandbox
from live.conftest import Api, served, until_healthy
from perfectcatch.store.address import parse

ROLE = "perfectcatch_app"


@contextmanager
def login(product: Product) -> Iterator[str]:
    """The address of a login whose only right is to work as the role."""
    name = f"worker_{uuid4().hex[:8]}"
    with psycopg.connect(product.url, autocommit=True) as admin:
        admin.execute(f"create role {name} login noinherit password 'x' in role {ROLE}".encode())
        try:
            url = parse(product.url).url(password=False)
            yield url.replace(f"{parse(url).user}@", f"{name}:x@", 1)
        finally:
            admin.execute(f"drop role {name}".encode())


def test_a_cycle_a_server_and_a_worker(new_product: Product, sandbox: Sandbox, tmp_path: Path) -> None:
    product = new_product  # the role is made with the tables
    assert product.run("sync", "full").returncode == 0  # the owner's: it migrates an empty database
    checked = product.run("db", "check", "--json")
    assert checked.returncode == 0, checked.stdout
    assert json.loads(checked.stdout)["role"] == {"name": ROLE, "is_login": False, "powers": []}
    with login(product) as url:
        sandbox.post("activity", changes=60)
        for words in (
            ("sync", "incremental"),
            ("sync", "full"),
            ("sync", "gaps"),
            ("sync", "backfill", "jobs", "--from", "2020-01-01", "--to", "2020-02-01"),
            ("key", "create", "--scope", "admin"),
        ):
            done = product.run(*words, DATABASE_URL=url)
            assert done.returncode == 0, (words, done.stderr)
        assert product.rows("select count(*) > 0 from automation.events where not historical") == [(True,)]
        refused = product.run("db", "migrate", DATABASE_URL=url)
        assert refused.returncode == 1
        assert "may not do this" in refused.stderr
        with served(product, DATABASE_URL=url) as address:
            until_healthy(address)
            api = Api(address, product, sandbox, {"admin": done.stdout.strip()})
            created = api.ask("POST", "/st/crm/customers", body=customer(), Idempotency_Key="least")
            assert created.status == 200, created.body
            asked = api.ask("POST", "/api/sync/reference")
            assert asked.status == 202, asked.body
            worked(
                product,
                url,
                tmp_path,
                f"select status from servicetitan.sync_runs where id = '{asked.json['run_id']}'",
            )
        assert product.rows("select distinct phase from automation.audit_log order by 1") == [
            ("asked",),
            ("ended",),
        ]


def customer() -> bytes:
    address = {"street": "1 Main St", "city": "Miami", "state": "FL", "zip": "33101", "country": "USA"}
    return json.dumps(
        {
            "name": "Ann Least",
            "type": "Residential",
            "address": address,
            "locations": [{"name": "Home", "address": address}],
        }
    ).encode()


def worked(product: Product, url: str, where: Path, query: str) -> None:
    """Both workers until what was asked for is done and the recipes are there; neither lacked a right."""
    settings = {"DATABASE_URL": url, "HEARTBEAT_FILE": str(where / "beat"), "SYNC_INCREMENTAL_CRON": "off"}
    workers = [product.start("worker", which, **settings) for which in ("sync", "workflows")]
    try:
        ends = time.monotonic() + 60
        while product.rows(query) != [("succeeded",)] or not product.rows(
            "select 1 from automation.workflow_definitions limit 1"
        ):
            assert time.monotonic() < ends
            time.sleep(0.1)
    finally:
        for each in workers:
            each.send_signal(signal.SIGTERM)
        said = [each.communicate(timeout=60)[1].decode() for each in workers]
    assert not [text for text in said if "may not" in text or "permission denied" in text], said
