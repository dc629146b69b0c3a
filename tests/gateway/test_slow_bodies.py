"""A body that does not come: 408 from every kind of route, and the connection is closed."""

import asyncio
from typing import Any

import pytest
from office import Office
from starlette.types import Message

from perfectcatch.gateway.patience import Patient


async def asked(office: Office, path: str, *pieces: bytes, pause: float = 0.0) -> tuple[int, dict[str, str]]:
    """Send ``pieces`` of a body that never ends."""
    patient = Patient(office.app.behind, silence_seconds=0.2, whole_seconds=0.5)  # type: ignore[attr-defined]
    coming = iter(pieces)
    sent: list[Message] = []

    async def receive() -> Message:
        piece = next(coming, None)
        if piece is None:
            await asyncio.Event().wait()
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    authorization = office.http.headers["authorization"].encode()
    scope: dict[str, Any] = {
        "type": "http",
        "app": office.app,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", authorization), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("office", 80),
    }
    async with asyncio.timeout(30):
        await patient(scope, receive, send)
    start = sent[0]
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}


@pytest.mark.parametrize("path", ["/api/opt-outs", "/api/messages", "/db/jobs/upsert"])
async def test_a_body_that_does_not_come_is_408(library: Office, path: str) -> None:
    status, headers = await asked(library, path, b"[")
    assert (status, headers["connection"]) == (408, "close")
    assert headers["content-type"] == "application/problem+json"


async def test_a_body_that_comes_byte_by_byte_is_too(library: Office) -> None:
    status, _ = await asked(library, "/db/jobs/upsert", *[b" "] * 100, pause=0.1)
    assert status == 408
