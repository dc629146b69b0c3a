"""Answers that PostgreSQL wrote: its bytes, how old they are, and whether the caller has them already."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from perfectcatch.errors import BadArgument
from perfectcatch.gateway.context import Gateway
from perfectcatch.gateway.operations import Schema
from perfectcatch.store.reading.freshness import Age

JSON: Final = "application/json"
AGE: Final = "x-data-age-seconds"
AGE_HEADER: Final[dict[str, Schema]] = {
    "X-Data-Age-Seconds": {
        "description": "Seconds since the last read of this from the vendor began; absent if there was none.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
TAG_HEADER: Final[dict[str, Schema]] = {
    "ETag": {"description": "The version of this answer, for If-None-Match.", "schema": {"type": "string"}}
}
MOST_BYTES: Final = 10 * 1024 * 1024  # of a body; a page of an export is smaller

_encoder = msgspec.json.Encoder(decimal_format="number")


def answer(body: bytes, age: Age, *, tag: str | None = None, status: int = 200) -> Response:
    """An answer of these bytes."""
    headers = {"cache-control": "private, no-cache"}
    if age.seconds is not None:
        headers[AGE] = str(int(age.seconds))
    if tag is not None:
        headers["etag"] = tag
    return Response(body, status, headers, media_type=JSON)


def known(request: Request, age: Age, tag: str) -> Response | None:
    """304 if the caller has this version already."""
    given = request.headers.get("if-none-match")
    if given is None:
        return None
    tags = [each.strip().removeprefix("W/") for each in given.split(",")]
    if tag not in tags and "*" not in tags:
        return None
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if age.seconds is not None:
        headers[AGE] = str(int(age.seconds))
    return Response(None, 304, headers)


def json(value: Any, age: Age = Age(None, None), *, status: int = 200) -> Response:  # noqa: B008 - frozen
    """An answer of a value."""
    return answer(_encoder.encode(value), age, status=status)


def live(gateway: Gateway) -> Age:
    """The age of what is our own: it is what it is now."""
    return Age(gateway.clock.now(), 0.0)


def moment(gateway: Gateway, told: datetime) -> datetime:
    """What a caller told; without an offset it is the company's time."""
    return told if told.tzinfo else told.replace(tzinfo=ZoneInfo(gateway.zone))


def given(request: Request) -> Sequence[tuple[str, str]]:
    """The query as pairs, in their order."""
    return request.query_params.multi_items()


async def body(request: Request) -> bytes:
    """The whole body. Raises ``BadArgument`` when it is too large or empty."""
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > MOST_BYTES:
            raise BadArgument(f"The body is larger than {MOST_BYTES // 1024 // 1024} MB: send it in parts.")
    if not read:
        raise BadArgument("The request needs a body of JSON.")
    return bytes(read)
