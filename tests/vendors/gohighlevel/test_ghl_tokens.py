"""The app's tokens: renewed once by whoever comes first, kept before use, sealed in the database."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from ghl_location import Recorded, served, transport_to
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest

from perfectcatch.errors import AccountInactive, CredentialsRejected, NotConnected, Refused, VendorUnavailable
from perfectcatch.kit.clock import FakeClock
from perfectcatch.model.tokens import Tokens
from perfectcatch.sandbox.gohighlevel.server import (
    CLIENT_ID,
    CLIENT_SECRET,
    LOCATION,
    VENDOR,
    Vendor,
    make_app,
)
from perfectcatch.store.pool import Pool
from perfectcatch.store.tokens import SealedTokens
from perfectcatch.vendors.gohighlevel.client import GoHighLevel
from perfectcatch.vendors.gohighlevel.oauth import App, AppTokens
from perfectcatch.vendors.gohighlevel.versions import FIRST, THIRD, Version

SECRET, REDIRECT = "k" * 40, "https://office.example/crm/connected"
DOCUMENTS = Path(__file__).parents[4] / "shared/vendors/specs/ghl/apps"
DAY = timedelta(days=1).total_seconds()


@dataclass
class Office:
    """A process that uses the app, and the vendor."""

    app: AppTokens
    crm: GoHighLevel
    vault: SealedTokens
    vendor: Vendor
    http: Recorded
    url: str
    clock: FakeClock

    async def connect(self, kind: str = "Location") -> None:
        await self.app.connect(self.vendor.tokens.authorize(kind), REDIRECT)

    async def kept(self) -> Tokens:
        tokens = await self.vault.read()
        assert tokens is not None
        return tokens

    def another(self) -> AppTokens:
        """The same in another process, as far as this one can be it."""
        return app_tokens(self.http, self.vault, self.url, self.clock, FIRST)


def app_tokens(
    http: Recorded,
    vault: SealedTokens,
    url: str,
    clock: FakeClock,
    version: Version,
    secret: str = CLIENT_SECRET,
) -> AppTokens:
    return AppTokens(
        http=http,
        vault=vault,
        app=App(client_id=CLIENT_ID, client_secret=secret),
        location_id=LOCATION,
        api_url=url,
        version=version,
        clock=clock,
    )


@asynccontextmanager
async def opened(pool: Pool, version: Version = FIRST) -> AsyncIterator[Office]:
    clock = FakeClock()
    server = make_app(clock=clock)
    async with served(server) as url, Recorded() as http:
        vault = SealedTokens(pool, 7, "ghl", LOCATION, secret=SECRET)
        app = app_tokens(http, vault, url, clock, version)
        transport = transport_to(url, http, clock, version=version, access=app)
        crm = GoHighLevel(transport, location_id=LOCATION, version=version)
        yield Office(app, crm, vault, server[VENDOR], http, url, clock)


@pytest.mark.parametrize("kind", ["Location", "Company"])
@pytest.mark.parametrize("version", [FIRST, THIRD], ids=lambda each: each.header)
async def test_a_consent_opens_the_location_and_goes_on_for_days(tables: Pool, version: Version, kind: str):
    async with opened(tables, version) as office:
        with pytest.raises(NotConnected):
            await office.crm.pipelines()
        await office.connect(kind)
        for day in range(3):
            assert len(await office.crm.pipelines()) == 4
            assert office.vendor.tokens.refreshes == day
            office.clock.advance(DAY - 100)
        # Everything that was sent for a token is as the vendor's document says.
        violations = [
            said
            for request, _ in office.http.sent
            if "/oauth/" in request.url
            for said in against_the_document(request.url, request.headers, request.body, version)
        ]
        assert violations == []


def against_the_document(url: str, headers: object, body: object, version: Version) -> list[str]:
    name = "oauth.json" if version is FIRST else "v3/oauth-v3.json"
    if not DOCUMENTS.exists():
        pytest.skip("the vendor's documents are not here")
    spec = json.loads((DOCUMENTS / name).read_text())
    for schema in ("GetAccessCodebodyDto", "GetAccessTokenBodyDto", "GetLocationAccessCodeBodyDto"):
        if schema in spec["components"]["schemas"]:
            spec["components"]["schemas"][schema]["additionalProperties"] = False
    uri = (DOCUMENTS / name).as_uri()
    document = OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None, spec_base_uri=uri))
    assert isinstance(body, bytes)
    mock = MockRequest(
        "https://services.leadconnectorhq.com",
        "post",
        urlsplit(url).path,
        headers=dict(headers),  # type: ignore[call-overload]
        data=body,
        content_type="application/x-www-form-urlencoded",
    )
    document.validate_request(mock)
    known = spec["paths"][urlsplit(url).path]["post"]["requestBody"]["content"]
    schema = known["application/x-www-form-urlencoded"]["schema"]["$ref"].rpartition("/")[2]
    properties = spec["components"]["schemas"][schema]["properties"]
    return [name for name, _ in parse_qsl(body.decode()) if name not in properties]


async def test_many_in_two_processes_renew_once(tables: Pool):
    async with opened(tables) as office:
        await office.connect()
        office.clock.advance(DAY)
        others = [office.app, office.another()]
        got = await asyncio.gather(*(each.get() for each in others for _ in range(20)))
        assert (len(set(got)), office.vendor.tokens.refreshes) == (1, 1)


RACER = """
import asyncio, sys
from perfectcatch.kit.clock import SystemClock
from perfectcatch.kit.http import Http
from perfectcatch.store.pool import open_pool
from perfectcatch.store.tokens import SealedTokens
from perfectcatch.vendors.gohighlevel.oauth import App, AppTokens
from perfectcatch.vendors.gohighlevel.versions import FIRST

