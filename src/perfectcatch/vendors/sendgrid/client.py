"""SendGrid's mail send: an email is handed over once; its events tell what became of it.

What was taken cannot be looked up (the Email Activity API is an extra that most accounts lack), so an
unknown outcome stays unknown until an event with our reference arrives.
"""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec

from perfectcatch.errors import CredentialsRejected, ScopeMissing, VendorRefused
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import Http, Request, Response
from perfectcatch.kit.posting import post_once
from perfectcatch.model.messaging import Mail, NotCarried, Receipt, Status

WHO: Final = "SendGrid"
REFERENCE: Final = "perfectcatch_message"  # a custom argument: it comes back with every event
CALL_SECONDS: Final = 20.0


class _Said(msgspec.Struct, frozen=True):
    message: str | None = None
    field: str | None = None


class _Errors(msgspec.Struct, frozen=True):
    errors: list[_Said] = []


class SendGrid:
    """Fulfils ``Mailer``. ``sender`` is a verified address, ``name`` the company's."""

    def __init__(self, *, http: Http, key: str, sender: str, name: str, api_url: str, clock: Clock) -> None:
        self._http = http
        self._key = key
        self._sender = {"email": sender, "name": name} if name else {"email": sender}
        self._url = f"{api_url.rstrip('/')}/v3/mail/send"
        self._clock = clock

    async def send(self, mail: Mail) -> Receipt:
        """Hand one email over."""
        request = Request(
            method="POST",
            url=self._url,
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
            body=json.dumps(self._body(mail)).encode(),
            setting="SENDGRID_API_URL",
            total_seconds=CALL_SECONDS,
        )
        response = await post_once(self._http, request, self._clock, who=WHO)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refused(response)
        # Without the id its events are found by our reference.
        return Receipt(
            vendor_id=response.headers.get("X-Message-Id") or f"message {mail.reference}",
            status=Status.SENT,
            sentence=f"{WHO} took it.",
        )

    async def find(self, mail: Mail, *, since: datetime) -> Receipt | None:
        """Nothing can be asked."""
        _ = mail, since
        return None

    def _body(self, mail: Mail) -> dict[str, Any]:
        person: dict[str, Any] = {"to": [{"email": mail.to}], "custom_args": {REFERENCE: mail.reference}}
        if mail.headers:
            person["headers"] = dict(mail.headers)
        return {
            "personalizations": [person],
            "from": self._sender,
            "subject": mail.subject,
            "content": [
                {"type": "text/plain", "value": mail.text},
                {"type": "text/html", "value": mail.html},
            ],
            # Its own footer and its own rewriting of links would break ours, which is signed.
            "tracking_settings": {
                "subscription_tracking": {"enable": False},
                "click_tracking": {"enable": False, "enable_text": False},
            },
        }


def _refused(response: Response) -> Exception:
    try:
        said = msgspec.json.decode(response.body, type=_Errors).errors
    except msgspec.MsgspecError:
        said = []
    first = said[0] if said else _Said()
    sentence = f"{first.message or f'status {response.status}'}" + (
        f" ({first.field})" if first.field else ""
    )
    if response.status == HTTPStatus.UNAUTHORIZED:
        return CredentialsRejected(f"{WHO} refuses SENDGRID_API_KEY: {sentence}")
    if response.status == HTTPStatus.FORBIDDEN:
        if first.field and first.field.startswith("from"):
            return NotCarried("403", f"SENDGRID_FROM_EMAIL is not verified: {sentence}", sender_blocked=True)
        return ScopeMissing(f"{WHO} does not let this key send: {sentence}")
    if first.field and first.field.endswith("to.0.email"):
        return NotCarried(str(response.status), sentence, bad_number=True)
    if said:
        return NotCarried(str(response.status), sentence)
    return VendorRefused(f"{WHO} answered {response.status}.", status=response.status)
