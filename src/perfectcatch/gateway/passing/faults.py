"""What a caller is told when the vendor did not do as asked: its own status where that says something true.

A refusal (4xx) keeps its status, its fields and its trace id. A 401 never comes from the vendor: it would
speak of our key while the caller's is good. What is broken behind us is 502, 503 or 504.
"""

from starlette.responses import Response

from perfectcatch.errors import (
    CircuitOpen,
    DatabaseUnavailable,
    OutcomeUnknown,
    PerfectCatchError,
    RateLimited,
    ScopeMissing,
    VendorRefused,
    VendorTimeout,
    VendorUnavailable,
)
from perfectcatch.gateway import problems
from perfectcatch.gateway.passing.replies import Reply

_OWN = {503, 504}  # faults of the vendor that mean the same when we say them


def response_to(error: PerfectCatchError) -> Response:
    """The problem that an error is."""
    sentence = str(error)
    match error:
        case VendorRefused():
            return problems.answer(error.status, sentence, traceId=error.trace_id, errors=error.errors)
        case ScopeMissing():
            return problems.answer(403, sentence)
        case DatabaseUnavailable() | CircuitOpen():
            return problems.of(error)
        case OutcomeUnknown():
            return problems.answer(_status(error), sentence, outcome="unknown", vendor_status=error.status)
        case VendorUnavailable():
            wait = max(1, round(error.after_seconds or problems.SOON))
            return problems.answer(
                _status(error), sentence, headers={"Retry-After": str(wait)}, vendor_status=error.status
            )
        case RateLimited():
            wait = max(1, round(error.after_seconds or problems.SOON))
            return problems.answer(429, sentence, headers={"Retry-After": str(wait)})
    return problems.of(error)


def reply_to(error: PerfectCatchError) -> Reply:
    """The same as a reply that can be kept."""
    response = response_to(error)
    headers = tuple((name, value) for name, value in response.raw_headers if name != b"content-length")
    body = bytes(response.body)
    return Reply(response.status_code, headers, body, length=len(body))


def _status(error: VendorUnavailable) -> int:
    if error.status in _OWN:
        return error.status
    late = isinstance(error, VendorTimeout) or isinstance(error.__cause__, VendorTimeout)
    return 504 if late else 502
