"""Opt-outs, their end, and consent, whoever tells us of them: each under the locks that a decision takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from perfectcatch.errors import BadArgument
from perfectcatch.messaging.desk import Desk
from perfectcatch.messaging.gathering import parties
from perfectcatch.messaging.numbers import normalized
from perfectcatch.messaging.rules import StopCovers
from perfectcatch.model.messaging import Channel, Purpose
from perfectcatch.store.messages import known, log, people
from perfectcatch.store.pool import Connection, run_in_transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class OptingOut:
    """Somebody wants no more messages. ``covers`` None: what the rules say; ``by``: who noted it."""

    channel: Channel
    address: str | None = None
    customer_id: int | None = None
    covers: StopCovers | None = None
    source: str  # keyword, phrase, vendor, unsubscribe, complaint, person
    wording: str = ""
    by: str
    message_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Consent to messages of a purpose, or its withdrawal, with what proves it."""

    channel: Channel
    purpose: Purpose
    given: bool
    source: str  # form, contract, text, call, import
    wording: str
    at: datetime
    by: str
    address: str | None = None
    customer_id: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


async def opt_out(desk: Desk, wanted: OptingOut) -> int | None:
    """Note an opt-out; nothing that is decided after this goes out. None if it is in force already."""
    address = address_of(wanted.channel, wanted.address) if wanted.address is not None else None
    if address is None and wanted.customer_id is None:
        raise BadArgument("Name an address or a customer that wants no more messages.")

    async def note(connection: Connection) -> int | None:
        customers = await known.owners(connection, desk.tenant_id, address) if address else []
        if wanted.customer_id is not None and wanted.customer_id not in customers:
            customers.append(wanted.customer_id)
        await log.lock(connection, desk.tenant_id, parties(address, *customers))
        return await people.add_opt_out(
            connection,
            desk.tenant_id,
            channel=wanted.channel,
            address=address,
            customer_ids=customers,
            covers=wanted.covers,
            source=wanted.source,
            wording=wanted.wording,
            since=desk.clock.now(),
            by=wanted.by,
            message_id=wanted.message_id,
        )

    return await run_in_transaction(desk.pool, note, clock=desk.clock)


async def end_opt_out(desk: Desk, opt_out_id: int, *, by: str) -> bool:
    """End an opt-out because a person says so; whether it was in force."""
    work = partial(
        people.end_opt_outs,
        tenant_id=desk.tenant_id,
        now=desk.clock.now(),
        by=by,
        opt_out_id=opt_out_id,
    )
    return bool(await run_in_transaction(desk.pool, work, clock=desk.clock))


async def agree(desk: Desk, agreement: Agreement) -> int:
    """Note consent or its withdrawal; the row's id."""
    address = address_of(agreement.channel, agreement.address) if agreement.address is not None else None
    if address is None and agreement.customer_id is None:
        raise BadArgument("Name the address or the customer that consent is of.")
    if agreement.given and not agreement.wording.strip():
        raise BadArgument("Consent needs its wording: what the person agreed to.")
    work = partial(
        people.add_consent,
        tenant_id=desk.tenant_id,
        customer_id=agreement.customer_id,
        channel=agreement.channel,
        address=address,
        purpose=agreement.purpose,
        given=agreement.given,
        source=agreement.source,
        wording=agreement.wording,
        evidence=agreement.evidence,
        at=agreement.at,
        by=agreement.by,
    )
    return await run_in_transaction(desk.pool, work, clock=desk.clock)


async def note_address(desk: Desk, channel: Channel, address: str, *, trouble: str, code: str | None) -> None:
    """Note that an address takes no messages: landline, invalid, unreachable, bounced, complained."""
    work = partial(
        people.note_address,
        tenant_id=desk.tenant_id,
        channel=channel,
        address=address_of(channel, address),
        trouble=trouble,
        code=code,
        now=desk.clock.now(),
    )
    await run_in_transaction(desk.pool, work, clock=desk.clock)


async def forget_address(desk: Desk, channel: Channel, address: str) -> bool:
    """Take back what was noted against an address; whether there was anything."""
    work = partial(
        people.forget_address,
        tenant_id=desk.tenant_id,
        channel=channel,
        address=address_of(channel, address),
    )
    return await run_in_transaction(desk.pool, work, clock=desk.clock)


def address_of(channel: Channel, recipient: str) -> str:
    """The address normalized. Raises ``BadArgument``."""
    address, _ = normalized(channel, recipient)
    if address is None:
        what = "email address" if channel is Channel.EMAIL else "telephone number"
        raise BadArgument(f"{recipient[:80]!r} is no {what}.")
    return address
