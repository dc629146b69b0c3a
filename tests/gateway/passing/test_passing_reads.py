"""Reads through the gateway: arguments, headers, faults of the vendor, the cache, streams."""

import asyncio
import gzip
import json
import tracemalloc
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from passing_lab import Lab, problem

CANARY = "canary-4711"


def says(status: int, body: bytes = b"{}", **headers: str) -> Any:
    async def act(_: web.Request, __: Handler) -> web.Response:
        return web.Response(
            status=status,
            body=body,
            headers={"Content-Type": "application/json"}
            | {k.replace("_", "-"): v for k, v in headers.items()},
        )

    return act


def vendors_problem(status: int) -> bytes:
    return json.dumps(
        {"type": "x", "title": "No", "status": status, "traceId": "00-abc", "errors": {"name": ["is bad"]}}
    ).encode()


async def test_an_answer_is_the_vendors_byte_for_byte(lab: Lab):
    customer = lab.some("crm.customers")
    answer = await lab.ask("GET", f"/st/crm/customers/{customer['id']}", key="reader")
    assert answer.status_code == 200
    assert answer.json()["name"] == customer["name"]
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("jobStatu=Done", "did you mean jobStatus"),
        ("page=x", "takes a whole number"),
        ("pageSize=5001", "from 1 to 5000"),
        ("page=1&page=2", "takes a whole number"),
        ("modifiedOnOrAfter=yesterday", "a moment"),
        ("tenant=7", "no argument tenant"),
        ("dry_run=perhaps", "dry_run is true or false"),
    ],
)
async def test_wrong_arguments_are_named(lab: Lab, query: str, sentence: str):
    answer = await lab.ask("GET", f"/jobs?{query}")
    assert answer.status_code == 422
    assert sentence in problem(answer)["detail"]
    assert lab.fault.sent == []


async def test_what_is_missing_is_named(lab: Lab):
    answer = await lab.ask("GET", "/customers/contacts")
    assert answer.status_code == 422
    assert "modifiedOnOrAfter" in problem(answer)["detail"]
    answer = await lab.ask("GET", "/dispatch/capacity?startsOnOrAfter=2026-11-26T00:00:00Z")
    assert "endsOnOrBefore" in problem(answer)["detail"]


async def test_objects_and_lists_reach_the_vendor_as_it_spells_them(lab: Lab):
    await lab.ask(
        "GET", "/st/accounting/ap-bills?customField.Fields.Colour=red&statuses=reconciled&statuses=Canceled"
    )
    query = lab.fault.sent[-1].rel_url.query
    assert query.getall("statuses") == ["Reconciled", "Canceled"]
    assert query["customField.Fields.Colour"] == "red"


async def test_only_our_own_headers_reach_the_vendor(lab: Lab):
    await lab.ask(
        "GET",
        "/st/crm/customers?pageSize=1",
        headers={
            "Connection": "X-Private, keep-alive",
            "X-Private": CANARY,
            "Cookie": CANARY,
            "ST-App-Key": CANARY,
            "X-Forwarded-For": CANARY,
            "X-Forwarded-Host": CANARY,
            "Forwarded": CANARY,
            "Proxy-Authorization": CANARY,
            "TE": "trailers",
            "Upgrade": "h2c",
        },
    )
    sent = lab.fault.sent[-1].headers
    assert {name.lower() for name in sent} == {
        "host", "authorization", "st-app-key", "accept", "accept-encoding", "user-agent",
    }  # fmt: skip
    assert CANARY not in str(dict(sent))
    assert "writer" not in sent["Authorization"]


async def test_only_harmless_headers_come_back(lab: Lab):
    lab.fault.act = says(
        200, Set_Cookie=CANARY, Server=CANARY, X_Powered_By=CANARY, WWW_Authenticate=CANARY, ETag='"7"'
    )
    answer = await lab.ask("GET", "/st/crm/customers/7")
    assert CANARY not in str(answer.headers)
    assert answer.headers["etag"] == '"7"'
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("status", [400, 404, 409, 422])
async def test_refusals_of_the_vendor_are_passed_on(lab: Lab, status: int):
    lab.fault.act = says(status, vendors_problem(status))
    answer = await lab.ask("GET", "/st/crm/customers/7")
    assert answer.status_code == status
    told = problem(answer)
    assert told["traceId"] == "00-abc"
    assert told["errors"] == {"name": ["is bad"]}
    assert len(lab.fault.sent) == 1


