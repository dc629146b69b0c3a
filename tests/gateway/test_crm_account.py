"""The CRM as the settings open it: its rate is shared by all who use the database."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from office import TENANT

from perfectcatch.connections import open_crm
from perfectcatch.errors import BadSetting, NotConnected
from perfectcatch.model.crm import ContactChange
from perfectcatch.sandbox.gohighlevel.server import LOCATION, PRIVATE_TOKEN, VENDOR, make_app
from perfectcatch.settings import Settings
from perfectcatch.store.pool import open_pool


def settings(**more: Any) -> Settings:
    return Settings(service_titan_tenant_id=TENANT, **more)  # type: ignore[arg-type]


async def test_two_processes_keep_the_vendors_rate_together(filled: str):
    app = make_app()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    given = settings(
        ghl_api_key=PRIVATE_TOKEN,
        ghl_location_id=LOCATION,
        ghl_api_url=f"http://127.0.0.1:{runner.addresses[0][1]}",
        ghl_api_version="v3",
    )
    try:
        async with (
            open_pool(filled, max_size=4) as one,
            open_pool(filled, max_size=4) as other,
            open_crm(given, one) as first,
            open_crm(given, other, interactive=True) as second,
        ):
            assert first is not None
            assert second is not None
            ann = await first.create_contact(ContactChange(first_name="Ann", email="ann@example.com"))
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(each.contact(ann.id) for each in (first, second) for _ in range(15)))
            seconds = asyncio.get_running_loop().time() - began
    finally:
        await runner.cleanup()
    meter = app[VENDOR].meter
    assert meter.refused == 0
    # No faster than one alone, however slow this machine is: two that knew nothing of each other had 19.
    assert meter.used / max(seconds, 1.0) <= 12


async def test_without_a_location_and_a_token_there_is_no_crm(filled: str):
    async with open_pool(filled, max_size=2) as pool:
        for given in (settings(), settings(ghl_api_key="x"), settings(ghl_location_id="x")):
            async with open_crm(given, pool) as crm:
                assert crm is None
        app = {"ghl_client_id": "c", "ghl_client_secret": "s", "ghl_location_id": "x"}
        async with open_crm(settings(**app, secret_key="k" * 40), pool) as crm:
            assert crm is not None
            with pytest.raises(NotConnected, match="/crm/connect"):
                await crm.pipelines()
        with pytest.raises(BadSetting, match="SECRET_KEY"):
            async with open_crm(settings(**app), pool):
                pass
