"""Errors over HTTP: ``application/problem+json`` (RFC 9457), one clear sentence in ``detail``.

Refused, BadArgument    422   the request is wrong and stays wrong
NothingKnown, NotFound  404
VendorRefused           the vendor's own status
AskPerson               503   a person must change something first
Retry                   503   with Retry-After; VendorUnavailable is 502
Crash, anything else    500   logged whole, told without its inside
"""

from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg import DataError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from perfectcatch.errors import (
    AskPerson,
    DatabaseUnavailable,
    NothingKnown,
    PerfectCatchError,
    Refused,
    Retry,
    VendorRefused,
    VendorUnavailable,
)

MEDIA_TYPE: Final = "application/problem+json"
SOON: Final = 5  # seconds after which it is worth trying again, where nobody knows better

log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """What went wrong, for programs and for people."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="What kind of problem it is, beyond the status.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field("", description="One sentence: what is wrong and how to mend it.")


class Denied(Exception):
    """A request that ends here. ``more`` are further members of the problem."""

    def __init__(
        self, status: int, detail: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.more = more


def answer(status: int, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """Write a problem."""
    title = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    body = Problem(title=title, status=status, detail=detail, **more).model_dump(
        mode="json", exclude_none=True
    )
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def of(error: PerfectCatchError) -> JSONResponse:
    """The problem that an error of the product is."""
    sentence = str(error)
    match error:
        case VendorRefused():
            return answer(error.status, sentence, traceId=error.trace_id)
        case NothingKnown():
            return answer(404, sentence)
        case Refused():
            return answer(422, sentence)
        case AskPerson():
            return answer(503, sentence)
        case Retry():
            wait = max(1, round(error.after_seconds or SOON))
            vendor = isinstance(error, VendorUnavailable) and not isinstance(error, DatabaseUnavailable)
            return answer(502 if vendor else 503, sentence, headers={"Retry-After": str(wait)})
    log.error("a request failed", error=repr(error))
    return answer(500, sentence)


def to(error: Exception, path: str) -> JSONResponse:
    """What is told of an error that a route did not answer for itself."""
    match error:
        case Denied():
            return answer(error.status, error.detail, headers=error.headers, **error.more)
        case PerfectCatchError():
            return of(error)
        case HTTPException():
            return _of_framework(error, path)
        case DataError():
            # A value that PostgreSQL has no place for; it came with the request.
            said = error.diag.message_primary or str(error)
            return answer(422, f"A value of the request cannot be used: {said}.")
    log.error("a request failed unexpectedly", path=path, exc_info=error)
    return answer(500, "Something is wrong with the program: its log says what.")


def install(app: FastAPI) -> None:
    """Let every error leave as a problem."""
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind in (HTTPException, Denied, PerfectCatchError, DataError, Exception):
        app.add_exception_handler(kind, _other)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"at": ".".join(str(step) for step in each["loc"]), "problem": str(each["msg"])}
        for each in error.errors()
    ]
    said = "; ".join(f"{each['at']}: {each['problem']}" for each in errors[:3])
    return answer(422, f"The request cannot be understood: {said}.", errors=errors)


def _of_framework(error: HTTPException, path: str) -> JSONResponse:
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"There is nothing at {path}: /openapi.json lists every route."
    return answer(error.status_code, detail, headers=dict(error.headers or {}))


async def _other(request: Request, error: Exception) -> JSONResponse:
    return to(error, request.url.path)
