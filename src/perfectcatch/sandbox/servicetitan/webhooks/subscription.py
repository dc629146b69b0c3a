"""Where webhooks go, how they are signed, which events are wanted, what goes wrong with them on purpose."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from perfectcatch.errors import BadArgument
from perfectcatch.kit.addresses import is_loopback

HEADER = "x-servicetitan-signature"
_ENCODINGS = ("hex", "base64")
_SHARES = ("drop", "duplicate", "reorder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One receiver. Shares lie between 0 and 1; ``delay`` is in seconds."""

    url: str | None = None
    secret: str = ""
    header: str = HEADER
    encoding: str = "hex"
    events: tuple[str, ...] = ("*",)
    anywhere: bool = False  # addresses of other machines too
    drop: float = 0.0  # never sent
    duplicate: float = 0.0  # sent twice
    reorder: float = 0.0  # sent behind the next one
    delay: float = 0.0

    def __post_init__(self) -> None:
        if self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise BadArgument(
                    f"{self.url!r} is no address for webhooks: write http://127.0.0.1:PORT/PATH."
                )
            if not self.anywhere and not is_loopback(parts.hostname):
                raise BadArgument(
                    f"Webhooks go to this machine only, {parts.hostname} is another: allow it by anywhere."
                )
        if self.encoding not in _ENCODINGS:
            raise BadArgument(
                f"A signature is written in {' or '.join(_ENCODINGS)}, not in {self.encoding!r}."
            )
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise BadArgument(f"The share {name} lies between 0 and 1.")
        if self.delay < 0:
            raise BadArgument("The delay is a number of seconds, 0 or more.")

    def changed(self, facts: Mapping[str, Any]) -> "Subscription":
        """The subscription after a request that names some of its facts. Raises BadArgument."""
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        if unknown := facts.keys() - known.keys():
            raise BadArgument(f"Webhooks have no {', '.join(sorted(unknown))}: there are {', '.join(known)}.")
        changes: dict[str, Any] = {}
        for name, value in facts.items():
            kind = str if name == "url" and value is not None else type(known[name])
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)  # noqa: PLW2901 - a whole number is a number
            if name == "events":
                value = tuple(value) if isinstance(value, list) and value else ("*",)  # noqa: PLW2901
            elif name == "url" and value is None:
                pass
            elif not isinstance(value, kind):
                raise BadArgument(f"The {name} of webhooks is not of the right kind.")
            changes[name] = value
        return replace(self, **changes)

    def wants(self, event: str) -> bool:
        """Whether this event is asked for: ``job.completed``, ``job.*``, ``*``."""
        return self.url is not None and any(fnmatchcase(event, each) for each in self.events)

    def signature(self, body: bytes) -> str:
        """HMAC-SHA256 over the raw body."""
        digest = hmac.new(self.secret.encode(), body, hashlib.sha256).digest()
        return digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()

    def shown(self) -> dict[str, Any]:
        """As the control surface tells it: not the secret, only whether there is one."""
        return {**asdict(self), "events": list(self.events), "secret": bool(self.secret)}