async def test_a_missing_permission_of_our_app_is_403_and_a_bad_token_never_401(lab: Lab):
    lab.fault.act = says(403, vendors_problem(403))
    answer = await lab.ask("GET", "/st/crm/customers/7")
    assert answer.status_code == 403
    assert "tn.crm.customers:r" in problem(answer)["detail"]
    lab.fault.act = says(401, vendors_problem(401))
    answer = await lab.ask("GET", "/st/crm/customers/7")
    assert answer.status_code == 503
    assert "SERVICE_TITAN_APP_KEY" in problem(answer)["detail"]


@pytest.mark.parametrize(("told", "status"), [(500, 502), (502, 502), (503, 503), (504, 504)])
async def test_a_broken_vendor_is_asked_again_and_then_told(lab: Lab, told: int, status: int):
    lab.fault.act = says(told, b"<html>no</html>")
    answer = await lab.ask("GET", "/st/crm/customers/7")
    assert answer.status_code == status
    assert problem(answer)["vendor_status"] == told
    assert len(lab.fault.sent) == 4
    assert "Retry-After" in answer.headers


async def test_a_vendor_that_recovers_is_not_noticed(lab: Lab):
    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request) if len(lab.fault.sent) > 2 else web.Response(status=500)

    lab.fault.act = act
    assert (await lab.ask("GET", f"/st/crm/customers/{lab.some('crm.customers')['id']}")).status_code == 200


async def test_a_slow_vendor_costs_a_deadline(hasty_lab: Lab):
    async def act(_: web.Request, __: Handler) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    hasty_lab.fault.act = act
    answer = await hasty_lab.ask("DELETE", "/st/pricebook/services/7")
    assert answer.status_code == 504
    assert problem(answer)["outcome"] == "unknown"


async def test_no_secret_is_ever_told(lab: Lab):
    async def act(request: web.Request, _: Handler) -> web.Response:
        return web.Response(status=400, text=str(dict(request.headers)))

    lab.fault.act = act
    answer = await lab.ask("GET", "/st/crm/customers/7")
    sent = lab.fault.sent[-1].headers
    token = sent["Authorization"].removeprefix("Bearer ")
    assert token not in answer.text
    assert sent["ST-App-Key"] not in answer.text


# Files -------------------------------------------------------------------------------------------


async def test_a_redirect_to_a_file_is_handed_on(lab: Lab):
    lab.fault.act = says(302, b"", Location="https://files.example.com/a?sig=1")
    answer = await lab.ask("GET", "/st/forms/jobs/attachment/7", follow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://files.example.com/a?sig=1"
    assert answer.headers["cache-control"] == "no-store"
    lab.fault.act = says(302, b"", Location="javascript:alert(1)")
    assert (await lab.ask("GET", "/st/forms/jobs/attachment/7")).status_code == 502
    lab.fault.act = says(302, b"", Location="https://elsewhere.example.com")
    assert (await lab.ask("GET", "/st/crm/customers/7")).status_code == 502


async def test_a_file_is_no_page_of_ours(lab: Lab):
    lab.fault.act = says(200, b"<script>1</script>", Content_Type="text/html")
    answer = await lab.ask("GET", "/st/telecom/calls/7/recording")
    assert answer.content == b"<script>1</script>"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("compressed", [False, True])
async def test_60_megabytes_pass_in_bounded_memory(lab: Lab, compressed: bool):
    piece = bytes(range(256)) * 4096

    async def act(request: web.Request, _: Handler) -> web.StreamResponse:
        headers = {"Content-Type": "audio/mpeg"} | ({"Content-Encoding": "gzip"} if compressed else {})
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        for _ in range(60):
            await response.write(gzip.compress(piece, 1) if compressed else piece)
        return response

    lab.fault.act = act
    got, started = 0, {}

    async def send(message: Any) -> None:
        nonlocal got
        got += len(message.get("body", b""))
        started.update(message if "status" in message else {})

    tracemalloc.start()
    try:
        await lab.app(scope("/st/telecom/calls/7/recording"), never, send)
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
    assert started["status"] == 200
    assert got == 60 * len(piece)


async def test_a_caller_that_goes_away_ends_the_stream(lab: Lab):
    gone, pieces = asyncio.Event(), []

    async def act(request: web.Request, _: Handler) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(bytes(1 << 20))
        return response

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pieces.append(message)
        if len(pieces) > 3:
            gone.set()
            await asyncio.sleep(0)

    lab.fault.act = act
    await lab.app(scope("/st/telecom/calls/7/recording"), receive, send)
    assert sum(len(each.get("body", b"")) for each in pieces) < 100 << 20


async def test_a_stream_that_breaks_is_not_ended_as_if_it_were_whole(lab: Lab):
    async def act(request: web.Request, _: Handler) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(5 << 20)})
        await response.prepare(request)
        await response.write(bytes(1 << 20))
        assert request.transport is not None
        request.transport.abort()
        return response

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    lab.fault.act = act
    await lab.app(scope("/st/telecom/calls/7/recording"), never, send)
    assert sent[0]["status"] == 200
    assert sent[-1]["more_body"]


def scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer reader")],
    }


async def never() -> Any:
    await asyncio.Event().wait()


# The cache ---------------------------------------------------------------------------------------

LIST = "/st/settings/business-units"


async def test_a_reference_list_is_kept_for_a_while_and_says_how_old_it_is(lab: Lab):
    first = await lab.ask("GET", LIST)
    assert first.headers["age"] == "0"
    lab.clock.advance(12)
    second = await lab.ask("GET", LIST, key="reader")
    assert second.content == first.content
    assert second.headers["age"] == "12"
    assert second.headers["cache-control"] == "private, max-age=18"
    assert len(lab.fault.sent) == 1
    assert (await lab.ask("GET", LIST, headers={"Cache-Control": "no-cache"})).headers["age"] == "0"
    assert len(lab.fault.sent) == 2
    lab.clock.advance(31)
    await lab.ask("GET", LIST)
    assert len(lab.fault.sent) == 3


async def test_other_questions_and_other_rows_are_not_kept(lab: Lab):
    await lab.ask("GET", f"{LIST}?pageSize=1")
    await lab.ask("GET", f"{LIST}?pageSize=2")
    for _ in range(2):
        assert "age" not in (await lab.ask("GET", "/st/crm/customers?pageSize=1")).headers
    assert len(lab.fault.sent) == 4


async def test_a_kept_answer_still_needs_a_key(lab: Lab):
    await lab.ask("GET", LIST)
    assert (await lab.ask("GET", LIST, key=None)).status_code == 401


async def test_a_write_makes_its_module_be_asked_again(lab: Lab):
    types = "/st/settings/tag-types"
    await lab.ask("GET", types)
    await lab.ask("POST", types, json={"name": "New", "color": "#fff"})
    await lab.ask("GET", types)
    assert [request.method for request in lab.fault.sent] == ["GET", "POST", "GET"]


async def test_refusals_are_not_kept(lab: Lab):
    lab.fault.act = says(404, vendors_problem(404))
    assert (await lab.ask("GET", LIST)).status_code == 404
    lab.fault.act = None
    assert (await lab.ask("GET", LIST)).status_code == 200


async def test_twenty_who_ask_the_same_at_once_are_one_question(lab: Lab):
    gate = asyncio.Event()

    async def act(request: web.Request, handler: Handler) -> web.StreamResponse:
        await gate.wait()
        return await handler(request)

    lab.fault.act = act
    asking = [asyncio.create_task(lab.ask("GET", "/jobs?pageSize=5")) for _ in range(20)]
    await lab.fault.came(1)
    apart = asyncio.create_task(lab.ask("GET", "/jobs?pageSize=5", headers={"Cache-Control": "no-cache"}))
    await lab.fault.came(2)
    gate.set()
    answers = await asyncio.gather(*asking, apart)
    assert len(lab.fault.sent) == 2
    assert len({answer.content for answer in answers}) == 1


async def test_a_fault_is_told_to_all_who_asked(lab: Lab):
    lab.fault.act = says(400, vendors_problem(400))
    answers = await asyncio.gather(*(lab.ask("GET", "/jobs?pageSize=5") for _ in range(5)))
    assert [answer.status_code for answer in answers] == [400] * 5
