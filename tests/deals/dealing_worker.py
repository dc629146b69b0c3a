"""A process that writes deals until it is killed: dealing_worker.py DATABASE_URL CRM_URL TENANT."""

import asyncio
import sys
from dataclasses import replace

from perfectcatch.connections import open_deals
from perfectcatch.deals import working
from perfectcatch.kit import log
from perfectcatch.kit.clock import SystemClock
from perfectcatch.sandbox.gohighlevel.server import LOCATION, PRIVATE_TOKEN
from perfectcatch.settings import Settings
from perfectcatch.store.pool import open_pool

SETTLE_SECONDS = 2.0
NAME = "dealing worker"  # of its sessions in the database


def settings_for(crm_url: str, tenant: int) -> Settings:
    return Settings(
        service_titan_tenant_id=tenant,
        ghl_api_key=PRIVATE_TOKEN,  # type: ignore[arg-type]
        ghl_location_id=LOCATION,
        ghl_api_url=crm_url,
        ghl_sync_enabled=True,
    )


async def main(url: str, crm_url: str, tenant: int) -> None:
    log.configure()
    async with (
        open_pool(url, max_size=14, application_name=NAME) as pool,
        open_deals(settings_for(crm_url, tenant), pool, SystemClock()) as deals,
    ):
        assert deals is not None
        deals.rules = replace(deals.rules, settle_seconds=SETTLE_SECONDS)
        await working.run(deals, poll_seconds=1.0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
