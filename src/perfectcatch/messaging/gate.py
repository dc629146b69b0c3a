"""The one function through which every message to people leaves.

An intent's row is written, with the status *unknown* and the reason "sending", and committed before the
vendor is asked; its answer is written after. So whatever dies in between, nothing is sent twice: what is
*unknown* is read back from the vendor (``reconcile``) and never sent again. The decision is made in the
transaction that writes the row, under locks on the recipient and the customer; an opt-out takes them too.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

import structlog

from perfectcatch.errors import AskPerson, OutcomeUnknown, Refused, Retry
from perfectcatch.messaging import footers, quiet
from perfectcatch.messaging.desk import Company, Desk
from perfectcatch.messaging.facts import Facts
from perfectcatch.messaging.gathering import all_facts, opted_out, parties, rules_in_force, sender_of
from perfectcatch.messaging.judging import ALLOWED, expiry, judge, print_of
from perfectcatch.messaging.learning import learn
from perfectcatch.messaging.numbers import normalized
from perfectcatch.messaging.rules import Rules
from perfectcatch.messaging.segments import segments
from perfectcatch.model.messaging import (
    Channel,
    Decision,
    Intent,
    NotCarried,
    Purpose,
    Receipt,
    Status,
    Text,
)
from perfectcatch.store.messages import holds, log, waiting
from perfectcatch.store.messages.log import SENDING, SHADOW, Message, Written
from perfectcatch.store.pool import Connection, run_in_transaction

__all__ = ["Company", "Desk", "Facts", "Rules", "facts", "intent_of", "judge", "resume", "rules_of", "send"]

_log = structlog.get_logger(__name__)
_REPLY_SECONDS: Final = 3600  # an answer that comes later than this confuses
_FIRST_WAIT: Final = 60.0
_LONGEST_WAIT: Final = 3600.0
_STALE_SECONDS: Final = 0.5  # a decision older than this is not acted on without a look at the opt-outs
_PERSON_WAIT: Final = timedelta(minutes=15)  # credentials that somebody has to mend


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decided:
    """What a transaction decided. ``go``: hand it over now, as ``attempt``."""

    decision: Decision
    go: bool = False
    message_id: int = 0
    address: str = ""
    attempt: UUID | None = None
    attempts: int = 0
    valid_for: int = 0
    last: datetime | None = None
    at: float = 0.0


async def send(desk: Desk, intent: Intent) -> Decision:
    """Decide about ``intent`` and, if it may go, hand it to its vendor, once for ever by its key.

    A key that was decided before gets its decision again. A deferred one is decided anew when it is due, and
    a held one whenever it is asked for.
    """
    decided = await run_in_transaction(desk.pool, partial(_decide, desk, intent, uuid4()), clock=desk.clock)
    return await _hand_over(desk, intent, decided) if decided.go else decided.decision


async def facts(desk: Desk, intent: Intent, now: datetime) -> Facts:
    """What is known for ``intent`` at ``now``, the present."""
    async with desk.pool.connection() as connection:
        rules = await rules_in_force(connection, desk)
        return await all_facts(connection, desk, intent, rules, now, None)


async def rules_of(desk: Desk) -> Rules:
    """The rules in force: the desk's, with what the company has changed."""
    async with desk.pool.connection() as connection:
        return await rules_in_force(connection, desk)


async def resume(desk: Desk, *, limit: int = 100) -> int:
    """Decide again about deferred messages of no workflow instance whose time has come; how many there were.

    Those of an instance are its workflow's: it looks at its stop rules first.
    """
    found = await waiting.due(desk.pool, desk.tenant_id, now=desk.clock.now(), limit=limit)
    for message in found:
        await send(desk, intent_of(message))
    return len(found)


def intent_of(message: Message) -> Intent:
    """The intent that a row was written for."""
    return Intent(
        key=message.intent_key.removeprefix("shadow:") if message.shadow else message.intent_key,
        channel=Channel(message.channel),
        purpose=Purpose(message.purpose),
        recipient=message.recipient,
        body=message.body,
        subject=message.subject,
        html=message.html,
        customer_id=message.customer_id,
        location_id=message.location_id,
        template=message.template,
        workflow=message.workflow,
        instance_id=message.instance_id,
        step=message.step,
        asked_by=message.asked_by,
        shadow=message.shadow,
        data=message.data,
    )


