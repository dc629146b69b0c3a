"""What the fault tests share: a sandbox of their own size, the product's commands, and the truth.

The truth is what the sandbox itself holds and what its ledger tells of requests; what the product says of
itself proves nothing here. Only outside means are used: commands, SQL, HTTP to the sandbox, signals.
"""

import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import psycopg
import pytest
from psycopg.rows import dict_row

from acceptance.conftest import Product, Sandbox, start_sandbox
from commands import Forked
from databases import new_database
from perfectcatch.store.server.embedded import Server

SEED = 20261125
PLENTY = ("--rate", "100000")  # a sandbox that never answers 429 by itself
USUAL_RATE = {"SERVICE_TITAN_RATE_LIMIT": ""}  # the product's own default

Read = Callable[[Any], Any]


# The truth ----------------------------------------------------------------------------------------


def _number(value: Any) -> Any:
    return None if value in (None, "") else Decimal(str(value))


def _moment(value: Any) -> Any:
    if not value:
        return None
    head, _, fraction = value.removesuffix("Z").partition(".")
    micros = round(Decimal(f"0.{fraction or 0}") * 1_000_000)  # the vendor writes seven digits
    return datetime.fromisoformat(head).replace(tzinfo=UTC) + timedelta(microseconds=micros)


def _day(value: Any) -> Any:
    return date.fromisoformat(value[:10]) if value else None


def _plain(value: Any) -> Any:
    return value


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, datetime) and isinstance(expected, datetime):
        return abs(found - expected) <= timedelta(microseconds=1)  # half a microsecond rounds either way
    return bool(found == expected)


@dataclass(frozen=True)
class Truth:
    """Where records of a collection are stored, and what their typed columns hold: written by hand here.

    ``columns``: name -> (path in the record, how to read it).
    """

    entity: str
    table: str
    columns: Mapping[str, tuple[str, Read]]

    def expected(self, record: Any) -> dict[str, Any]:
        """The typed columns that belong to a record."""
        return {name: read(_at(record, path)) for name, (path, read) in self.columns.items()}


def _at(record: Any, path: str) -> Any:
    for step in path.split("."):
        record = record.get(step) if isinstance(record, dict) else None
    return record


def _truth(entity: str, **columns: tuple[str, Read]) -> Truth:
    both = {"st_created_on": ("createdOn", _moment), "st_modified_on": ("modifiedOn", _moment)}
    return Truth(entity, f"servicetitan.st_{entity}", {**both, **columns})


TRUTHS = {
    "crm.customers": _truth(
        "customers",
        name=("name", _plain),
        city=("address.city", _plain),
        balance=("balance", _number),
        tag_type_ids=("tagTypeIds", _plain),
        do_not_mail=("doNotMail", _plain),
        merged_to_id=("mergedToId", _plain),
    ),
    "crm.locations": _truth(
        "locations",
        name=("name", _plain),
        customer_id=("customerId", _plain),
        zip=("address.zip", _plain),
        tax_zone_id=("taxZoneId", _plain),
    ),
    "crm.customers_contacts": _truth(
        "customer_contacts", value=("value", _plain), customer_id=("customerId", _plain)
    ),
    "jpm.jobs": _truth(
        "jobs",
        job_status=("jobStatus", _plain),
        total=("total", _number),
        st_completed_on=("completedOn", _moment),
        customer_id=("customerId", _plain),
        no_charge=("noCharge", _plain),
        summary=("summary", _plain),
    ),
    "jpm.appointments": _truth(
        "appointments",
        status=("status", _plain),
        start_time=("start", _moment),
        job_id=("jobId", _plain),
    ),
    "sales.estimates": _truth(
        "estimates", name=("name", _plain), job_id=("jobId", _plain), status=("status.name", _plain)
    ),
    "accounting.invoices": _truth(
        "invoices",
        total=("total", _number),
        balance=("balance", _number),
        due_date=("dueDate", _day),
        customer_name=("customer.name", _plain),
    ),
    "accounting.payments": _truth("payments", total=("total", _number)),
}
BY_ENTITY = {truth.entity: collection for collection, truth in TRUTHS.items()}


def assert_exact(
    product: Product, sandbox: Sandbox, *collections: str, ignore: str = "", spoiled: Collection[Any] = ()
) -> int:
    """0 lost, 0 duplicate, 0 wrong values; gives the number of records that were compared.

    Each record of the vendor is in the mirror as it is there, with its typed columns, and no other lives in
    the mirror. ``ignore`` names a field that a fault added on the way, ``spoiled`` the records whose content
    it changed: they are left out.
    """
    compared = 0
    for collection in collections or TRUTHS:
        truth = TRUTHS[collection]
        records = {record["id"]: record for record in sandbox.get(f"records/{collection}")}
        names = ", ".join(truth.columns)
        with psycopg.connect(product.url, row_factory=dict_row) as connection:
            rows = connection.execute(
                f"select st_id, full_data, active, deleted_at, {names} from {truth.table}".encode()
            ).fetchall()
        stored = {row["st_id"]: row for row in rows}
        assert len(stored) == len(rows), f"{collection}: an id came twice"
        gone = {st_id for st_id, row in stored.items() if row["deleted_at"]}
        deleted = {st_id for st_id, record in records.items() if record.get("active") is False}
        assert records.keys() - stored.keys() - set(spoiled) == set(), f"{collection}: lost"
        assert stored.keys() - gone <= records.keys(), f"{collection}: nobody at the vendor knows them"
        assert gone & records.keys() <= deleted, f"{collection}: deleted here, alive there"
        for st_id in stored.keys() - gone - set(spoiled):
            row = stored[st_id]
            document = {name: value for name, value in row["full_data"].items() if name != ignore}
            assert document == records[st_id], (collection, st_id)
            expected = truth.expected(records[st_id])
            wrong = {
                name: (row[name], value) for name, value in expected.items() if not _same(row[name], value)
            }
            assert not wrong, (collection, st_id, wrong)
            compared += 1
    return compared


