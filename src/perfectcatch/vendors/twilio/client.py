"""Twilio's Messages resource: a text is handed over once, and found again by its recipient and its words.

The vendor has no idempotency key: whether a text was taken after a broken call is found out by reading. Every
text carries our reference in the address of its status callback, so the first callback tells it too.
"""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from perfectcatch.errors import (
    CredentialsRejected,
    OutcomeUnknown,
    RateLimited,
    Retry,
    ScopeMissing,
    VendorLoop,
    VendorRefused,
    VendorUnavailable,
)
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import Http, Request, Response
from perfectcatch.kit.posting import post_once
from perfectcatch.model.messaging import Receipt, Received, Status, Text
from perfectcatch.vendors.twilio import codes

WHO: Final = "Twilio"
LONGEST_VALIDITY: Final = 36_000  # seconds, the vendor's own limit
CALL_SECONDS: Final = 15.0
_SKEW: Final = timedelta(seconds=60)  # between our clock and the vendor's, whose moments are whole seconds
_PAGE: Final = 200
_MOST_PAGES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who sends. ``sender`` is a number, or a messaging service, whose id begins with MG."""

    sid: str
    token: str
    sender: str

    def __repr__(self) -> str:
        return f"<Account {self.sid}>"


class Resource(msgspec.Struct, frozen=True):
    """A message as the vendor shows it; numbers come as texts, a moment as RFC 2822."""

    sid: str
    status: str
    to: str | None = None
    sender: str | None = msgspec.field(name="from", default=None)
    body: str | None = None
    direction: str = "outbound-api"
    date_created: str | None = None
    num_segments: str | int | None = None
    price: str | None = None
    error_code: int | str | None = None
    error_message: str | None = None

    @property
    def at(self) -> datetime | None:
        """When the vendor made it."""
        try:
            return parsedate_to_datetime(self.date_created or "").astimezone(UTC)
        except ValueError:
            return None


class Page(msgspec.Struct, frozen=True):
    """A page of messages, the newest first."""

    messages: list[Resource]
    next_page_uri: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """An error; ``code`` is the vendor's own, not the status."""

    code: int | str | None = None
    message: str | None = None


