"""Short links in messages: signed, without anybody's name in them, and leading to one address only.

A token names an instance; the signature is of the company and the instance, made with SECRET_KEY. Where it
leads is the setting of the workflow, so that nobody can make a link of ours that leads elsewhere.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from html import escape
from typing import Final
from urllib.parse import urlsplit

from perfectcatch.model.messaging import Intent
from perfectcatch.model.workflow import Definition, Message

# The settings whose address can be tracked, and the event that an opened one is.
TRACKED: Final[Mapping[str, str]] = {"review_link": "review_opened"}
_SIGNED: Final = 12  # bytes of the signature: 96 bits, for a link that stands in a text
_NOBODYS: Final = f"{'0' * 7}-{'x' * 16}"  # no token: instances count from 1
_TOKEN: Final = re.compile(r"([1-9]\d{0,17})-([A-Za-z0-9_-]{16})", re.ASCII)


def token(secret: str, tenant_id: int, instance_id: int) -> str:
    """The token of an instance's link."""
    if not secret:
        raise ValueError("a tracked link needs SECRET_KEY")
    return f"{instance_id}-{_signature(secret, tenant_id, instance_id)}"


def instance_of(secret: str, tenant_id: int, text: str) -> int | None:
    """The instance that ``text`` is the token of; None for a forged one."""
    found = _TOKEN.fullmatch(text)
    if not secret or found is None:
        return None
    instance_id = int(found[1])
    same = hmac.compare_digest(found[2], _signature(secret, tenant_id, instance_id))
    return instance_id if same else None


def address_of(definition: Definition, setting: str) -> str | None:
    """Where a tracked link leads; None where the company has set no address of the web."""
    address = definition.settings.get(setting)
    if not isinstance(address, str):
        return None
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return None
    named = parts.scheme == "https" and parts.hostname and parts.username is None
    return address.strip() if named else None


def shortened(
    intent: Intent, step: Message, definition: Definition, *, public_url: str, secret: str, tenant_id: int
) -> Intent:
    """``intent`` with a short link where the tracked address stood.

    ``said`` keeps the words as they were: the same request stays the same, whatever its link. Without
    PUBLIC_BASE_URL or SECRET_KEY the address itself stays in them.
    """
    if not public_url or not secret or intent.instance_id is None:
        return intent
    return _linked(intent, step, definition, public_url, token(secret, tenant_id, intent.instance_id))


def as_if_shortened(intent: Intent, step: Message, definition: Definition, *, public_url: str) -> Intent:
    """``intent`` with a link as long as a real one, that leads nowhere: for messages that are not sent."""
    return _linked(intent, step, definition, public_url, _NOBODYS) if public_url else intent


def _linked(intent: Intent, step: Message, definition: Definition, public_url: str, named: str) -> Intent:
    address = address_of(definition, step.tracks) if step.tracks is not None else None
    if address is None:
        return intent
    link = f"{public_url.rstrip('/')}/r/{named}"
    html = intent.html
    for spelled in (address, escape(address)):
        html = html.replace(spelled, link) if html else html
    body, data = intent.body.replace(address, link), {**intent.data, "said": intent.body}
    return replace(intent, body=body, html=html, data=data)


def _signature(secret: str, tenant_id: int, instance_id: int) -> str:
    said = f"link {tenant_id} {instance_id}".encode()
    return urlsafe_b64encode(hmac.digest(secret.encode(), said, sha256)[:_SIGNED]).decode()
