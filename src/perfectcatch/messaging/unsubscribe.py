"""Links that end email: signed, without an end, and without anybody's address in them.

A token names a message of ours; the signature is of the company and the message, made with SECRET_KEY.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Final

_TOKEN: Final = re.compile(r"(\d{1,18})\.([A-Za-z0-9_-]{43})", re.ASCII)


def token(secret: str, tenant_id: int, message_id: int) -> str:
    """The token of a message."""
    if not secret:
        raise ValueError("a link to unsubscribe needs SECRET_KEY")
    return f"{message_id}.{_signature(secret, tenant_id, message_id)}"


def message_of(secret: str, tenant_id: int, text: str) -> int | None:
    """The id of the message that ``text`` is the token of; None for a forged one."""
    found = _TOKEN.fullmatch(text)
    if not secret or found is None:
        return None
    message_id = int(found[1])
    same = hmac.compare_digest(found[2], _signature(secret, tenant_id, message_id))
    return message_id if same else None


def _signature(secret: str, tenant_id: int, message_id: int) -> str:
    said = f"unsubscribe {tenant_id} {message_id}".encode()
    return urlsafe_b64encode(hmac.digest(secret.encode(), said, sha256)).decode().rstrip("=")
