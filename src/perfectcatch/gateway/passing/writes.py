"""Changes at the vendor: noted before and after, carried out once for each ``Idempotency-Key``.

What the vendor answers, a refusal too, is what every repetition of the key gets. What was certainly not
carried out frees the key. What may have been is *unknown*: it is never sent again, and the next repetition
reads the record back to find out.
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

import structlog

from perfectcatch.errors import OutcomeUnknown, PerfectCatchError, VendorRefused
from perfectcatch.gateway.access import Caller
from perfectcatch.gateway.passing import faults
from perfectcatch.gateway.passing.replies import Reply, reply_of
from perfectcatch.gateway.problems import Denied
from perfectcatch.kit.clock import Clock
from perfectcatch.model.call import Call
from perfectcatch.model.passing import Passage
from perfectcatch.store import audit, idempotency
from perfectcatch.store.idempotency import Answer, Key, State
from perfectcatch.store.pool import Pool
from perfectcatch.store.presence import Presence

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_FORGET_SECONDS: Final = 3600.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A change that a caller asks for. ``digest`` is that of the body."""

    call: Call
    caller: Caller
    request_id: UUID
    digest: bytes
    key: str | None


class Writes:
    """Carries changes out. ``changed`` is told the operation after each that may have happened."""

    def __init__(
        self,
        pool: Pool,
        tenant_id: int,
        passage: Passage,
        presence: Presence,
        clock: Clock,
        changed: Callable[[Call], None],
    ) -> None:
        self._pool = pool
        self._tenant_id = tenant_id
        self._passage = passage
        self._presence = presence
        self._clock = clock
        self._changed = changed
        self._forget_at = 0.0

    async def answer(self, asked: Asked, send: Callable[[], Awaitable[Reply]]) -> Reply:
        """The reply to a change: sent now through ``send``, or what became of it when it was sent before."""
        if asked.key is None:
            return await self._send(asked, send)
        if not _KEY.fullmatch(asked.key):
            raise Denied(400, "An Idempotency-Key is 1 to 255 printable characters without spaces.")
        await self._forget_old()
        key = Key(self._tenant_id, asked.caller.key_id, asked.key)
        claim = await idempotency.claim(
            self._pool,
            key,
            request_hash=_hash(asked),
            request_id=asked.request_id,
            operation=asked.call.endpoint.name,
            target=asked.call.path,
            owner=await self._presence.name(),
        )
        if claim.request_hash != _hash(asked):
            raise Denied(
                422,
                "This Idempotency-Key was used for another request: take a new key for each change, and the "
                "same one only to repeat it unchanged.",
            )
        match claim.state:
            case State.MINE:
                return await self._first(asked, key, send)
            case State.FINISHED if claim.answer is not None:
                return _stored(claim.answer)
            case State.UNKNOWN:
                return await self._resolve(asked, key, claim)
        raise Denied(
            409,
            "The request with this Idempotency-Key is under way: repeat it in a moment for its answer.",
            headers={"Retry-After": "1"},
            outcome="in progress",
        )

    async def _first(self, asked: Asked, key: Key, send: Callable[[], Awaitable[Reply]]) -> Reply:
        try:
            reply = await self._send(asked, send)
        except (OutcomeUnknown, VendorRefused) as error:
            if isinstance(error, OutcomeUnknown):
                await idempotency.unknown(self._pool, key)
                raise
            refusal = faults.reply_to(error)
            await self._keep(key, refusal)
            return refusal
        except PerfectCatchError:
            await idempotency.release(self._pool, key, asked.request_id)
            raise
        await self._keep(key, reply)
        return reply

    async def _keep(self, key: Key, reply: Reply) -> None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers]
        try:
            await idempotency.finish(
                self._pool, key, Answer(status=reply.status, headers=headers, body=reply.body)
            )
        except PerfectCatchError as error:
            # The change is made and its answer goes out; a repetition finds the claim and reads back.
            log.warning("the answer to a change could not be kept", reason=str(error))

    async def _send(self, asked: Asked, send: Callable[[], Awaitable[Reply]]) -> Reply:
        change = audit.Change(
            request_id=asked.request_id,
            key_id=asked.caller.key_id,
            actor=asked.caller.name,
            via="api",
            operation=asked.call.endpoint.name,
            method=asked.call.endpoint.method,
            target=asked.call.target,
            request_hash=_hash(asked),
            idempotency_key=asked.key,
        )
        await audit.asked(self._pool, self._tenant_id, change)
        began = time.monotonic()
        outcome = audit.Outcome(word="unknown")
        try:
            reply = await send()
        except VendorRefused as error:
            outcome = audit.Outcome(word="refused", status=error.status, trace_id=error.trace_id)
            raise
        except OutcomeUnknown as error:
            outcome = audit.Outcome(word="unknown", status=error.status)
            raise
        except PerfectCatchError:
            outcome = audit.Outcome(word="not sent")
            raise
        else:
            outcome = audit.Outcome(word="done", status=reply.status)
            return reply
        finally:
            self._changed(asked.call)
            await self._ended(change, outcome, began)

    async def _ended(self, change: audit.Change, outcome: audit.Outcome, began: float) -> None:
        lasted = round(1000 * (time.monotonic() - began))
        whole = audit.Outcome(
            word=outcome.word, status=outcome.status, trace_id=outcome.trace_id, duration_ms=lasted
        )
        try:
            await audit.ended(self._pool, self._tenant_id, change, whole)
        except PerfectCatchError as error:
            log.warning("the outcome of a change could not be noted", outcome=outcome.word, reason=str(error))

    async def _resolve(self, asked: Asked, key: Key, claim: idempotency.Claim) -> Reply:
        found = await self._passage.read_back(asked.call, claim.age)
        if found.in_effect and found.response is not None:
            reply = reply_of(asked.call.endpoint, found.response)
            await self._keep(key, reply)
            return reply.having(idempotency_replayed="true", idempotency_resolved="read back")
        if found.in_effect is False:
            raise Denied(
                409,
                "Nobody learned the outcome of the request with this Idempotency-Key, and what the vendor "
                f"shows now is not what was asked for. Look at {found.look_at}; to ask for it again, send it "
                "with a new key.",
                outcome="not in effect",
                look_at=found.look_at,
            )
        raise Denied(
            409,
            "Nobody learned whether the request with this Idempotency-Key was carried out, and reading back "
            f"does not tell. It is never sent again with this key: look at {found.look_at}, and send it with "
            "a new key if it is not there.",
            outcome="unknown",
            look_at=found.look_at,
        )

    async def _forget_old(self) -> None:
        now = self._clock.monotonic()
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_SECONDS
            await idempotency.forget_old(self._pool)


def _hash(asked: Asked) -> bytes:
    digest = sha256(f"{asked.call.endpoint.name}\n{asked.call.target}\n".encode())
    digest.update(asked.digest)
    return digest.digest()


def _stored(answer: Answer) -> Reply:
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers)
    reply = Reply(answer.status, headers, answer.body, length=len(answer.body))
    return reply.having(idempotency_replayed="true")
