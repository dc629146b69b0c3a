"""Tokens: one call for all, renewed in time, and no storm when the vendor refuses."""

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from aiohttp import web
from servicetitan_lab import HTML, SECRET, Bench, Lab, page, refused, says

from perfectcatch.errors import BadSetting, CredentialsRejected, VendorUnavailable
from perfectcatch.vendors.servicetitan.auth import Credentials, environment_hint
from perfectcatch.vendors.servicetitan.client import Client

INVALID = says({"error": "invalid_client"}, 400)


async def test_twenty_parallel_calls_take_one_token_call(client: Client, lab: Lab) -> None:
    await asyncio.gather(*(client.call("crm.customers.list") for _ in range(20)))
    assert len(lab.token_calls) == 1
    assert len(lab.api) == 20
    assert client.requests == 21


async def test_the_token_request_is_a_form(client: Client, lab: Lab) -> None:
    await client.call("crm.customers.list")
    seen = lab.token_calls[0]
    assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert seen.body == (
        b"grant_type=client_credentials&client_id=canary-client-id&client_secret=" + SECRET.encode()
    )
    assert lab.api[0].headers["Authorization"] == "Bearer canary-token-1"
    assert lab.api[0].headers["ST-App-Key"] == "canary-app-key"


async def test_a_token_may_come_as_something_created_and_its_lifetime_as_text(
    bench: Bench, client: Client, lab: Lab
) -> None:
    lab.accepted.add("another")
    lab.token_answers.append(says({"access_token": "another", "expires_in": "100"}, 201))
    await client.call("crm.customers.list")
    assert lab.api[0].headers["Authorization"] == "Bearer another"
    bench.clock.advance(90)
    await client.call("crm.customers.list")
    assert len(lab.token_calls) == 2


@pytest.mark.parametrize(("lifetime", "renewed_after"), [(900, 840), (100, 90), (10, 9), (0, 27)])
async def test_it_is_renewed_before_it_ends(
    bench: Bench, client: Client, lab: Lab, lifetime: float, renewed_after: float
) -> None:
    lab.expires_in = lifetime
    await client.call("crm.customers.list")
    bench.clock.skew(timedelta(days=1))  # the wall clock has no say
    bench.clock.advance(renewed_after - 1)
    await client.call("crm.customers.list")
    assert len(lab.token_calls) == 1
    bench.clock.advance(1)
    await client.call("crm.customers.list")
    assert len(lab.token_calls) == 2


async def test_a_401_renews_the_token_and_replays_once(client: Client, lab: Lab) -> None:
    await client.call("crm.customers.list")
    lab.accepted.clear()
    assert (await client.call("crm.customers.get", id=1))["data"] == [{"id": 1}]
    assert [seen.headers["Authorization"] for seen in lab.api[1:]] == [
        "Bearer canary-token-1",
        "Bearer canary-token-2",
    ]


async def test_twenty_calls_with_an_old_token_renew_it_once(client: Client, lab: Lab) -> None:
    await client.call("crm.customers.list")
    lab.accepted.clear()
    await asyncio.gather(*(client.call("crm.customers.list") for _ in range(20)))
    assert len(lab.token_calls) == 2


async def test_a_write_is_replayed_after_a_401(client: Client, lab: Lab) -> None:
    await client.call("crm.customers.list")
    lab.accepted.clear()
    await client.call("crm.customers.update", id=1, body={"name": "x"})
    assert [seen.body for seen in lab.api[1:]] == [b'{"name":"x"}'] * 2


async def test_a_fresh_token_refused_points_at_the_app_key(bench: Bench, client: Client, lab: Lab) -> None:
    lab.otherwise = says(None, 401)
    for _ in range(20):
        with pytest.raises(CredentialsRejected, match="SERVICE_TITAN_APP_KEY"):
            await client.call("crm.customers.list")
    assert bench.clock.monotonic() < 60
    assert len(lab.token_calls) < 5
    lab.otherwise = None
    await client.call("crm.customers.list")


