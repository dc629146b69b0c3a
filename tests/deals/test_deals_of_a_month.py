"""A made-up company lives for a month; every request that its deals cost is as the CRM's documents say."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from databases import new_database
from perfectcatch.app import open_engine
from perfectcatch.connections import open_deals
from perfectcatch.deals import working
from perfectcatch.deals.dispatch import settle
from perfectcatch.kit.http import Http, Request
from perfectcatch.sandbox.gohighlevel import server as crm
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.server import SERVICE, serving
from perfectcatch.settings import Settings
from perfectcatch.store.jobs.queue import install
from perfectcatch.store.schema.migrate import migrate
from perfectcatch.store.server.embedded import Server
from perfectcatch.vendors.gohighlevel.versions import FIRST, THIRD, Version
from perfectcatch.vendors.servicetitan.entities import ENTITIES
from vendors.gohighlevel.ghl_spec import DOCUMENTS, violations

Handler = Callable[[web.Request], Any]


@dataclass
class Seen:
    """The simulated location, and every request that came to it."""

    requests: list[Request] = field(default_factory=list)
    vendor: crm.Vendor = field(init=False)

    def install(self, app: web.Application) -> None:
        crm.install(app, clock=app[SERVICE].tenant.clock)
        self.vendor = app[crm.VENDOR]
        self.vendor.account.index_seconds = 0.0
        app.middlewares.append(self.keep)

    @property
    def keep(self) -> Any:
        @web.middleware
        async def kept(request: web.Request, handler: Handler) -> Any:
            if request.path.split("/")[1] in ("contacts", "opportunities", "locations"):
                body = await request.read()
                self.requests.append(
                    Request(
                        method=request.method,
                        url=f"http://crm{request.path_qs}",
                        headers=dict(request.headers),
                        body=body or None,
                    )
                )
            return await handler(request)

        return kept


@asynccontextmanager
async def company(url: str, version: Version, customers: int) -> AsyncIterator[tuple[Settings, Seen]]:
    seen, known = Seen(), Options(customers=customers, ago=31 * 86_400.0, seed=11)
    async with serving("127.0.0.1", 0, known, beside=seen.install) as address:
        yield (
            Settings(
                database_url=url,  # type: ignore[arg-type]
                service_titan_api_url=address.url,
                service_titan_auth_url=f"{address.url}/connect/token",
                service_titan_client_id=address.client_id,  # type: ignore[arg-type]
                service_titan_client_secret=address.client_secret,  # type: ignore[arg-type]
                service_titan_app_key=address.app_key,  # type: ignore[arg-type]
                service_titan_tenant_id=address.tenant_id,
                ghl_api_url=address.url,
                ghl_api_key=crm.PRIVATE_TOKEN,  # type: ignore[arg-type]
                ghl_location_id=crm.LOCATION,
                ghl_api_version=version.header,  # type: ignore[arg-type]
                ghl_sync_enabled=True,
            ),
            seen,
        )


@pytest.mark.reliability
@pytest.mark.timeout(900)
@pytest.mark.skipif(not DOCUMENTS.exists(), reason="the vendor's documents are not here")
@pytest.mark.parametrize("version", [FIRST, THIRD], ids=lambda each: each.header)
async def test_a_month_of_deals_asks_as_the_vendors_documents_say(database: Server, version: Version) -> None:
    async with new_database(database) as url:
        await migrate(url, ENTITIES, install_jobs=install)
        async with company(url, version, customers=150) as (settings, seen), Http() as http:
            async with open_engine(settings) as engine, open_deals(settings, engine.pool) as deals:
                assert deals is not None
                await engine.run("full")
                await settle(deals)
                for _ in range(10):
                    body = b'{"by": "3d"}'
                    advance = f"{settings.service_titan_api_url}/_sandbox/advance"
                    await http.send(Request(method="POST", url=advance, body=body))
                    seen.vendor.people.act(3)
                    await engine.run("incremental")
                    await settle(deals)
                    await working.drain(deals)
                async with engine.pool.connection() as connection:
                    found = await connection.execute(
                        "select error from integrations.deal_queue where error is not null"
                    )
                    assert await found.fetchall() == []
            account = seen.vendor.account
        wrong = Counter(said for request in seen.requests for said in violations(request, version))
        assert wrong == {}
        assert seen.vendor.meter.refused == 0
        assert len(account.contacts) > 3
        emails = Counter(each["email"] for each in account.contacts.values() if each.get("email"))
        assert [each for each, times in emails.items() if times > 1] == []
        counted = {"requests": len(seen.requests), "contacts": len(account.contacts)}
        sys.stdout.write(f"{version.header}: {counted | {'opportunities': len(account.opportunities)}}\n")
