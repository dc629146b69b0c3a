"""The load of ``test_storm``, a process of its own: ``storm_load.py`` with its plan as JSON on stdin.

An open loop: each webhook leaves at its planned moment, however slow the answers to those before are, and its
latency is counted from that moment. One that was not taken is sent again, as vendors do. Printed is one JSON
object: how many answers of each status there were, milliseconds of each that was taken, how often each was
taken, and for how many seconds it went on.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import aiohttp

_EARLIER = 0.5  # seconds by which the vendor has changed a record before it tells so
_AGAIN = 1.0  # seconds until it is sent again, twice as many each time
_TRIES = 12


class Storm:
    """``plan``: address, hooks a second, and the hooks with the edit at the vendor that comes before."""

    def __init__(self, plan: dict[str, Any], http: aiohttp.ClientSession) -> None:
        self.plan, self.http = plan, http
        self.statuses: Counter[int] = Counter()
        self.taken = [0] * len(plan["hooks"])
        self.milliseconds: list[float] = []

    async def run(self) -> dict[str, Any]:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, hook in enumerate(self.plan["hooks"]):
                due = began + _EARLIER + number / self.plan["per_second"]
                await asyncio.sleep(max(0.0, due - _EARLIER - time.monotonic()))
                group.create_task(self.send(number, hook, due))
        return {
            "statuses": self.statuses,
            "milliseconds": self.milliseconds,
            "taken": self.taken,
            "seconds": time.monotonic() - began,
        }

    async def send(self, number: int, hook: dict[str, Any], due: float) -> None:
        if hook["edit"]:
            async with self.http.post(f"{self.plan['vendor']}/_sandbox/edit", json=hook["edit"]) as edited:
                edited.raise_for_status()
            due = max(due, time.monotonic())  # the vendor's own slowness is not the server's
        for attempt in range(_TRIES):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            status = await self.post(hook)
            self.statuses[status] += 1
            if status == 200:
                self.milliseconds.append((time.monotonic() - due) * 1000)
                self.taken[number] += 1
                return
            due = time.monotonic() + min(60.0, _AGAIN * 2**attempt)

    async def post(self, hook: dict[str, Any]) -> int:
        """The status; 0 where no answer came."""
        url = self.plan["url"] + hook["path"]
        try:
            async with self.http.post(url, data=hook["body"].encode(), headers=hook["headers"]) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0


async def main() -> None:
    plan = json.load(sys.stdin)
    limits = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=limits, timeout=aiohttp.ClientTimeout(30)) as http:
        told = await Storm(plan, http).run()
    sys.stdout.write(json.dumps(told))


asyncio.run(main())