async def test_the_same_token_given_again_and_again_points_at_the_app_key(client: Client, lab: Lab) -> None:
    lab.token_otherwise = says({"access_token": "canary-token-1", "expires_in": 900})
    for _ in range(20):
        with pytest.raises(CredentialsRejected, match="SERVICE_TITAN_APP_KEY"):
            await client.call("crm.customers.list")
    assert len(lab.token_calls) < 5


@pytest.mark.parametrize("said", ["inf", "nan", 1e300, "900"])
async def test_a_lifetime_that_is_none_ends_all_the_same(
    bench: Bench, client: Client, lab: Lab, said: object
) -> None:
    lab.token_otherwise = says({"access_token": "canary-token-1", "expires_in": said})
    lab.accepted = {"canary-token-1"}
    await client.call("crm.customers.list")
    bench.clock.advance(86_400)
    await client.call("crm.customers.list")
    assert len(lab.token_calls) == 2


async def test_who_waits_for_a_token_takes_his_turn_after_it(bench: Bench, client: Client, lab: Lab) -> None:
    """Else all whose slots passed meanwhile would go out together."""
    taken: list[bool] = []

    async def gives(_: web.Request) -> web.Response:
        taken.append(bool(bench.budget._meters))
        lab.accepted = {"canary-token-9"}
        return web.json_response({"access_token": "canary-token-9", "expires_in": 900})

    lab.token_answers.append(gives)
    await asyncio.gather(*(client.call("crm.customers.list") for _ in range(30)))
    assert (taken, len(lab.api)) == ([False], 30)


async def test_tokens_that_end_soon_are_renewed_as_often_but_never_in_a_storm(
    bench: Bench, client: Client, lab: Lab
) -> None:
    for number in range(25):
        await client.call("crm.customers.list")
        assert len(lab.token_calls) == number + 1
        lab.accepted.clear()
    assert bench.clock.monotonic() >= 120  # ten a minute


async def test_a_late_401_does_not_drop_the_newer_token(client: Client, lab: Lab) -> None:
    tokens = client._transport.tokens
    old = await tokens.get()
    assert tokens.invalidate(old)
    new = await tokens.get()
    assert tokens.invalidate(old)
    assert await tokens.get() == new
    assert len(lab.token_calls) == 2


async def test_answers_that_come_after_a_later_refusal_still_prove_a_token(client: Client) -> None:
    tokens = client._transport.tokens
    for _ in range(5):
        ended = await tokens.get()
        assert tokens.invalidate(ended)  # a call that was sent later was refused, and answered first
        tokens.accepted(ended)


@pytest.mark.parametrize("answer", [INVALID, says(b"no", 401), refused(403)])
async def test_refused_credentials_ask_a_person(client: Client, lab: Lab, answer: object) -> None:
    lab.token_otherwise = answer  # type: ignore[assignment]
    with pytest.raises(CredentialsRejected, match="SERVICE_TITAN_CLIENT_ID and SERVICE_TITAN_CLIENT_SECRET"):
        await client.call("crm.customers.list")
    assert not lab.api


async def test_refused_credentials_make_no_storm(bench: Bench, client: Client, lab: Lab) -> None:
    lab.token_otherwise = INVALID
    asked_at = []
    for second in range(3600):
        before = len(lab.token_calls)
        with pytest.raises(CredentialsRejected):
            await client.call("crm.customers.list", interactive=second % 2 == 0)
        if len(lab.token_calls) > before:
            asked_at.append(second)
        bench.clock.advance(1)
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses == [60, 120, 240, 480, 600, 600, 600, 600]
    lab.token_otherwise = None
    bench.clock.advance(600)
    await client.call("crm.customers.list")


async def test_twenty_calls_share_one_refusal(client: Client, lab: Lab) -> None:
    lab.token_otherwise = INVALID
    results = await asyncio.gather(
        *(client.call("crm.customers.list") for _ in range(20)), return_exceptions=True
    )
    assert {type(result) for result in results} == {CredentialsRejected}
    assert len(lab.token_calls) == 1


async def test_a_token_endpoint_in_trouble_is_tried_again(client: Client, lab: Lab) -> None:
    lab.token_answers.extend([says(None, 503), HTML, says({"no": "token"})])
    await client.call("crm.customers.list")
    assert len(lab.token_calls) == 4