# Deciding ----------------------------------------------------------------------------------------


async def _decide(desk: Desk, intent: Intent, attempt: UUID, connection: Connection) -> _Decided:
    """Decide in a transaction that may be repeated: ``attempt`` tells our own commit from another's."""
    key = f"shadow:{intent.key}" if intent.shadow else intent.key
    to, _ = normalized(intent.channel, intent.recipient)
    await log.lock(connection, desk.tenant_id, [f"key {key}", *parties(to, intent.customer_id)])
    now = desk.clock.now()
    before = await log.find(connection, desk.tenant_id, key)
    ours = before is not None and before.attempt == attempt and before.status == Status.UNKNOWN
    if before is not None and not ours and not _is_due(before, now):
        return _Decided(decision=before.decision)
    rules = await rules_in_force(connection, desk)
    known = await all_facts(connection, desk, intent, rules, now, before)
    decision = judge(intent, known, rules, now)
    if ours:
        decision = Decision(status=Status.SENT, reason=ALLOWED, sentence="")
    go = decision.reason == ALLOWED
    live = go and not intent.shadow
    written = Written(
        key=key,
        address=known.to,
        body=footers.text_of(intent),
        fingerprint=print_of(intent),
        segments=segments(footers.text_of(intent)) if intent.channel is Channel.SMS else None,
        status=decision.status,
        reason=decision.reason,
        sentence=decision.sentence,
        until=decision.until,
        held=decision.held,
        attempt=attempt if live else None,
        now=now,
    )
    if live:
        written = replace(
            written, status=Status.UNKNOWN, reason=SENDING, sentence="The vendor is being asked."
        )
    elif go:
        written = replace(
            written, status=Status.SUPPRESSED, reason=SHADOW, sentence="Shadow: would be sent now."
        )
    message_id = (
        before.id if ours and before else await log.write(connection, desk.tenant_id, intent, written)
    )
    if decision.reason == "blast":
        await _hold_sender(connection, desk, intent, decision, now)
    return _Decided(
        decision=replace(
            decision,
            message_id=message_id,
            reason=written.reason if go else decision.reason,
            sentence=written.sentence,
        ),
        go=live,
        message_id=message_id,
        address=known.to or "",
        attempt=attempt,
        attempts=before.attempts if before else 0,
        valid_for=_valid_for(intent, known, now),
        last=(known.first_asked or now) + rules.longest_deferral,
        at=desk.clock.monotonic(),
    )


def _is_due(message: Message, now: datetime) -> bool:
    """Whether it may be decided anew; a held one may: what holds it still does until a person decides."""
    if message.status != Status.DEFERRED:
        return False
    return message.held or (message.until is not None and message.until <= now)


async def _hold_sender(
    connection: Connection, desk: Desk, intent: Intent, decision: Decision, now: datetime
) -> None:
    sender = sender_of(intent)
    await holds.open_hold(
        connection,
        desk.tenant_id,
        kind=sender.kind,
        name=sender.name,
        reason=decision.reason,
        sentence=decision.sentence.removeprefix("Held: ").removesuffix("."),
        now=now,
    )


def _valid_for(intent: Intent, known: Facts, now: datetime) -> int:
    """Seconds for which the vendor may keep a text: not into the night, nor beyond its use."""
    if intent.data.get("reply"):
        left = _REPLY_SECONDS
    else:
        left = quiet.seconds_left(known.places, intent.purpose, now)
    expires = expiry(intent)
    if expires is not None:
        left = min(left, int((expires - now).total_seconds()))
    return max(1, left)


# Handing over ------------------------------------------------------------------------------------


