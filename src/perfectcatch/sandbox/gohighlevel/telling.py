"""Webhooks of the simulated location: signed with Ed25519, and brought again only where 429 was answered."""

import itertools
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.clock import Clock, SystemClock
from perfectcatch.kit.http import Request, Response

HEADER: Final = "X-GHL-Signature"
TRIES: Final = 6
_AGAIN: Final = 429
_NOT_TOLD: Final = ("searchAfter", "contactName", "type")  # what kind of contact it is hides behind the event


@dataclass(slots=True)
class Telling:
    """A happening on its way. ``status`` is the last answer, ``done`` whether it was the final one."""

    body: bytes
    type: str
    number: int
    tries: int = 0
    due: float = 0.0
    status: int | None = None
    done: bool = False


@dataclass(slots=True)
class Teller:
    """Tells what happens. ``again_seconds``: until a refusal with 429 is brought again, by machine time.

    The moment in an envelope is the machine's too: whoever receives it holds it against a clock of their own.
    """

    clock: Clock = field(default_factory=SystemClock)
    url: str | None = None
    again_seconds: float = 600.0
    drop: bool = False  # what happens is never told
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    told: deque[Telling] = field(default_factory=lambda: deque(maxlen=20_000))
    _waiting: list[Telling] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    @property
    def public_key(self) -> str:
        """As the app's settings show it: DER in Base64."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return b64encode(self.key.public_key().public_bytes(serialization.Encoding.DER, form)).decode()

    def happened(self, what: str, record: dict[str, Any]) -> None:
        """Note a happening; it is told soon, if anybody listens."""
        if self.url is None or self.drop:
            return
        body = msgspec.json.encode(self.envelope(what, record))
        self._waiting.append(Telling(body, what, next(self._numbers)))

    def envelope(self, what: str, record: dict[str, Any]) -> dict[str, Any]:
        """A happening as the vendor writes it."""
        shown = {name: value for name, value in record.items() if name not in _NOT_TOLD}
        return {
            "type": what,
            **shown,
            "appId": "made0up0app000000000",
            "versionId": "made0up0app000000000",
            "webhookId": str(uuid4()),
            "timestamp": self.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }

    def signed(self, body: bytes) -> dict[str, str]:
        """The headers of a webhook."""
        signature = b64encode(self.key.sign(body)).decode()
        return {"Content-Type": "application/json", HEADER: signature}

    async def bring(self, send: Callable[[Request], Awaitable[Response]]) -> None:
        """Bring what is due; another answer than 429 is final, whatever it says."""
        now = self.clock.monotonic()
        due = [each for each in self._waiting if each.due <= now]
        for each in due:
            assert self.url is not None
            headers = self.signed(each.body)
            request = Request(
                method="POST", url=self.url, headers=headers, body=each.body, total_seconds=15.0
            )
            try:
                each.status = (await send(request)).status
            except PerfectCatchError:
                each.status = None
            each.tries += 1
            each.done = each.status != _AGAIN or each.tries >= TRIES
            each.due = self.clock.monotonic() + self.again_seconds
            if each.done:
                self._waiting.remove(each)
                self.told.append(each)

    @property
    def waiting(self) -> int:
        """How many are still to be brought."""
        return len(self._waiting)