def assert_events_once(product: Product) -> None:
    """No transition is told twice."""
    twice = product.rows(
        "select event_type, entity, st_id, version, count(*) from automation.events "
        "group by 1, 2, 3, 4 having count(*) > 1"
    )
    assert twice == []
    born_twice = product.rows(
        "select event_type, entity, st_id from automation.events where event_type like '%%_created' "
        "group by 1, 2, 3 having count(*) > 1"
    )
    assert born_twice == []


# The laboratory -----------------------------------------------------------------------------------


@dataclass
class Lab:
    """A sandbox and the product on a migrated database of its own."""

    sandbox: Sandbox
    product: Product

    def fault(self, kind: str, **facts: Any) -> int:
        """Let something go wrong from now on; gives the number of the fault."""
        number: int = self.sandbox.post("faults", **{"kind": kind, "seed": SEED, **facts})["id"]
        return number

    def struck(self, number: int) -> Any:
        """How often a fault struck, and which records it touched."""
        return self.sandbox.get(f"faults?id={number}")

    def clear(self) -> None:
        """From now on everything is well."""
        self.sandbox.post("faults/clear")

    def mark(self) -> int:
        """The number of the last request."""
        total: int = self.sandbox.get("ledger?limit=0")["total"]
        return total

    def summary(self, after: int = 0) -> Any:
        """What the ledger says of the requests behind ``after``."""
        return self.sandbox.get(f"ledger/summary?after={after}")

    def sync(self, *words: str, fails: bool = False, **settings: str) -> dict[str, Any]:
        """Run ``perfectcatch sync ...`` as a process; gives its lines by entity."""
        result = self.product.run("sync", *words, "--json", **settings)
        assert "Traceback" not in result.stderr, result.stderr
        assert (result.returncode != 0) is fails, (result.stdout[-3000:], result.stderr)
        return {row["entity"]: row for row in json.loads(result.stdout)}

    def edit(self, collection: str, record_id: Any, **changes: Any) -> Any:
        """Change a record at the vendor, now."""
        return self.sandbox.post("edit", collection=collection, id=record_id, changes=changes)

    def ids(self, collection: str) -> list[Any]:
        """Every id of a collection at the vendor."""
        return [record["id"] for record in self.sandbox.get(f"records/{collection}")]

    def delete(self, collection: str, record_id: Any, *, hard: bool = False) -> None:
        """Delete a record at the vendor: as its feed tells it, or without a trace."""
        self.sandbox.post("delete", collection=collection, id=record_id, hard=hard)

    def advance(self, seconds: float) -> None:
        """Let time pass at the vendor, with whatever the company does in it."""
        self.sandbox.post("advance", seconds=seconds)

    def cursor(self, entity: str) -> Any:
        """Where the next incremental read begins."""
        return self.product.rows(
            "select key, value from servicetitan.sync_state where key in (%s, %s) order by key",
            f"{entity}_cursor",
            f"{entity}_last_modified",
        )

    def alive(self, entity: str) -> int:
        """Rows that are not deleted."""
        table = TRUTHS[BY_ENTITY[entity]].table
        [(number,)] = self.product.rows(f"select count(*) from {table} where deleted_at is null")
        return int(number)


class Sandboxes:
    """Sandboxes of different sizes, each started once and used by one test after the other."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[tuple[str, ...], Sandbox] = {}

    def get(self, *words: str) -> Sandbox:
        """A running sandbox without faults."""
        if words not in self._running:
            process, sandbox = start_sandbox(*words)
            self._stack.callback(_end, process)
            self._running[words] = sandbox
        self._running[words].post("faults/clear")
        return self._running[words]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _end(process: Forked) -> None:
    with process:
        process.terminate()


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Sandboxes]:
    with Sandboxes() as running:
        yield running


@dataclass
class Labs:
    """Makes a laboratory: a database for the test, a sandbox of the wanted size."""

    url: str
    sandboxes: Sandboxes

    def __call__(self, *words: str) -> Lab:
        sandbox = self.sandboxes.get(*words)
        return Lab(sandbox, Product(self.url, sandbox.settings))


@pytest.fixture
async def labs(database: Server, migrated: str, sandboxes: Sandboxes) -> AsyncIterator[Labs]:
    async with new_database(database, migrated) as url:
        yield Labs(url, sandboxes)
