"""``/r/{token}``: a person's visit is told, a program's look is not, and nobody is led elsewhere."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
from office import Office, open_office
from test_instance_routes import ASKS, NOW, TRIGGER

from perfectcatch.model.workflow import Mode, Start, Verdict
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import definitions, instances
from perfectcatch.workflows import links
from perfectcatch.workflows.definitions import parse

TENANTS = count(4800)
ASKS_REVIEW = (
    ASKS.replace("name: asks", "name: reviews").split("steps:")[0]
    + """
settings: {review_link: "https://reviews.example/us"}
templates: {ask: {channel: sms, body: "{{ settings.review_link }}"}}
steps:
  - {id: may, kind: sms, template: ask, tracks: review_link}
"""
)
BROWSER = {
    "Authorization": "",
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile Safari/604.1",
    "Accept": "text/html,application/xhtml+xml",
}
PROGRAMS = [
    {"User-Agent": "facebookexternalhit/1.1 Facebot Twitterbot/1.0"},
    {"User-Agent": "python-requests/2.32"},
    {"User-Agent": ""},
    {"Accept": "*/*"},
    {"Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"X-Moz": "prefetch"},
    {"Sec-Fetch-Dest": "image"},
]


@pytest.fixture
async def office(filled: str) -> AsyncIterator[Office]:
    async with open_office(filled, tenant=next(TENANTS), start=NOW) as opened:
        yield opened


async def asked(office: Office) -> str:
    """The link of somebody who was asked."""
    tenant, definition = office.tenant, parse(ASKS_REVIEW)
    async with transaction(office.pool) as connection:
        kept = await definitions.put(
            connection, tenant, definition, mode=Mode.LIVE, source="imported", by="test"
        )
        instance_id = await instances.begin(
            connection,
            tenant,
            definition_id=kept,
            workflow="reviews",
            start=Start(verdict=Verdict.START, reason="started", sentence="It starts.", key="customer-7"),
            customer_id=7,
            shadow=False,
            status=instances.RUNNING,
            priority=50,
            step="may",
            trigger=TRIGGER,
            parent_id=None,
            now=NOW,
        )
    return f"/r/{links.token('s' * 40, tenant, instance_id)}"


async def told(office: Office) -> int:
    return len((await office.get("/api/events?type=review_opened"))["data"])


async def test_programs_look_and_a_person_counts_once(office: Office) -> None:
    link = await asked(office)
    for changed in PROGRAMS:
        answer = await office.http.get(link, headers=BROWSER | changed)
        assert (answer.status_code, answer.headers["location"]) == (302, "https://reviews.example/us")
        assert await told(office) == 0, changed
    head = await office.http.head(link, headers=BROWSER)
    assert (head.status_code, await told(office)) == (302, 0)
    for _ in range(2):
        answer = await office.http.get(link, headers=BROWSER)
        assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
    assert await told(office) == 1


async def test_a_forged_link_leads_nowhere(office: Office) -> None:
    link = await asked(office)
    last = "A" if link[-1] != "A" else "B"
    for forged in (link[:-1] + last, f"/r/1{link[3:]}", "/r/x", f"{link}?to=https://evil.example"):
        answer = await office.http.get(forged, headers=BROWSER)
        assert answer.headers.get("location", "https://reviews.example/us") == "https://reviews.example/us"
        assert (answer.status_code == 404) is ("?" not in forged)
    assert (await office.http.post(link, headers=BROWSER)).status_code in (404, 405)
