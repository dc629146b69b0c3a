"""A body that is refused is heard out first: who is cut off while he sends sees no answer."""

import asyncio

import pytest
from starlette.types import Message

from perfectcatch.gateway.passing import bodies
from perfectcatch.gateway.problems import Denied
from perfectcatch.kit.http import MEBIBYTE

PIECE = 64 * 1024


class Sender:
    """Sends ``mebibytes`` in pieces and counts how many were taken."""

    def __init__(self, mebibytes: int) -> None:
        self.left = mebibytes * MEBIBYTE // PIECE
        self.taken = 0

    async def receive(self) -> Message:
        self.taken += 1
        return {"type": "http.request", "body": bytes(PIECE), "more_body": self.taken < self.left}


async def refused(sender: Sender, **headers: str) -> Denied:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    with pytest.raises(Denied) as caught:
        await bodies.read(sender.receive, named, upload=False)
    assert caught.value.status == 413
    return caught.value


@pytest.mark.parametrize("announced", [True, False])
async def test_it_is_taken_to_its_end(announced: bool) -> None:
    sender = Sender(2)
    await refused(sender, **({"content_length": str(2 * MEBIBYTE)} if announced else {}))
    assert sender.taken == sender.left


async def test_one_that_is_packed_is_heard_out_as_well() -> None:
    sender = Sender(2)
    with pytest.raises(Denied) as caught:
        await bodies.read(sender.receive, {b"content-encoding": b"gzip"}, upload=False)
    assert caught.value.status == 415
    assert sender.taken == sender.left


async def test_one_that_does_not_end_is_cut_off() -> None:
    sender = Sender(1000)
    await refused(sender, content_length=str(1000 * MEBIBYTE))
    assert sender.taken * PIECE == 8 * MEBIBYTE


async def test_who_falls_silent_is_answered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence() -> Message:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    monkeypatch.setattr(bodies, "_HEARD_SECONDS", 0.01)
    sender = Sender(2)
    sender.receive = silence  # type: ignore[method-assign]
    await refused(sender, content_length=str(2 * MEBIBYTE))


async def test_who_asked_first_need_not_send_it() -> None:
    sender = Sender(2)
    await refused(sender, content_length=str(2 * MEBIBYTE), expect="100-continue")
    assert sender.taken == 0
