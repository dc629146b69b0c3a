"""What the vendor answers: a document, an error body, bytes."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

_encode = msgspec.json.encode
JSON = "application/json"
_TITLES = {
    400: "One or more validation errors occurred.",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How an answer travels when not at once and whole. ``wait``: seconds before its first byte.

    It breaks off after ``cut``, a number of bytes or, below 1, a share of them: ``ends`` says how. With
    ``piece`` and ``pause`` it drips, so many bytes and then so many seconds.
    """

    wait: float = 0.0
    cut: float | None = None
    ends: Literal["close", "reset", "stall"] = "close"
    announced: bool = True  # whether the length is told beforehand
    piece: int = 0
    pause: float = 0.0


@dataclass(slots=True)
class Answer:
    """An HTTP answer before it becomes one. What stands behind the headers is for the ledger.

    ``served``: which records it shows, as rows or as ids.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    records: int = 0
    served: Sequence[Any] = ()
    operation: str | None = None
    collection: str = ""
    delivery: Delivery | None = None


class AnswerError(Exception):
    """A request that the vendor answers with an error; ``errors`` maps a field to its complaints."""

    def __init__(self, status: int, title: str | None = None, **errors: str) -> None:
        super().__init__(title or _TITLES.get(status, "Error"))
        self.status = status
        self.title = title or _TITLES.get(status, "Error")
        self.errors = {name: [text] for name, text in errors.items()}
        self.headers: dict[str, str] = {}

    def answer(self) -> Answer:
        """Write the error body that the documents promise for every 4xx."""
        return error_answer(self.status, self.title, self.errors, self.headers)


def bad(name: str, text: str) -> AnswerError:
    """Make the 400 for one wrong field or parameter."""
    error = AnswerError(400)
    error.errors = {name: [text]}
    return error


def document(value: Any, status: int = 200, records: int = 1) -> Answer:
    """Answer with one JSON document."""
    return Answer(status=status, body=_encode(value), records=records)


def nothing(status: int = 200) -> Answer:
    """Answer without a body, as most of the vendor's actions do."""
    return Answer(status=status)


def error_answer(
    status: int,
    title: str,
    errors: Mapping[str, list[str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Build the vendor's problem document: type, title, status, traceId, errors, data."""
    body = {
        "type": f"https://httpstatuses.io/{status}",
        "title": title,
        "status": status,
        "traceId": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00",
        "errors": errors or {},
        "data": {},
    }
    return Answer(status=status, body=_encode(body), headers=headers or {})
