"""What callers send: read within bounds, hashed, and laid aside on disk where it is large.

A large file waits on disk until it is whole, so that a slow caller holds no connection to the vendor and no
share of its rate, and so that what is sent can be sent again after a refused token.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, Final

from starlette.types import Receive

from perfectcatch.gateway.problems import Denied
from perfectcatch.kit.http import MEBIBYTE, Streamed

BODY_BYTES: Final = MEBIBYTE
UPLOAD_BYTES: Final = 100 * MEBIBYTE
_SILENCE_SECONDS: Final = 30.0
_BODY_SECONDS: Final = 60.0
_UPLOAD_SECONDS: Final = 600.0
_PIECE: Final = 256 * 1024
_HEARD_BYTES: Final = 8 * MEBIBYTE  # of a body that is refused, before the connection is closed
_HEARD_SECONDS: Final = 2.0
_CLOSING: Final = {"Connection": "close"}


class CallerGone(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body, to be closed by whoever read it. ``digest`` is its SHA-256."""

    content: bytes | Streamed
    digest: bytes
    aside: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self.content)

    def close(self) -> None:
        """Forget what was laid aside."""
        if self.aside is not None:
            self.aside.close()


async def read(receive: Receive, headers: Mapping[bytes, bytes], *, upload: bool) -> Body:
    """Read a request's body; raises ``Denied`` 408, 413 or 415, and CallerGone."""
    limit = UPLOAD_BYTES if upload else BODY_BYTES
    asked_first = headers.get(b"expect", b"").lower() == b"100-continue"  # and has not begun to send
    if headers.get(b"content-encoding", b"identity") != b"identity":
        await _hear_out(receive, more=not asked_first)
        raise Denied(415, "Send the body as it is, without Content-Encoding.", headers=_CLOSING)
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limit:
        await _hear_out(receive, more=not asked_first)
        raise _too_large(limit)
    try:
        async with asyncio.timeout(_UPLOAD_SECONDS if upload else _BODY_SECONDS):
            return await _gather(receive, limit)
    except TimeoutError:
        raise Denied(408, "The body did not arrive in time.", headers=_CLOSING) from None


async def _gather(receive: Receive, limit: int) -> Body:
    digest, held, size = sha256(), bytearray(), 0
    aside: IO[bytes] | None = None
    more = True
    try:
        while more:
            async with asyncio.timeout(_SILENCE_SECONDS):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise CallerGone  # noqa: TRY301 - the file is closed below
            piece, more = message.get("body", b""), message.get("more_body", False)
            digest.update(piece)
            size += len(piece)
            if size > limit:
                await _hear_out(receive, more=more)
                raise _too_large(limit)  # noqa: TRY301 - the same
            held += piece
            if len(held) > BODY_BYTES:
                aside = aside or tempfile.TemporaryFile()  # noqa: SIM115 - closed with the body
                await asyncio.to_thread(aside.write, bytes(held))
                held.clear()
        if aside is None:
            return Body(bytes(held), digest.digest())
        await asyncio.to_thread(aside.write, bytes(held))
    except BaseException:
        if aside is not None:
            aside.close()
        raise
    return Body(Streamed(size, lambda: _pieces(aside)), digest.digest(), aside)


async def _hear_out(receive: Receive, *, more: bool = True) -> None:
    """Throw away what is still coming: a caller whose connection is closed while he sends sees no answer."""
    heard = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_HEARD_SECONDS):
            while more and heard < _HEARD_BYTES:
                message = await receive()
                heard += len(message.get("body", b""))
                more = message.get("more_body", False)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """The file from its beginning."""
    file.seek(0)
    while piece := await asyncio.to_thread(file.read, _PIECE):
        yield piece


def _too_large(limit: int) -> Denied:
    return Denied(413, f"A body may have {limit // MEBIBYTE} MiB here.", headers=_CLOSING)
