"""Messages from people: stored once, understood, and acted on in the same transaction.

An end of messages is in force when the transaction commits. Everything else that needs an answer goes to a
person, as a row that waits and as the business event ``message_received``, which ends what a workflow had
planned. Confirmations leave through the gate like every message.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from perfectcatch.errors import NothingKnown
from perfectcatch.messaging import gate, optout
from perfectcatch.messaging.desk import Desk
from perfectcatch.messaging.gathering import opt_outs_of, parties, rules_in_force
from perfectcatch.messaging.numbers import normalized
from perfectcatch.messaging.optout import Meaning
from perfectcatch.model.messaging import Channel, Decision, Intent, Purpose, Received
from perfectcatch.store.messages import known, log, people, waiting
from perfectcatch.store.pool import Connection, run_in_transaction

# Words that also answer a question about a visit: the office has to look.
_ALSO_AN_ANSWER: Final = frozenset({"cancel", "cancelar", "end", "quit", "remove"})

_ANSWERED_WITHIN: Final = timedelta(hours=1)
_ANSWERS: Final = {
    Meaning.OPT_OUT: (
        "{name}: you will get no more messages from us. Reply START to get them again.",
        "{name}: no recibirá más mensajes nuestros. Responda START para recibirlos de nuevo.",
    ),
    Meaning.START: (
        "{name}: you will get messages from us again. Reply STOP to end them, HELP for help.",
        "{name}: recibirá mensajes nuestros de nuevo. Responda STOP para terminarlos, AYUDA para ayuda.",
    ),
    Meaning.HELP: (
        "{name}: messages about your service{phone}. Msg & data rates may apply. Reply STOP to end them.",
        "{name}: mensajes sobre su servicio{phone}. Pueden aplicar tarifas. Responda STOP para terminarlos.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message from a person as it was taken. ``new``: it had not come before."""

    new: bool
    received_id: int | None = None
    meaning: Meaning | None = None
    customers: tuple[int, ...] = ()
    spanish: bool = False
    answer: Decision | None = None


async def take(desk: Desk, received: Received, channel: Channel = Channel.SMS) -> Taken:
    """Store a message from a person and act on it, once by the vendor's id."""
    taken = await run_in_transaction(desk.pool, partial(_take, desk, received, channel), clock=desk.clock)
    return replace(taken, answer=await _answer(desk, received, channel, taken)) if taken.new else taken


async def decide(desk: Desk, received_id: int, *, opted_out: bool, by: str) -> None:
    """A person has read a message that waited: it was an opt-out, or it was not. Raises ``NothingKnown``."""

    async def work(connection: Connection) -> None:
        row = await people.decide_received(
            connection,
            desk.tenant_id,
            received_id,
            decision="opt_out" if opted_out else "handled",
            by=by,
            now=desk.clock.now(),
        )
        if row is None:
            raise NothingKnown(f"No message {received_id} waits for a person.")
        await waiting.wake(
            connection,
            desk.tenant_id,
            reason="doubtful_opt_out",
            address=row["sender"],
            customer_ids=row["customer_ids"],
            now=desk.clock.now(),
        )
        if opted_out:
            await log.lock(connection, desk.tenant_id, parties(row["sender"], *row["customer_ids"]))
            await _opt_out(
                connection, desk, row["channel"], row["sender"], row["customer_ids"], "person", row["body"],
                by, received_id,
            )  # fmt: skip

    await run_in_transaction(desk.pool, work, clock=desk.clock)


async def _take(desk: Desk, received: Received, channel: Channel, connection: Connection) -> Taken:
    sender = normalized(channel, received.sender)[0] or received.sender
    customers = await known.owners(connection, desk.tenant_id, sender)
    await log.lock(connection, desk.tenant_id, parties(sender, *customers))
    rules = await rules_in_force(connection, desk)
    out = await opt_outs_of(connection, desk, rules, [sender], customers)
    understood = optout.understand(received.body, opted_out=bool(out))
    meaning = understood.meaning
    word = " ".join(received.body.split()).casefold()
    needs_person = meaning in (Meaning.REPLY, Meaning.DOUBTFUL) or word in _ALSO_AN_ANSWER
    received_id = await people.add_received(
        connection,
        desk.tenant_id,
        Received(
            vendor_id=received.vendor_id, sender=sender, to=received.to, body=received.body, at=received.at
        ),
        channel=channel,
        customer_ids=customers,
        meaning=meaning,
        needs_person=needs_person,
    )
    if received_id is None:
        return Taken(new=False)
    if meaning is Meaning.OPT_OUT:
        await _opt_out(
            connection,
            desk,
            channel,
            sender,
            customers,
            understood.by,
            received.body,
            "recipient",
            received_id,
        )
    elif meaning is Meaning.START:
        await people.end_opt_outs(
            connection, desk.tenant_id, now=desk.clock.now(), by="recipient", channel=channel, address=sender
        )
    await people.tell_received(
        connection,
        desk.tenant_id,
        received_id,
        at=received.at,
        data=_event(received, channel, sender, customers, meaning, needs_person=needs_person),
    )
    return Taken(
        new=True,
        received_id=received_id,
        meaning=meaning,
        customers=tuple(customers),
        spanish=understood.spanish,
    )


def _event(
    received: Received,
    channel: Channel,
    sender: str,
    customers: list[int],
    meaning: Meaning,
    *,
    needs_person: bool,
) -> dict[str, Any]:
    return {
        "customer_id": customers[0] if len(customers) == 1 else None,
        "customer_ids": customers,
        "channel": str(channel),
        "sender": sender,
        "to": received.to,
        "body": received.body,
        "meaning": str(meaning),
        "needs_person": needs_person,
    }


async def _opt_out(
    connection: Connection,
    desk: Desk,
    channel: str,
    sender: str,
    customers: list[int],
    source: str,
    wording: str,
    by: str,
    received_id: int,
) -> None:
    await people.add_opt_out(
        connection,
        desk.tenant_id,
        channel=channel,
        address=sender,
        customer_ids=customers,
        covers=None,
        source=source,
        wording=wording[:500],
        since=desk.clock.now(),
        by=by,
        received_id=received_id,
    )


async def _answer(desk: Desk, received: Received, channel: Channel, taken: Taken) -> Decision | None:
    """The one confirmation, or the help that was asked for. What the vendor confirms by itself we do not."""
    assert taken.meaning is not None
    words = _ANSWERS.get(taken.meaning)
    if desk.clock.now() - received.at > _ANSWERED_WITHIN:
        return None  # they have long given up waiting for it
    carriers = taken.meaning is Meaning.OPT_OUT and optout.carriers_act(received.body)
    if words is None or channel is not Channel.SMS or carriers:
        return None
    phone = f", {desk.company.phone}" if desk.company.phone else ""
    text = words[1 if taken.spanish else 0].format(name=desk.company.name or "We", phone=phone)
    return await gate.send(
        desk,
        Intent(
            key=f"received {taken.received_id} {taken.meaning}",
            channel=channel,
            purpose=Purpose.SERVICE,
            recipient=received.sender,
            body=text,
            asked_by="recipient",
            data={"reply": True, "confirms_opt_out": taken.meaning in (Meaning.OPT_OUT, Meaning.HELP)},
        ),
    )
