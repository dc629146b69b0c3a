"""What the CRM tells: signed, recent and once, stored before it is answered, put off where it cannot be."""

import asyncio
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from office import Office, open_office

from perfectcatch.errors import BadSetting, Refused
from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.http import Request, Response
from perfectcatch.model.webhook import Hint
from perfectcatch.sandbox.gohighlevel.account import LOCATION
from perfectcatch.sandbox.gohighlevel.telling import HEADER, Teller
from perfectcatch.store import inbox
from perfectcatch.vendors.gohighlevel.webhooks import Happenings
from perfectcatch.vendors.servicetitan.entities import BY_NAME

TENANTS = count(9400)
TARGET = "/webhooks/ghl"
CONTACT = {"id": "c1", "type": "lead", "locationId": LOCATION, "email": "ann@example.com"}
CLOCK = FakeClock()  # at the moment at which every office begins
TELLER = Teller(CLOCK)


class Impatient(Happenings):
    """Gives the database a moment only."""

    @property
    def patience(self) -> float | None:
        return 0.2


def happenings(**more: Any) -> Happenings:
    return Impatient(**{"public_key": TELLER.public_key, "location_id": LOCATION, **more})


@pytest.fixture
async def wired(filled: str) -> AsyncIterator[Office]:
    ours = happenings()
    async with open_office(filled, tenant=next(TENANTS), webhooks={ours.name: ours}) as office:
        yield office


def told(what: str = "ContactUpdate", record: dict[str, Any] | None = None, **more: Any) -> bytes:
    return msgspec.json.encode(TELLER.envelope(what, record or CONTACT) | more)


async def post(office: Office, body: bytes, headers: dict[str, str] | None = None) -> int:
    answer = await office.http.post(TARGET, content=body, headers=headers or TELLER.signed(body))
    return answer.status_code


async def stored(office: Office) -> list[Any]:
    query = "select event_type, hints, times, state from automation.webhooks where tenant_id = %s order by id"
    return await office.rows(query, office.tenant)


async def test_a_happening_is_stored_once_and_waits_for_whoever_looks_after_deals(wired: Office):
    body = told()
    other = told("OpportunityStageUpdate", {"id": "o1", "locationId": LOCATION})
    assert [await post(wired, each) for each in (body, body, other)] == [200, 200, 200]
    assert await stored(wired) == [
        ("ContactUpdate", [{"entity": "contact", "st_id": "c1"}], 2, "waiting"),
        ("OpportunityStageUpdate", [{"entity": "opportunity", "st_id": "o1"}], 1, "waiting"),
    ]
    # Whoever reads the mirror's records, and whoever looks after messages, leaves them alone.
    assert await inbox.claim(wired.pool, wired.tenant, BY_NAME) == []
    assert await inbox.claim_of_messages(wired.pool, wired.tenant) == []


async def test_what_is_of_another_location_or_of_no_record_of_ours_is_kept_and_ignored(wired: Office):
    for body in (
        told(locationId="elsewhere"),
        told("NoteCreate"),
        told("AppInstall"),
        told(id=7),
        told(type=1),
    ):
        assert await post(wired, body) == 200
    assert {row[3] for row in await stored(wired)} == {"ignored"}


async def test_forged_unsigned_and_stale_ones_are_refused_and_nothing_is_stored(wired: Office):
    body = told()
    other = Ed25519PrivateKey.generate()
    late = (CLOCK.now() - timedelta(minutes=5, seconds=1)).isoformat()
    early = (CLOCK.now() + timedelta(minutes=5, seconds=1)).isoformat()
    forged: list[tuple[bytes, dict[str, str]]] = [
        (body, {"Content-Type": "application/json"}),
        (body, {HEADER: ""}),
        (body, {HEADER: "no base64"}),
        (body, {HEADER: b64encode(other.sign(body)).decode()}),
        (body + b" ", TELLER.signed(body)),
        (body, {"X-WH-Signature": TELLER.signed(body)[HEADER]}),
    ]
    forged += [
        (each, TELLER.signed(each))
        for each in (told(timestamp=late), told(timestamp=early), told(timestamp=None), b"[]", b"\xff", b"")
    ]
    draw = random.Random(5)
    for _ in range(60):
        changed = bytearray(body)
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
        forged.append((bytes(changed), TELLER.signed(body)))
    for each, headers in forged:
        assert await post(wired, each, headers) == 401
    assert await stored(wired) == []


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_nothing_is_accepted(key: str | None):
    body = told()
    headers = {HEADER.lower(): TELLER.signed(body)[HEADER]}
    assert not happenings(public_key=key).verify(headers, body, CLOCK.now())
    assert happenings().verify(headers, body, CLOCK.now())


