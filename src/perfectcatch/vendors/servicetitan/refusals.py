"""What the vendor's answers mean: from a status and a body to an error of ours, in one sentence."""

from typing import Any

import msgspec

from perfectcatch.errors import (
    NotFound,
    PerfectCatchError,
    RateLimited,
    ScopeMissing,
    VendorRefused,
    VendorUnavailable,
)
from perfectcatch.kit import redact
from perfectcatch.kit.http import Response
from perfectcatch.model.endpoint import Endpoint, Kind

UNAUTHORIZED = 401
FORBIDDEN = 403
MISSING = 404
CONFLICT = 409
TOO_MANY = 429
FIRST_ERROR = 400
FIRST_FAULT = 500

_SHOWN_FIELDS = 3
_SHOWN_LENGTH = 200


class Resting(VendorUnavailable):
    """The service is suspended for maintenance: it answered, and certainly did nothing."""


class Problem(msgspec.Struct, rename="camel"):
    """The vendor's error document. Every part may be missing or of another type."""

    title: Any = None
    trace_id: Any = None
    errors: Any = None
    error: Any = None  # the token endpoint's word, as in OAuth
    error_description: Any = msgspec.field(default=None, name="error_description")


def problem_of(body: bytes) -> Problem | None:
    """Read an error body; None when it is not a JSON object."""
    try:
        return msgspec.json.decode(body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def refusal(endpoint: Endpoint, response: Response) -> PerfectCatchError | None:
    """The error that an answer stands for, or None when it is good. 401 is the caller's matter.

    Worth repeating (``Retry``): 429, 5xx, a 409 that speaks of maintenance, HTML where JSON belongs, and a
    404 that is not the vendor's own: a proxy's "not found" says nothing about a record.
    """
    status, body = response.status, response.body
    if status < FIRST_ERROR:
        return None
    problem = problem_of(body)
    said = _says(response, problem)
    told = f"{endpoint.name}: {said}{_traced(problem)}"
    if status == TOO_MANY:
        slow = "ServiceTitan asks to slow down (429)"
        return RateLimited(f"{endpoint.name}: {slow}", cause=slow)
    if status >= FIRST_FAULT:
        return _unavailable(VendorUnavailable(told, cause=said), status)
    if status == CONFLICT and is_maintenance(body):
        return _unavailable(Resting(told, cause=said), status)
    if problem is None and (status == MISSING or body.lstrip()[:1] == b"<"):
        check = ", which is not the API's way; check SERVICE_TITAN_API_URL if this stays"
        return VendorUnavailable(told + check, cause=said + check)
    if status == FORBIDDEN:
        all_of_it = (
            "ServiceTitan says that the app may not read anything (403); check SERVICE_TITAN_TENANT_ID, and "
            "which scopes the app has at developer.servicetitan.io under My Apps"
        )
        return ScopeMissing(_scope_sentence(endpoint, problem), cause=all_of_it)
    # A list is always there, whatever is in it: unlike a record it can only be missing at a wrong address.
    check = "; check SERVICE_TITAN_TENANT_ID and SERVICE_TITAN_API_URL" if _is_whole(endpoint) else ""
    check = check if status == MISSING else ""
    error = NotFound if status == MISSING else VendorRefused
    return error(
        told + check,
        status=status,
        trace_id=_trace(problem),
        errors=_errors(problem),
        cause=said + check,
    )


def _is_whole(endpoint: Endpoint) -> bool:
    """Whether an operation reads a list of the company, not one of a single record."""
    lists = endpoint.kind in {Kind.PAGE, Kind.EXPORT, Kind.LIST}
    return lists and all(parameter.name == "tenant" for parameter in endpoint.path_parameters)


def _unavailable(error: VendorUnavailable, status: int) -> VendorUnavailable:
    error.status = status
    return error


def _errors(problem: Problem | None) -> dict[str, list[str]] | None:
    """What the vendor says of each field, as it says it, but for secrets."""
    if problem is None or not isinstance(problem.errors, dict):
        return None
    return {
        str(name): [redact.text(str(each)) for each in (texts if isinstance(texts, list) else [texts])]
        for name, texts in problem.errors.items()
    }


def is_maintenance(body: bytes) -> bool:
    """Whether a 409 means that the service rests, not that the request conflicts with anything."""
    text = body[:4096].lower()
    return b"maintenance" in text or b"suspended" in text


def _scope_sentence(endpoint: Endpoint, problem: Problem | None) -> str:
    scopes = " and ".join(endpoint.scopes) or "the scope of this operation (the vendor's documents name none)"
    return (
        f"{endpoint.name}: ServiceTitan says that the app may not do this (403){_traced(problem)}; "
        f"grant {scopes} to the app at developer.servicetitan.io under My Apps, then have the company's "
        "administrator accept it under Settings, Integrations, API Application Access"
    )


def _says(response: Response, problem: Problem | None) -> str:
    said = f"ServiceTitan answered {response.status}"
    if problem is None:
        shown = redact.sample(response.body)
        return f"{said}: {shown}" if shown else f"{said} without a word"
    parts = [_short(problem.title)] if isinstance(problem.title, str) and problem.title else []
    parts += _field_errors(problem.errors)
    return said + (": " + "; ".join(parts) if parts else "")


def _field_errors(errors: Any) -> list[str]:
    if not isinstance(errors, dict):
        return []
    shown = []
    for name, texts in list(errors.items())[:_SHOWN_FIELDS]:
        text = " ".join(str(each) for each in texts) if isinstance(texts, list) else str(texts)
        shown.append(_short(f"{name}: {text}" if name else text))
    hidden = len(errors) - len(shown)
    return [*shown, f"and {hidden} more"] if hidden else shown


def _traced(problem: Problem | None) -> str:
    trace = _trace(problem)
    return f" (trace {trace})" if trace else ""


def _trace(problem: Problem | None) -> str | None:
    return str(problem.trace_id)[:_SHOWN_LENGTH] if problem is not None and problem.trace_id else None


def _short(text: str) -> str:
    clean = " ".join(redact.text(text).split()).rstrip(".")
    return clean if len(clean) <= _SHOWN_LENGTH else clean[:_SHOWN_LENGTH] + "..."
