"""The messages of one simulated account, in the vendor's shapes, and what happens to them.

A queued message becomes sent, then delivered, undelivered or failed; each step is told to the address that
came with it. People answer after a while. A STOP closes our number for theirs: error 21610 from then on.
"""

import heapq
import itertools
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from perfectcatch.kit.clock import Clock
from perfectcatch.sandbox.twilio.people import CARRIER_STARTS, CARRIER_STOPS, person_at

_E164: Final = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_GSM: Final = re.compile(r"[\x20-\x7e\n\r£¥èéùìòÇØøÅåÆæßÉÄÖÑÜ§¿äöñüà¡]*")
_SENT, _DONE, _ANSWER = timedelta(seconds=1), timedelta(seconds=3), timedelta(seconds=8)
_DOCUMENTED: Final = "https://www.twilio.com/docs/errors/"


class RefusedError(Exception):
    """The vendor says no: status and body."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "more_info": f"{_DOCUMENTED}{code}", "status": status}


@dataclass(slots=True, kw_only=True)
class Message:
    """A message of the account; ``callback`` is where its statuses are told."""

    sid: str
    sender: str | None
    to: str
    body: str
    direction: str
    status: str
    created: datetime
    service: str | None = None
    sent: datetime | None = None
    updated: datetime | None = None
    error_code: int | None = None
    callback: str | None = None


@dataclass(frozen=True, slots=True)
class Tell:
    """A webhook to be sent: where to, and its parameters."""

    url: str
    parameters: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One account. ``sms_url``: where messages from people are told."""

    account_sid: str
    number: str
    clock: Clock
    service_sid: str = ""
    seed: int = 7
    sms_url: str | None = None
    quiet: bool = False  # nobody answers by themselves
    messages: list[Message] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    kinds: dict[str, str] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    _due: list[tuple[datetime, int, str, Message]] = field(default_factory=list)
    _order: Any = field(default_factory=itertools.count)
    _draw: random.Random = field(default_factory=lambda: random.Random(7))

    def create(self, form: Mapping[str, str]) -> Message:
        """Take a message as the API does, or refuse it in the vendor's words."""
        to, body, sender = form.get("To", ""), form.get("Body", ""), form.get("From") or None
        service = form.get("MessagingServiceSid") or None
        if not to:
            raise RefusedError(400, 21604, "A 'To' phone number is required.")
        if not _E164.fullmatch(to):
            raise RefusedError(400, 21211, f"Invalid 'To' Phone Number: {to[:6]}XXXX")
        if sender is None and service is None:
            raise RefusedError(400, 21603, "A 'From' phone number is required.")
        if service is not None and service != self.service_sid:
            raise RefusedError(404, 21701, "The Messaging Service does not exist")
        if sender is not None and sender != self.number:
            raise RefusedError(400, 21606, f"The 'From' number {sender} is not a valid, SMS-capable number")
        if not body and not form.get("MediaUrl") and not form.get("ContentSid"):
            raise RefusedError(400, 21602, "Message body is required.")
        if len(body) > 1600:  # noqa: PLR2004 - the vendor's limit
            raise RefusedError(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if to in self.stopped:
            raise RefusedError(400, 21610, "Attempt to send to unsubscribed recipient")
        now = self.clock.now()
        message = Message(
            sid=self._sid(),
            sender=None if service else sender,
            service=service,
            to=to,
            body=body,
            direction="outbound-api",
            status="accepted" if service else "queued",
            created=now,
            callback=form.get("StatusCallback"),
        )
        self.messages.append(message)
        self._plan(now + _SENT, "sent", message)
        return message

    def receive(self, sender: str, body: str) -> tuple[Message, Tell | None]:
        """A person writes to us."""
        now = self.clock.now()
        message = Message(
            sid=self._sid(),
            sender=sender,
            to=self.number,
            body=body,
            direction="inbound",
            status="received",
            created=now,
            sent=now,
            updated=now,
        )
        self.messages.append(message)
        word = body.strip().upper()
        parameters = self._told(message) | {"SmsStatus": "received", "NumMedia": "0", "FromCountry": "US"}
        if word in CARRIER_STOPS:
            self.stopped.add(sender)
        elif word in CARRIER_STARTS:
            self.stopped.discard(sender)
        return message, Tell(self.sms_url, parameters) if self.sms_url else None

    def due(self) -> list[Tell]:
        """What has happened until now, and what is to be told of it."""
        told, now = [], self.clock.now()
        while self._due and self._due[0][0] <= now:
            _, _, what, message = heapq.heappop(self._due)
            told += self._happen(what, message)
        return told

    def shown(self, message: Message) -> dict[str, Any]:
        """A message as the API shows it."""
        segments = segments_of(message.body)
        unknown_yet = message.service is not None and message.status == "accepted"
        here = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{message.sid}"
        billed = message.status in {"sent", "delivered", "received"}
        return {
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "body": message.body,
            "date_created": _date(message.created),
            "date_sent": _date(message.sent) if message.sent else None,
            "date_updated": _date(message.updated or message.created),
            "direction": message.direction,
            "error_code": message.error_code,
            "error_message": None,
            "from": message.sender,
            "messaging_service_sid": message.service,
            "num_media": "0",
            "num_segments": "0" if unknown_yet else str(segments),
            "price": f"-{0.0079 * segments:.5f}" if billed else None,
            "price_unit": "USD",
            "sid": message.sid,
            "status": message.status,
            "subresource_uris": {"media": f"{here}/Media.json"},
            "to": message.to,
            "uri": f"{here}.json",
        }

    def _happen(self, what: str, message: Message) -> list[Tell]:
        now = self.clock.now()
        person = person_at(message.to, self.seed, self.kinds)
        if what == "answer":
            return self._answer(message, person.words or "")
        if what == "sent" and message.sender is None:
            message.sender = self.number  # the service has chosen it
        message.status, message.updated = what, now
        if what == "sent":
            message.sent = now
            code = {"unreachable": 30003, "landline": 30006}.get(person.kind)
            message.error_code = None
            self._plan(now + _DONE, "undelivered" if code else "delivered", message)
        if what == "undelivered":
            message.error_code = {"unreachable": 30003, "landline": 30006}.get(person.kind, 30008)
        if what == "delivered" and person.words and not self.quiet and message.to not in self.answered:
            self.answered.add(message.to)
            self._plan(now + _ANSWER, "answer", message)
        if message.callback is None:
            return []
        parameters = self._told(message) | {"MessageStatus": what, "SmsStatus": what}
        if message.error_code:
            parameters["ErrorCode"] = str(message.error_code)
        return [Tell(message.callback, parameters)]

    def _answer(self, message: Message, words: str) -> list[Tell]:
        _, told = self.receive(message.to, words)
        return [told] if told else []

    def _told(self, message: Message) -> dict[str, str]:
        parameters = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "From": message.sender or self.number,
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "To": message.to,
        }
        if message.service:
            parameters["MessagingServiceSid"] = message.service
        if message.direction == "inbound":
            parameters |= {"Body": message.body, "NumSegments": "1", "SmsMessageSid": message.sid}
        return parameters

    def _plan(self, at: datetime, what: str, message: Message) -> None:
        heapq.heappush(self._due, (at, next(self._order), what, message))

    def _sid(self) -> str:
        return f"SM{self._draw.getrandbits(128):032x}"


def segments_of(body: str) -> int:
    """How many texts a body needs: 160 or 153 characters each, 70 or 67 outside the common alphabet."""
    one, more = (160, 153) if _GSM.fullmatch(body) else (70, 67)
    return 1 if len(body) <= one else math.ceil(len(body) / more)


def _date(moment: datetime) -> str:
    return format_datetime(moment).replace("GMT", "+0000")
