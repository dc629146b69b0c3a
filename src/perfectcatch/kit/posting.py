"""Sending what must not be sent twice: an answer, or an error that says whether it may be done."""

from dataclasses import replace
from http import HTTPStatus

from perfectcatch.errors import OutcomeUnknown, RateLimited, VendorUnavailable
from perfectcatch.kit import retry
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import Http, NotSent, Request, Response


async def post_once(http: Http, request: Request, clock: Clock, *, who: str) -> Response:
    """Send once, on a connection of its own; the answer is a 2xx or a 4xx that refuses.

    Raises ``NotSent`` and ``RateLimited`` when certainly nothing was carried out, ``OutcomeUnknown`` for a
    deadline, a broken connection, and every answer that decides nothing.
    """
    try:
        response = await http.send(replace(request, alone=True))
    except NotSent:
        raise
    except VendorUnavailable as error:
        raise OutcomeUnknown(f"{who} was asked and gave no answer: {error}") from error
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        told = retry.retry_after(response.headers.get("Retry-After"), clock.now())
        raise RateLimited(f"{who} says that we ask too often.", after_seconds=told)
    status = response.status
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    taken = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    if taken or (refused and status != HTTPStatus.REQUEST_TIMEOUT):
        return response
    raise OutcomeUnknown(f"{who} answered {response.status}: it may have been carried out.")