OTHER_KIND = b64encode(
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


@pytest.mark.parametrize("key", ["x", "AAAA", b64encode(b"0" * 31).decode(), OTHER_KIND])
def test_what_is_no_key_is_refused_at_the_start(key: str):
    with pytest.raises(BadSetting, match=r"^GHL_WEBHOOK_PUBLIC_KEY is no public key"):
        happenings(public_key=key)


def test_the_key_may_come_in_every_form_that_settings_show():
    body, der = told(), TELLER.public_key
    headers = {HEADER.lower(): TELLER.signed(body)[HEADER]}
    pem = f"-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n"
    raw = b64encode(TELLER.key.public_key().public_bytes_raw()).decode()
    for key in (der, pem, raw):
        assert happenings(public_key=key).verify(headers, body, CLOCK.now())
    inside = msgspec.json.encode({"type": "ContactCreate", "data": CONTACT})
    assert happenings().read({}, inside).hints == (Hint("contact", "c1"),)


async def test_what_cannot_be_stored_is_put_off_and_taken_when_it_comes_back(wired: Office):
    """The vendor brings a webhook again after 429 alone, and long after its moment."""
    teller = Teller(wired.clock, url="http://office" + TARGET, key=TELLER.key)
    statuses: list[int] = []

    async def send(request: Request) -> Response:
        assert isinstance(request.body, bytes)
        statuses.append(await post(wired, request.body, dict(request.headers)))
        return Response(status=statuses[-1], headers={}, body=b"", seconds=0.0)

    teller.happened("ContactUpdate", CONTACT)
    async with wired.pool.connection() as other, other.transaction():
        await other.execute("lock table automation.webhooks in access exclusive mode")
        await teller.bring(send)
        storing = wired.gateway.post.intake._storing
        if storing is not None:
            await asyncio.wait([storing])  # whoever stores has given up as well
    assert (statuses, await stored(wired), teller.waiting) == ([429], [], 1)
    await teller.bring(send)
    assert statuses == [429]  # its time has not come
    wired.clock.advance(700)
    stranger = msgspec.json.encode(TELLER.envelope("ContactUpdate", CONTACT))
    assert await post(wired, stranger) == 401  # as old as the other, and never put off
    await teller.bring(send)
    assert (statuses, teller.waiting) == ([429, 200], 0)
    [row] = await stored(wired)
    assert row[0] == "ContactUpdate"
    # A refusal that is no 429 is final, as with the vendor.
    teller.happened("ContactUpdate", CONTACT)
    teller.url = "http://office/webhooks/nobody"
    teller.key = Ed25519PrivateKey.generate()
    await teller.bring(send)
    assert (statuses[-1], teller.waiting) == (401, 0)
    await asyncio.sleep(0)


class App:
    """Our app at the CRM."""

    def __init__(self) -> None:
        self.codes: list[tuple[str, str]] = []

    account = "a-location"

    def consent_url(self, redirect_uri: str, state: str) -> str:
        return f"https://crm.example/consent?back={redirect_uri}&state={state}"

    async def connect(self, code: str, redirect_uri: str) -> None:
        if code == "of-another":
            raise Refused("The consent is for another location.")
        self.codes.append((code, redirect_uri))


async def test_an_owner_lets_our_app_in(filled: str):
    app = App()
    back = "https://office.example/crm/connected"
    async with open_office(filled, tenant=next(TENANTS), crm_app=app) as office:
        stranger = {"Authorization": ""}

        async def begun() -> str:
            said = await office.get("/crm/connect")
            assert said["redirect_uri"] == back
            head, _, state = said["url"].partition("&state=")
            assert head == f"https://crm.example/consent?back={back}"
            return str(state)

        async def comes(code: str, state: str) -> int:
            answer = await office.http.get(f"/crm/connected?code={code}&state={state}", headers=stranger)
            assert answer.status_code != 200 or answer.headers["cache-control"] == "no-store"
            return answer.status_code

        state = await begun()
        assert await comes("abc", "made-up") == 403
        assert app.codes == []
        assert await comes("abc", state) == 200
        assert app.codes == [("abc", back)]
        assert await comes("abc", state) == 403  # once
        old = await begun()
        office.clock.advance(31 * 60)
        assert await comes("abc", old) == 403
        of_before = await begun()
        app.account = "another-location"
        assert await comes("abc", of_before) == 403
        assert app.codes == [("abc", back)]
        for path in ("/crm/connected", "/crm/connected?code=abc"):
            assert (await office.http.get(path, headers=stranger)).status_code == 422
        assert await comes("of-another", await begun()) == 422
        read = {"Authorization": f"Bearer {await office.key('read')}"}
        assert (await office.http.get("/crm/connect", headers=read)).status_code == 403
    async with open_office(filled, tenant=next(TENANTS)) as office:
        for path in ("/crm/connect", "/crm/connected?code=abc&state=x"):
            await office.get(path, 409)