async def main(database, url, client, client_secret, location, secret):
    async with open_pool(database, max_size=4) as pool, Http() as http:
        vault = SealedTokens(pool, 7, "ghl", location, secret=secret)
        app = AppTokens(http=http, vault=vault, app=App(client_id=client, client_secret=client_secret),
                        location_id=location, api_url=url, version=FIRST, clock=SystemClock())
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(await app.get(), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_real_processes_renew_once(tables: Pool):
    async with opened(tables) as office:
        await office.connect()
        old = await office.kept()
        await office.vault.keep(
            Tokens(access=old.access, refresh=old.refresh, made_at=old.made_at, expires_at=old.made_at)
        )
        words = [tables.url, office.url, CLIENT_ID, CLIENT_SECRET, LOCATION, SECRET]
        racers = [
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                RACER,
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(2)
        ]
        for each in racers:
            assert each.stdout is not None
            assert (await each.stdout.readline()).strip() == b"ready"
        said = await asyncio.gather(*(each.communicate(b"\n") for each in racers))
        assert {out.strip().decode() for out, _ in said} == {(await office.kept()).access}
        assert office.vendor.tokens.refreshes == 1


async def test_a_token_that_ended_early_is_renewed_and_a_new_one_that_is_refused_is_not(tables: Pool):
    async with opened(tables) as office:
        await office.connect()
        await office.crm.pipelines()
        office.vendor.tokens.revoke()
        with pytest.raises(CredentialsRejected, match="consent again"):
            await office.crm.pipelines()  # it is seconds old: another one would be refused as well
        assert office.vendor.tokens.refreshes == 0
        office.clock.advance(120)
        other = office.another()
        assert await other.get()
        await office.crm.pipelines()
        assert office.vendor.tokens.refreshes == 1
        assert (
            await other.refused((await office.kept()).access) is True
        )  # what it holds is older than what is kept


async def test_a_missing_scope_renews_nothing(tables: Pool):
    async with opened(tables) as office:
        await office.connect()
        office.vendor.tokens.scopes = frozenset({"contacts.readonly"})
        office.clock.advance(600)
        for _ in range(3):
            with pytest.raises(Exception, match=r"lacks the scope opportunities\.readonly"):
                await office.crm.pipelines()
        assert (office.vendor.tokens.refreshes, len(office.vendor.calls)) == (0, 3)


async def test_what_ends_a_connection_is_for_a_person_and_is_not_asked_for_again(tables: Pool):
    async with opened(tables) as office:
        await office.connect()
        office.clock.advance(DAY)
        office.vendor.tokens.active = False
        for _ in range(3):
            with pytest.raises(AccountInactive):
                await office.crm.pipelines()
        assert sum("/oauth/" in request.url for request, _ in office.http.sent) == 2
        office.vendor.tokens.active = True
        office.clock.advance(61)
        await office.crm.pipelines()
        # A refresh token that somebody else has used is worth nothing.
        used = await office.kept()
        office.clock.advance(DAY)
        await office.crm.pipelines()
        await office.vault.keep(used)
        stranger = office.another()
        with pytest.raises(CredentialsRejected, match="consent again"):
            await stranger.get()
        await office.connect()
        assert await office.another().get() == (await office.kept()).access


async def test_consents_of_others_and_wrong_clients_are_refused(tables: Pool):
    async with opened(tables) as office:
        asked = office.app.consent_url(REDIRECT, "a-state")
        assert f"client_id={CLIENT_ID}" in asked
        assert "state=a-state" in asked
        code = office.vendor.tokens.authorize()
        office.vendor.tokens.location_id = "elsewhere"
        with pytest.raises(Refused, match="another location"):
            await office.app.connect(code, REDIRECT)
        assert await office.vault.read() is None
        with pytest.raises(CredentialsRejected):
            await office.app.connect(code, REDIRECT)  # it worked once
        wrong = app_tokens(office.http, office.vault, office.url, office.clock, FIRST, secret="wrong")
        with pytest.raises(CredentialsRejected, match="GHL_CLIENT_SECRET"):
            await wrong.connect(office.vendor.tokens.authorize(), REDIRECT)
        nobody = app_tokens(office.http, office.vault, "http://127.0.0.1:9", office.clock, FIRST)
        with pytest.raises(VendorUnavailable):
            await nobody.connect("x", REDIRECT)


async def test_what_lies_in_the_database_opens_nothing_without_the_key(tables: Pool):
    async with opened(tables) as office:
        await office.connect()
        kept = await office.kept()
        async with tables.connection() as connection:
            row = await (await connection.execute("select sealed from integrations.oauth_tokens")).fetchone()
            assert row is not None
            sealed = bytes(row[0])
            assert kept.access.encode() not in sealed
            assert (kept.refresh or "").encode() not in sealed
            # Copied to another company, and changed: neither opens.
            await connection.execute(
                "insert into integrations.oauth_tokens select 8, system, account, sealed, expires_at "
                "from integrations.oauth_tokens"
            )
            await connection.execute(
                "update integrations.oauth_tokens set sealed = %s where tenant_id = 7",
                (sealed[:-1] + bytes([sealed[-1] ^ 1]),),
            )
        for tenant, secret in ((7, SECRET), (8, SECRET), (8, "other")):
            with pytest.raises(NotConnected, match="SECRET_KEY"):
                await SealedTokens(tables, tenant, "ghl", LOCATION, secret=secret).read()
        assert kept.access not in repr(kept)
