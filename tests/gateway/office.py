"""The API server inside the test's own process, over a mirror that holds one record of every kind."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from perfectcatch.deals import schedule
from perfectcatch.gateway.access import Door
from perfectcatch.gateway.asgi import make_app
from perfectcatch.gateway.context import Gateway
from perfectcatch.gateway.monitor.hub import Hub
from perfectcatch.kit.clock import FakeClock
from perfectcatch.messaging.desk import Company, Desk
from perfectcatch.messaging.post import PostRoom
from perfectcatch.model.entity import Entity
from perfectcatch.model.messaging import Mail, Receipt, Received, Status, Text
from perfectcatch.model.passing import Offer
from perfectcatch.store import keys
from perfectcatch.store.jobs.queue import open_jobs
from perfectcatch.store.merging import mirror
from perfectcatch.store.merging.mirror import Batch, Outcome
from perfectcatch.store.pool import Pool, conninfo_of, open_pool
from perfectcatch.store.presence import Presence
from perfectcatch.store.reading.freshness import Freshness
from perfectcatch.store.reading.reads import open_reads
from perfectcatch.sync import requests
from perfectcatch.sync.one import Whole
from perfectcatch.vendors.servicetitan.entities import BY_NAME, ENTITIES
from perfectcatch.workflows.records import Company as AtHand
from perfectcatch.workflows.running import worker
from perfectcatch.workflows.running.catalogue import Catalogue
from perfectcatch.workflows.running.workshop import Workshop

TENANT, OTHER = 5, 6
ZONE = "America/New_York"
NOTHING = Offer(routes=(), schemas={})  # a vendor of whom nothing is passed through
FOREIGN = "Foreign company"
FIXTURES = Path(__file__).parent.parent / "vendors" / "servicetitan" / "fixtures"


class NoVendor:
    """A vendor that nobody may ask: what is answered from PostgreSQL needs none."""

    tenant_id = TENANT

    def __getattr__(self, name: str) -> Any:
        message = f"the vendor was asked: {name}"
        raise AssertionError(message)


class Carrier:
    """A vendor that takes every text and every email."""

    def __init__(self) -> None:
        self.taken: list[Text | Mail] = []

    async def send(self, message: Any) -> Receipt:
        self.taken.append(message)
        return Receipt(vendor_id=f"V{message.reference}", status=Status.SENT)

    async def find(self, message: Any, *, since: datetime) -> Receipt | None:
        return None

    async def received(self, *, since: datetime) -> list[Received]:
        return []


@dataclass
class Office:
    """A client with a key for everything, and what is behind the server."""

    app: FastAPI
    http: httpx.AsyncClient
    pool: Pool
    gateway: Gateway
    clock: FakeClock
    tenant: int
    carrier: Carrier

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        answer = await self.http.get(path, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def send(self, method: str, path: str, body: Any, status: int = 200) -> Any:
        answer = await self.http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def key(self, *scopes: str) -> str:
        _, text = await keys.create(self.pool, self.tenant, name="test", scopes=scopes, per_second=0)
        return text

    async def merge(self, name: str, *records: dict[str, Any], **more: Any) -> Outcome:
        return await merge(self.pool, name, *records, tenant=self.tenant, **more)

    async def was_read(self, *names: str, status: str = "succeeded", seconds_ago: int = 3600) -> None:
        """Entities were read from the vendor."""
        await was_read(self.pool, self.tenant, *names, status=status, seconds_ago=seconds_ago)

    async def rows(self, query: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()


def fixture(name: str, /, **values: Any) -> dict[str, Any]:
    """The fixture of an entity, tagged as its feed does, with ``values`` instead of its own."""
    entity: Entity = BY_NAME[name]
    record: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return dict(feed.tag for feed in entity.feeds[:1] if feed.tag) | record | values


async def merge(pool: Pool, name: str, *records: dict[str, Any], tenant: int, **more: Any) -> Outcome:
    documents = [json.dumps(record).encode() for record in records]
    batch = Batch(tenant_id=tenant, entity=BY_NAME[name], entities=BY_NAME, records=documents, **more)
    return await mirror.merge(pool, batch)


async def fill(pool: Pool) -> None:
    """One record of every kind for us, and the same with other words for another company."""
    for entity in ENTITIES:
        record = fixture(entity.name)
        if entity.name == "bookings":
            record["jobId"] = fixture("jobs")["id"]
        await merge(pool, entity.name, record, tenant=TENANT)
        await merge(pool, entity.name, _foreign(record), tenant=OTHER)
    await was_read(pool, TENANT, *BY_NAME)


async def was_read(
    pool: Pool, tenant: int, *names: str, status: str = "succeeded", seconds_ago: int = 3600
) -> None:
    async with pool.connection() as connection:
        await connection.execute(
            """
            insert into servicetitan.st_sync_log (tenant_id, run_id, module, sync_type, status, started_at,
              completed_at)
            select %s, gen_random_uuid(), module, 'full', %s, now() - make_interval(secs => %s), now()
            from unnest(%s::text[]) module
            """,
            (tenant, status, seconds_ago, list(names)),
        )


def _foreign(value: Any) -> Any:
    """The same record with every text of words changed."""
    if isinstance(value, dict):
        return {key: _foreign(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_foreign(each) for each in value]
    if isinstance(value, str) and " " in value:
        return FOREIGN
    return value


async def _nobody(st_id: int) -> Whole:
    raise AssertionError(st_id)


@cache
def _app(*, shared: bool) -> FastAPI:
    """One for the server that everybody reads, one for those that come and go: to make one takes a while."""
    _ = shared
    return make_app(lambda: None, BY_NAME, NOTHING)  # type: ignore[arg-type,return-value] - never entered


@asynccontextmanager
async def open_office(
    url: str,
    *,
    tenant: int = TENANT,
    source: Any = None,
    start: datetime | None = None,
    sources: Any = None,
    webhooks: Any = None,
    crm_app: Any = None,
    deals: Any = None,
) -> AsyncIterator[Office]:
    time = FakeClock(start or FakeClock().now())
    carrier = Carrier()
    async with (
        open_pool(url, max_size=6) as pool,
        open_reads(url, max_size=4, application="test") as reads,
        open_jobs(conninfo_of(pool), connections=2) as jobs,
    ):
        requests.declare(jobs)
        desk = Desk(
            pool=pool,
            tenant_id=tenant,
            clock=time,
            company=Company(
                name="Perfect Air",
                postal_address="1 Main Street, Denver CO 80202",
                public_url="https://office.example",
                secret="s" * 40,
            ),
            messenger=carrier,
            mailer=carrier,
        )
        gateway = Gateway(
            pool=pool,
            reads=reads,
            freshness=Freshness(reads, tenant, BY_NAME, time),
            source=source or NoVendor(),
            passage=NoVendor(),
            presence=Presence(pool),
            entities=BY_NAME,
            tenant_id=tenant,
            clock=time,
            zone=ZONE,
            door=Door(pool, tenant, time, per_second=0),
            hub=cast(Hub, NoVendor()),
            jobs=jobs,
            webhooks=webhooks or {},
            crm_app=crm_app,
            read_customer=_nobody,
            desk=desk,
            workshop=Workshop(
                pool=pool,
                tenant_id=tenant,
                clock=time,
                entities=BY_NAME,
                company=AtHand(name="Perfect Air", zone=ZONE),
                desk=desk,
                jobs=jobs,
                catalogue=Catalogue(pool, tenant, time),
            ),
            deals=deals(pool, tenant, time) if deals is not None else None,
            post=PostRoom(desk, sources or {}, poll_seconds=60),
        )
        worker.declare(gateway.workshop)
        schedule.declare(jobs)
        app = _app(shared=tenant == TENANT)
        app.state.gateway = gateway
        _, text = await keys.create(pool, tenant, name="all", scopes=["admin"], per_second=0)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://office",
            headers={"Authorization": f"Bearer {text}"},
        ) as http:
            yield Office(app, http, pool, gateway, time, tenant, carrier)