class Twilio:
    """Fulfils ``Messenger``. ``callback``: where statuses are told; None where nobody reaches us."""

    def __init__(
        self,
        *,
        http: Http,
        account: Account,
        api_url: str,
        clock: Clock,
        callback: str | None,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self._http = http
        self._account = account
        self._origin = api_url.rstrip("/")
        self._path = f"/2010-04-01/Accounts/{account.sid}/Messages.json"
        self._clock = clock
        self._callback = callback
        self._call_seconds = call_seconds
        basic = b64encode(f"{account.sid}:{account.token}".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}", "Accept": "application/json"}

    async def send(self, text: Text) -> Receipt:
        """Hand one text over."""
        form = {"To": text.to, "Body": text.body}
        service = self._account.sender.startswith("MG")
        form["MessagingServiceSid" if service else "From"] = self._account.sender
        form["ValidityPeriod"] = str(max(1, min(text.valid_for, LONGEST_VALIDITY)))
        if self._callback is not None:
            form["StatusCallback"] = f"{self._callback}?message={quote(text.reference)}"
        response = await post_once(self._http, self._post(form), self._clock, who=WHO)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refused(response)
        try:
            return receipt_of(msgspec.json.decode(response.body, type=Resource))
        except msgspec.MsgspecError as error:
            raise OutcomeUnknown(f"{WHO} took the text and gave an answer that cannot be read.") from error

    async def find(self, text: Text, *, since: datetime) -> Receipt | None:
        """The message to this number with these words that the vendor took at or after ``since``."""
        # Not by DateSent: a message that waits in the vendor's queue has none.
        async for each in self._newest(since - _SKEW, To=text.to):
            ours = each.direction.startswith("outbound") and each.to == text.to
            if ours and (each.body or "").strip() == text.body.strip():
                return receipt_of(each)
        return None

    async def received(self, *, since: datetime) -> list[Received]:
        """Messages from people since then, the oldest first."""
        words = {} if self._account.sender.startswith("MG") else {"To": self._account.sender}
        found = [
            Received(
                vendor_id=each.sid,
                sender=each.sender,
                to=each.to or "",
                body=each.body or "",
                at=each.at or self._clock.now(),
            )
            async for each in self._newest(since - _SKEW, **words)
            if each.direction == "inbound" and each.sender
        ]
        return found[::-1]

    def _post(self, form: dict[str, str]) -> Request:
        return Request(
            method="POST",
            url=self._origin + self._path,
            headers={**self._headers, "Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode(form).encode(),
            setting="TWILIO_API_URL",
            total_seconds=self._call_seconds,
        )

    async def _newest(self, since: datetime, **words: str) -> AsyncIterator[Resource]:
        """Messages from the newest back to ``since``."""
        target: str | None = f"{self._path}?{urlencode({**words, 'PageSize': str(_PAGE)})}"
        for _ in range(_MOST_PAGES):
            assert target is not None
            page = await self._page(target)
            for each in page.messages:
                if each.at is not None and each.at < since:
                    return
                yield each
            target = page.next_page_uri
            if not target:
                return
        raise VendorLoop(f"{WHO} gave {_MOST_PAGES} pages of messages without an end.")

    async def _page(self, target: str) -> Page:
        """A page. The vendor's links have no host: they are of its API, and never lead elsewhere."""
        if not target.startswith("/"):
            raise VendorUnavailable(f"{WHO} links a further page outside of its API.")
        response = await self._http.send(
            Request(
                method="GET",
                url=self._origin + target,
                headers=self._headers,
                setting="TWILIO_API_URL",
                total_seconds=self._call_seconds,
            )
        )
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimited(f"{WHO} says that we ask too often.")
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise VendorUnavailable(f"{WHO} answered {response.status}.")
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refused(response)
        try:
            return msgspec.json.decode(response.body, type=Page)
        except msgspec.MsgspecError as error:
            raise VendorUnavailable(f"{WHO} gave a page of messages that cannot be read.") from error


def receipt_of(message: Resource) -> Receipt:
    """What a message says of its sending."""
    status = codes.STATUSES.get(message.status, Status.SENT)
    code = str(message.error_code) if message.error_code else None
    number = str(message.num_segments or "")
    segments = int(number) if number.isdecimal() else 0
    sentence = f"{WHO}: {message.status}."
    if code:
        sentence = f"{WHO}: {message.status} ({code}{': ' if message.error_message else ''}"
        sentence += f"{message.error_message or ''})."
    return Receipt(
        vendor_id=message.sid,
        status=status,
        code=code,
        sentence=sentence,
        segments=segments or None,  # 0 until a messaging service has chosen its number
        cost=message.price,
    )


def _refused(response: Response) -> Exception:
    try:
        said = msgspec.json.decode(response.body, type=Refusal)
    except msgspec.MsgspecError:
        said = Refusal()
    code, sentence = str(said.code or response.status), said.message or f"status {response.status}"
    if code in codes.ABOUT_THE_MESSAGE:
        return codes.trouble(code, sentence)
    if code in codes.FOR_NOW:
        return Retry(f"{WHO} takes no more for now ({code}): {sentence}")
    if response.status == HTTPStatus.UNAUTHORIZED or code in ("20003", "20005"):
        return CredentialsRejected(
            f"{WHO} refuses TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN ({code}): {sentence}"
        )
    if response.status == HTTPStatus.FORBIDDEN:
        return ScopeMissing(f"{WHO} does not let this account send ({code}): {sentence}")
    if said.code is None:
        return VendorRefused(f"{WHO} answered {response.status}.", status=response.status)
    return codes.trouble(code, sentence)
