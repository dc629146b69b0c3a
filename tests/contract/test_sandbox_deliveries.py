"""Faults of the way, on a real socket: what the product's own client meets is what the fault is called."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from perfectcatch.errors import VendorUnavailable
from perfectcatch.kit.http import Deadlines, Http, Request, Response
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.server import serving

CUSTOMERS = "/crm/v2/tenant/{tenant}/customers?pageSize=200"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asker() -> AsyncIterator["Asker"]:
    options = Options(customers=60, rate=1e9)
    async with (
        serving("127.0.0.1", 0, options) as address,
        Http(deadlines=Deadlines(between_bytes=0.3)) as http,
    ):
        secrets = {"client_id": address.client_id, "client_secret": address.client_secret}
        form = urlencode({"grant_type": "client_credentials", **secrets})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        token = await http.send(
            Request(method="POST", url=f"{address.url}/connect/token", headers=headers, body=form.encode())
        )
        asker = Asker(http, address.url, options)
        asker.headers = {
            "Authorization": "Bearer " + json.loads(token.body)["access_token"],
            "ST-App-Key": address.app_key,
        }
        yield asker


class Asker:
    headers: dict[str, str]

    def __init__(self, http: Http, url: str, options: Options) -> None:
        self.http, self.url, self.tenant = http, url, options.tenant_id

    async def get(self, **more: Any) -> Response:
        url = self.url + CUSTOMERS.format(tenant=self.tenant)
        return await self.http.send(Request(method="GET", url=url, headers=self.headers, **more))

    async def fault(self, kind: str, **facts: Any) -> None:
        for name, body in (("faults/clear", {}), ("faults", {"kind": kind, **facts})):
            url = f"{self.url}/_sandbox/{name}"
            answer = await self.http.send(Request(method="POST", url=url, body=json.dumps(body).encode()))
            assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        ("cut", {"at": 100.0}, "broke off its answer"),
        ("cut", {"at": 0.5}, "broke off its answer"),
        ("cut", {"at": 0.0}, "broke off its answer"),
        ("reset", {}, "the connection to"),
        ("reset", {"at": 0.5}, "broke"),
        ("stalled", {}, "fell silent for 0.3 s"),
        ("stalled", {"at": 0.0}, "fell silent for 0.3 s"),
        ("broken-gzip", {}, "compressed answer"),
        ("cut-gzip", {}, "broke off its compressed answer"),
        ("gzip-bomb", {"bytes": 500_000_000}, "gave more than the limit of 209715200 bytes"),
    ],
)
async def test_what_does_not_come_whole_is_an_error(
    asker: Asker, kind: str, facts: dict[str, Any], words: str
) -> None:
    await asker.fault(kind, times=1, **facts)
    with pytest.raises(VendorUnavailable, match=words):
        await asker.get()
    assert (await asker.get()).status == 200


async def test_a_cut_that_nobody_can_see_by_length(asker: Asker) -> None:
    await asker.fault("cut", at=0.5, announced=False)
    with pytest.raises(VendorUnavailable):
        await asker.get()


async def test_a_slow_answer_is_whole(asker: Asker) -> None:
    await asker.fault("slow", seconds=0.5, times=1)
    slow = await asker.get()
    quick = await asker.get()
    assert slow.body == quick.body
    assert slow.seconds >= 0.5 > quick.seconds


async def test_a_drip_looks_alive_and_ends_at_the_total_deadline(asker: Asker) -> None:
    await asker.fault("drip", piece=100, pause=0.05)
    with pytest.raises(VendorUnavailable, match=r"did not finish its answer within \d+ s"):
        await asker.get(total_seconds=1.0)


async def test_a_wrong_content_type_is_no_wrong_answer(asker: Asker) -> None:
    await asker.fault("content-type", times=1)
    answer = await asker.get()
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.body == (await asker.get()).body