async def _hand_over(desk: Desk, intent: Intent, decided: _Decided) -> Decision:
    stale = desk.clock.monotonic() - decided.at > _STALE_SECONDS
    if stale and (lost := await _no_longer_ours(desk, decided)):
        return lost
    if stale and await opted_out(desk, intent, decided.address):
        return await _answer(
            desk, decided, Status.SUPPRESSED, "opted_out", "Not sent: the recipient opted out meanwhile."
        )
    try:
        receipt = await _carry(desk, intent, decided)
    except NotCarried as trouble:
        async with desk.pool.connection() as connection:
            message = await log.by_id(connection, desk.tenant_id, decided.message_id)
        assert message is not None
        reason = await learn(desk, message, trouble)
        sentence = f"Refused by the vendor ({trouble.code}): {trouble.sentence}"
        return await _answer(desk, decided, Status.REFUSED, reason, sentence, code=trouble.code)
    except OutcomeUnknown as error:
        sentence = f"The vendor may have it: {error}"
        return await _answer(desk, decided, Status.UNKNOWN, "outcome_unknown", sentence)
    except Retry as error:
        wait = error.after_seconds or min(_FIRST_WAIT * 2**decided.attempts, _LONGEST_WAIT)
        return await _again(desk, decided, "vendor_busy", str(error), timedelta(seconds=wait))
    except AskPerson as error:
        return await _again(desk, decided, "vendor_refuses_us", str(error), _PERSON_WAIT)
    except Refused as error:
        return await _answer(desk, decided, Status.REFUSED, "refused", f"Refused by the vendor: {error}")
    except Exception as error:  # noqa: BLE001 - whatever it is, the vendor may have the message
        _log.exception("message_outcome_unknown", message_id=decided.message_id)
        sentence = f"The vendor may have it: {type(error).__name__} while it was handed over."
        return await _answer(desk, decided, Status.UNKNOWN, "outcome_unknown", sentence)
    sentence = receipt.sentence or f"The vendor took it: {receipt.status}."
    return await _answer(desk, decided, receipt.status, str(receipt.status), sentence, receipt=receipt)


async def _no_longer_ours(desk: Desk, decided: _Decided) -> Decision | None:
    """What became of the message meanwhile: a process that stood still may wake after it was read back."""
    async with desk.pool.connection() as connection:
        message = await log.by_id(connection, desk.tenant_id, decided.message_id)
    ours = message is not None and message.attempt == decided.attempt and message.status == Status.UNKNOWN
    return None if ours or message is None else message.decision


async def _carry(desk: Desk, intent: Intent, decided: _Decided) -> Receipt:
    if intent.channel is Channel.SMS:
        assert desk.messenger is not None, "without a vendor nothing is decided to go"
        text = Text(
            to=decided.address,
            body=footers.text_of(intent),
            reference=str(decided.message_id),
            valid_for=decided.valid_for,
        )
        return await desk.messenger.send(text)
    assert desk.mailer is not None, "without a vendor nothing is decided to go"
    mail = footers.mail_of(
        intent, desk.company, tenant_id=desk.tenant_id, message_id=decided.message_id, to=decided.address
    )
    return await desk.mailer.send(mail)


async def _again(desk: Desk, decided: _Decided, reason: str, because: str, wait: timedelta) -> Decision:
    """The vendor certainly has nothing: later, unless that is too late."""
    until = desk.clock.now() + wait
    if decided.last is not None and until > decided.last:
        return await _answer(desk, decided, Status.SUPPRESSED, reason, f"Not sent, given up: {because}")
    sentence = f"Later, at {until:%Y-%m-%d %H:%M} UTC: {because}"
    return await _answer(desk, decided, Status.DEFERRED, reason, sentence, until=until)


async def _answer(
    desk: Desk,
    decided: _Decided,
    status: Status,
    reason: str,
    sentence: str,
    *,
    receipt: Receipt | None = None,
    code: str | None = None,
    until: datetime | None = None,
) -> Decision:
    assert decided.attempt is not None
    message = await log.answered(
        desk.pool,
        desk.tenant_id,
        decided.message_id,
        attempt=decided.attempt,
        status=status,
        reason=reason,
        sentence=sentence,
        now=desk.clock.now(),
        receipt=receipt,
        code=code,
        until=until,
    )
    return message.decision
