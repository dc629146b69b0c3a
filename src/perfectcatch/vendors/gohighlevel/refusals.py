"""What the vendor's refusals mean for us, in its own words."""

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec

from perfectcatch.errors import (
    AccountInactive,
    CredentialsRejected,
    NotFound,
    RateLimited,
    ScopeMissing,
    VendorRefused,
    VendorUnavailable,
)
from perfectcatch.kit import redact
from perfectcatch.kit.http import Response
from perfectcatch.model.crm import AlreadyThere
from perfectcatch.vendors.gohighlevel.operations import Operation

WHO: Final = "GoHighLevel"
_FIELD: Final = re.compile(r"^(?:each value in )?(?:property )?([A-Za-z_][\w.]*)\s", re.ASCII)
_INACTIVE: Final = "location is not active"
_SCOPE: Final = "not authorized for this scope"
_NO_ACCESS: Final = "does not have access to this location"
_NOT_THERE: Final = re.compile(r"\bnot found\b|does not exist", re.IGNORECASE)
# The record of the path may be there all the same: the path is unknown, or something that the body names is.
_OTHER_IS_NOT: Final = re.compile(
    r"^cannot (get|put|post|delete)\b|\b(field|pipeline|stage|user|tag)s?\b", re.IGNORECASE
)
_NO_SECOND_CONTACT: Final = "does not allow duplicated contacts"
_NO_SECOND_OPPORTUNITY: Final = "OPPORTUNITY_NO_DUPLICATE"
_LONGEST: Final = 500


class TokenRefusedError(Exception):
    """A 401 that another token may end; ``said`` is the vendor's sentence."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


class Refusal(msgspec.Struct, frozen=True):
    """An answer that says no. ``message`` is a sentence, several, or now and then something else."""

    message: Any = None
    error: Any = None
    error_description: Any = None
    code: Any = None
    meta: Any = None
    traceId: str | None = None  # noqa: N815 - the vendor's name

    @property
    def sentences(self) -> list[str]:
        """What it says."""
        for said in (self.message, self.error_description, self.error):
            parts = said if isinstance(said, list) else [said]
            if texts := [str(each)[:_LONGEST] for each in parts if isinstance(each, str) and each]:
                return texts
        return []

    def existing(self, name: str) -> str | None:
        """The id of what is in the way, where the vendor tells it."""
        found = self.meta.get(name) if isinstance(self.meta, dict) else None
        return found if isinstance(found, str) and found else None


def refusal_of(response: Response) -> Refusal:
    """What an answer says, as far as it can be read."""
    try:
        return msgspec.json.decode(response.body, type=Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Refusal()


def refused(operation: Operation, response: Response) -> Exception:
    """The error for an answer of 400 and above."""
    status = response.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(f"{WHO} says that we ask too often.")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        unavailable = VendorUnavailable(f"{WHO} answered {status} to {operation.name}.")
        unavailable.status = status
        return unavailable
    said = refusal_of(response)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN) and not said.sentences:
        # The vendor does not speak like this: something on the way does. A 404 that is believed would make
        # every record look deleted.
        return VendorUnavailable(f"What answers {status} at GHL_API_URL is not {WHO}: check the address.")
    words = "; ".join(said.sentences) or f"status {status}"
    low = words.casefold()
    if _INACTIVE in low:
        return AccountInactive(
            f"{WHO} says that the location is not active: it is suspended or closed there ({words})."
        )
    if _SCOPE in low:
        return ScopeMissing(
            f"The token lacks the scope {operation.scope} at {WHO} ({operation.name}): add it to the private "
            "integration or the app, and use the new token."
        )
    if _NO_ACCESS in low:
        return CredentialsRejected(
            f"{WHO}: the token is not one of this location: check GHL_LOCATION_ID and GHL_API_KEY ({words})."
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return TokenRefusedError(redact.text(words))
    if status == HTTPStatus.FORBIDDEN:
        return ScopeMissing(f"{WHO} does not let this token do this ({operation.name}): {words}")
    return _about_the_record(operation, response, said, words)


def _about_the_record(operation: Operation, response: Response, said: Refusal, words: str) -> Exception:
    status = response.status
    if _NO_SECOND_CONTACT in words.casefold():
        return AlreadyThere(f"{WHO}: {words}", said.existing("contactId"))
    if said.code == _NO_SECOND_OPPORTUNITY:
        return AlreadyThere(f"{WHO}: {words}", said.existing("existingId"))
    kind = NotFound if _is_missing(operation, status, words) else VendorRefused
    return kind(
        f"{WHO} refuses to {operation.name} ({status}): {words}"
        if operation.changes
        else f"{WHO} answered {status} to {operation.name}: {words}",
        status=status,
        trace_id=said.traceId,
        errors=by_field(said.sentences) or None,
        cause=f"{WHO}: {words}",
    )


def _is_missing(operation: Operation, status: int, words: str) -> bool:
    """Whether the record that the path names is not there."""
    if "{id}" not in operation.path or _OTHER_IS_NOT.search(words):
        return False
    return status == HTTPStatus.NOT_FOUND or (
        status == HTTPStatus.BAD_REQUEST and _NOT_THERE.search(words) is not None
    )


def by_field(sentences: list[str]) -> dict[str, list[str]]:
    """The vendor's sentences by the field that each begins with; those about none under an empty name."""
    fields: dict[str, list[str]] = {}
    for sentence in sentences:
        found = _FIELD.match(sentence) if len(sentences) > 1 or _about_a_field(sentence) else None
        fields.setdefault(found[1] if found else "", []).append(sentence)
    return fields


def _about_a_field(sentence: str) -> bool:
    return " must " in sentence or " should " in sentence
