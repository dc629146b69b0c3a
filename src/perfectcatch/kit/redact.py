"""Removes secrets and personal data from what ends up in errors, logs and samples."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(
    r"authorization|cookie|secret|password|passwd|token|api[-_]?key|app[-_]?key|signature|credential|^sig$",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(Bearer|Basic|Token)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
_WEB_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.?[A-Za-z0-9_-]*")
_NAMED_SECRET = re.compile(
    r"""(?P<name>["']?[\w.-]*(?:secret|password|passwd|token|api[-_]?key|app[-_]?key|signature|authorization)"""
    r"""[\w.-]*["']?\s*[=:]\s*)(?P<value>"[^"]*"?|'[^']*'?|[^\s&,;"'<>]+)""",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_LONG_NUMBER = re.compile(r"\+?\d(?:[\d ().-]{5,})\d")
_JSON_TEXT = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$))(\s*:)?')


def is_secret(name: str) -> bool:
    """Whether a header, query or field of this name usually holds a secret."""
    return _SECRET_NAME.search(name) is not None


def headers(values: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with the values of secret ones hidden."""
    return {name: HIDDEN if is_secret(name) else value for name, value in values.items()}


def url(address: str) -> str:
    """Return the address without user, password and query values (signed links are secrets)."""
    parts = urlsplit(address)
    query = "&".join(f"{pair.split('=', 1)[0]}=..." for pair in parts.query.split("&")) if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def text(value: str) -> str:
    """Return the text with tokens, keys and passwords hidden; what a person needs to read stays."""
    value = _BEARER.sub(lambda match: f"{match[1]} {HIDDEN}", value)
    value = _WEB_TOKEN.sub(HIDDEN, value)
    return _NAMED_SECRET.sub(lambda match: match["name"] + HIDDEN, value)


def sample(body: bytes, length: int = 160) -> str:
    """Return the beginning of an unusable body: enough to recognise it, nothing that identifies anybody.

    Of JSON only the structure and the names of fields are kept, since any value may be a customer's.
    """
    # A secret may straddle the cut, so hiding comes before shortening.
    start = body[: 8 * length].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if start[:1] in {"{", "["}:
        start = _JSON_TEXT.sub(lambda match: match[0] if match[2] else '"..."', start)
    start = _LONG_NUMBER.sub("[number]", _EMAIL.sub("[e-mail]", text(start)))
    start = " ".join("".join(letter if letter.isprintable() else " " for letter in start).split())
    return start if len(start) <= length else start[:length] + "..."
