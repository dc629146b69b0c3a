"""Talking to a running sandbox from another terminal."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.errors import BadArgument, VendorUnavailable

if TYPE_CHECKING:
    from perfectcatch.kit.http import Response

USUAL_URL = "http://127.0.0.1:4010"
_SECONDS = 3600.0  # a long advance of a large company takes its time

Url = Annotated[str, typer.Option(help="Where the sandbox answers.")]


async def tell(url: str, name: str, facts: dict[str, Any] | None) -> Any:
    """Tell a running sandbox something; ``facts`` None: ask it. Raises VendorUnavailable, BadArgument."""
    from perfectcatch.kit.http import Http, NotSent, Request

    address = url.rstrip("/")
    request = Request(
        method="GET" if facts is None else "POST",
        url=f"{address}/_sandbox/{name}",
        headers={"Content-Type": "application/json"},
        body=None if facts is None else json.dumps(facts).encode(),
        setting="--url",
        total_seconds=_SECONDS,
    )
    async with Http() as http:
        try:
            answer = await http.send(request)
        except NotSent:
            raise VendorUnavailable(
                f"No sandbox answers at {address}: start one with `perfectcatch sandbox`, or say where it is "
                "with --url."
            ) from None
    return _read(address, answer)


def _read(address: str, answer: "Response") -> Any:
    try:
        document = json.loads(answer.body)
        if answer.status == 200:  # noqa: PLR2004 - a status
            return document
        told = " ".join(text for texts in document["errors"].values() for text in texts)
    except (ValueError, KeyError, TypeError, AttributeError):
        told = ""
    if told:
        raise BadArgument(told)
    raise VendorUnavailable(
        f"What answers at {address} is no sandbox (status {answer.status}): say where it is with --url."
    )