async def test_a_throttled_token_endpoint_is_obeyed(bench: Bench, client: Client, lab: Lab) -> None:
    lab.token_answers.append(says(None, 429, Retry_After="7"))
    await client.call("crm.customers.list")
    assert 7 <= bench.clock.monotonic() <= 8


async def test_a_token_endpoint_that_counts_by_the_minute_is_waited_for(
    bench: Bench, client: Client, lab: Lab
) -> None:
    """Also where it says nothing of how long, or a whole minute."""
    lab.token_answers += [says(None, 429), says(None, 429, Retry_After="60")]
    await client.call("crm.customers.list")
    assert 75 <= bench.clock.monotonic() <= 77


async def test_a_date_is_a_second_later_than_it_says(bench: Bench, client: Client, lab: Lab) -> None:
    """It is read by the vendor's own Date, whatever our clock says."""
    there = bench.clock.now() + timedelta(days=1)
    dates = [format_datetime(there + timedelta(seconds=seconds), usegmt=True) for seconds in (0, 7)]
    lab.token_answers.append(says(None, 429, Date=dates[0], Retry_After=dates[1]))
    began = bench.clock.monotonic()
    await client.call("crm.customers.list")
    assert 8 <= bench.clock.monotonic() - began <= 9


async def test_a_wrong_token_address_names_its_setting(client: Client, lab: Lab) -> None:
    lab.token_otherwise = HTML
    with pytest.raises(VendorUnavailable, match="SERVICE_TITAN_AUTH_URL") as caught:
        await client.call("crm.customers.list")
    assert "jane@example.com" not in str(caught.value)


async def test_giving_up_one_call_leaves_the_token_to_the_others(client: Client, lab: Lab) -> None:
    first = asyncio.create_task(client.call("crm.customers.list"))
    second = asyncio.create_task(client.call("crm.customers.list"))
    while not lab.token_calls:  # noqa: ASYNC110
        await asyncio.sleep(0)
    first.cancel()
    await second
    assert len(lab.token_calls) == 1


async def test_the_token_lasts_through_a_long_backoff(bench: Bench, client: Client, lab: Lab) -> None:
    lab.say(says(None, 503, Retry_After="290"))
    lab.expires_in = 60
    await client.call("crm.customers.list")
    assert len(lab.token_calls) == 2
    assert bench.clock.monotonic() >= 290


@pytest.mark.parametrize(
    ("auth", "api", "words"),
    [
        ("auth.servicetitan.io", "api.servicetitan.io", "made in integration do not work"),
        ("auth-integration.servicetitan.io", "api-integration.servicetitan.io", "made in production do not"),
        ("127.0.0.1:1", "127.0.0.1:2", "copy both again"),
    ],
)
def test_the_hint_about_environments(auth: str, api: str, words: str) -> None:
    assert words in environment_hint(f"https://{auth}/connect/token", f"https://{api}")


@pytest.mark.parametrize(
    ("auth", "api", "words"),
    [
        ("auth.servicetitan.io", "api-integration.servicetitan.io", "AUTH_URL is the production environment"),
        ("auth-integration.servicetitan.io", "api.servicetitan.io", "API_URL the production one"),
    ],
)
def test_addresses_of_two_environments_are_refused_at_once(auth: str, api: str, words: str) -> None:
    with pytest.raises(BadSetting, match=words):
        environment_hint(f"https://{auth}/connect/token", f"https://{api}")


def test_credentials_show_nothing() -> None:
    shown = repr(Credentials(client_id="canary-a", client_secret="canary-b", app_key="canary-c", tenant_id=1))
    assert "canary" not in shown


async def test_pages_still_come_when_the_token_ends_between_them(client: Client, lab: Lab) -> None:
    lab.say(page({"id": 1}, more=True))
    found = []
    async for record in client.records("crm.customers.list"):
        found.append(record["id"])
        lab.accepted.clear()
        lab.otherwise = page({"id": 2})
    assert found == [1, 2]
