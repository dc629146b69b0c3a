"""The facts of the present, read in the transaction that decides."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from perfectcatch.messaging.desk import Desk
from perfectcatch.messaging.facts import Consent, Facts, Hold, OptOut, Person, Place, Send
from perfectcatch.messaging.numbers import normalized, place_of_address, place_of_number
from perfectcatch.messaging.rules import Rules, StopCovers
from perfectcatch.model.messaging import Channel, Intent, Purpose
from perfectcatch.store.messages import known, log
from perfectcatch.store.messages.known import Customer, Sender
from perfectcatch.store.messages.log import Message
from perfectcatch.store.pool import Connection

# Counted without a lock until so near the limit: more than the messages that are decided at one moment.
_LOCKED_FROM: Final = 200
_WEEK: Final = timedelta(days=7)


def parties(to: str | None, *customers: int | None) -> list[str]:
    """Names of the locks of an address and of customers: a decision and an opt-out take the same ones."""
    names = [f"to {to}"] if to else []
    return names + [f"customer {each}" for each in customers if each is not None]


def sender_of(intent: Intent) -> Sender:
    """Who sends, as the guard counts."""
    if intent.workflow is not None:
        return Sender("workflow", intent.workflow)
    return Sender("caller", intent.asked_by)


async def rules_in_force(connection: Connection, desk: Desk) -> Rules:
    """The desk's rules with what the company has changed."""
    return desk.rules.changed(await known.rules(connection, desk.tenant_id))


async def all_facts(
    connection: Connection, desk: Desk, intent: Intent, rules: Rules, now: datetime, before: Message | None
) -> Facts:
    """What is known for ``intent``; ``before`` is its row, if it has one."""
    to, trouble = normalized(intent.channel, intent.recipient)
    connected = (desk.messenger if intent.channel is Channel.SMS else desk.mailer) is not None
    if to is None or not connected:
        return Facts(to=to, trouble=trouble, connected=connected)
    tenant = desk.tenant_id
    customer_id = intent.customer_id
    owners = [] if customer_id is not None else await known.owners(connection, tenant, to)
    if customer_id is None and len(owners) == 1:
        customer_id = owners[0]
    customer = await known.customer(connection, tenant, customer_id, to) if customer_id is not None else None
    customers = customer.family if customer else owners
    addresses = [to, *(customer.addresses if customer else [])]
    consent = await known.consent(connection, tenant, intent.channel, to, customers)
    sends = await known.sends(
        connection,
        tenant,
        to,
        customers,
        since=now - max(rules.identical_within, rules.household_within, _WEEK),
        shadow=intent.shadow,
        key=f"shadow:{intent.key}" if intent.shadow else intent.key,
    )
    hold = await known.hold(connection, tenant, intent.channel, sender_of(intent))
    sent, allowed = await _blast(connection, desk, intent, rules, now, held=hold is not None)
    return Facts(
        to=to,
        trouble=trouble or await known.trouble(connection, tenant, intent.channel, to),
        person=_person(customer_id, customer) if customer and customer_id is not None else None,
        places=await _places(connection, tenant, intent, customer_id, to),
        opt_outs=await opt_outs_of(connection, desk, rules, addresses, customers),
        consent=Consent(**consent) if consent else None,
        doubtful_since=await known.doubtful(connection, tenant, to, customers),
        sends=tuple(_send(row) for row in sends if not row["reply"]),
        hold=Hold(reason=hold["reason"], sentence=hold["sentence"], since=hold["since"]) if hold else None,
        sent_by_workflow=sent,
        released_until=allowed,
        released=before is not None and before.released_by is not None,
        first_asked=before.asked_at if before else None,
        can_unsubscribe=all((desk.company.public_url, desk.company.secret, desk.company.postal_address)),
    )


async def opted_out(desk: Desk, intent: Intent, to: str) -> bool:
    """Whether the recipient has opted out by now."""
    async with desk.pool.connection() as connection:
        rules = await rules_in_force(connection, desk)
        customers: list[int] = []
        addresses = [to]
        if intent.customer_id is not None:
            customer = await known.customer(connection, desk.tenant_id, intent.customer_id, to)
            customers, addresses = customer.family, [to, *customer.addresses]
        found = await opt_outs_of(connection, desk, rules, addresses, customers)
    return not intent.data.get("confirms_opt_out") and any(
        each.channel in (None, intent.channel) and each.purpose in (None, intent.purpose) for each in found
    )


async def opt_outs_of(
    connection: Connection, desk: Desk, rules: Rules, addresses: Sequence[str], customers: Sequence[int]
) -> tuple[OptOut, ...]:
    """Opt-outs in force, as far as the rules say that they reach."""
    rows = await known.opt_outs(connection, desk.tenant_id, addresses, customers)
    return tuple(_opt_out(row, rules) for row in rows)


async def _blast(
    connection: Connection, desk: Desk, intent: Intent, rules: Rules, now: datetime, *, held: bool
) -> tuple[int, int]:
    """Counted again under a lock near the limit, so that no two messages are both the last one."""
    if held or intent.data.get("reply"):
        return 0, 0
    since, sender = now - rules.blast_window, sender_of(intent)
    count = await known.blast(connection, desk.tenant_id, sender, since=since, shadow=intent.shadow)
    if count[0] < max(rules.blast_limit, count[1]) - _LOCKED_FROM:
        return count
    await log.lock(connection, desk.tenant_id, [f"workflow {sender.kind} {sender.name}"])
    return await known.blast(connection, desk.tenant_id, sender, since=since, shadow=intent.shadow)


async def _places(
    connection: Connection, tenant_id: int, intent: Intent, customer_id: int | None, to: str
) -> tuple[Place, ...]:
    found = await known.places(connection, tenant_id, customer_id, intent.location_id)
    addresses = dict.fromkeys(place_of_address(state, code) for state, code in found)
    number = (place_of_number(to),) if intent.channel is Channel.SMS else ()
    return (*number, *addresses)


def _person(customer_id: int, customer: Customer) -> Person:
    row = customer.row
    if row is None:
        return Person(customer_id=customer_id, known=False)
    return Person(
        customer_id=customer_id,
        active=row["active"] is not False,
        deleted=row["deleted"],
        merged_to_id=row["merged_to_id"],
        do_not_service=bool(row["do_not_service"]),
        do_not_mail=bool(row["do_not_mail"]),
        do_not_text=customer.do_not_text,
        wants=customer.wants,
    )


def _opt_out(row: dict[str, Any], rules: Rules) -> OptOut:
    covers = StopCovers(row["covers"]) if row["covers"] else rules.stop_covers
    return OptOut(
        since=row["since"],
        channel=Channel(row["channel"]) if covers is StopCovers.CHANNEL else None,
        purpose=Purpose.MARKETING if covers is StopCovers.PURPOSE else None,
        source=row["source"],
        wording=row["wording"],
    )


def _send(row: dict[str, Any]) -> Send:
    return Send(
        at=row["at"],
        channel=Channel(row["channel"]),
        purpose=Purpose(row["purpose"]),
        to=row["to"],
        text=row["text"],
        customer_id=row["customer_id"],
        what=row["what"],
    )
