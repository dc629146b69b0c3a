"""What a refusal teaches for later messages: an opt-out, a number that takes none, a blocked sender."""

from functools import partial

from perfectcatch.messaging.desk import Desk
from perfectcatch.messaging.gathering import parties
from perfectcatch.messaging.numbers import normalized
from perfectcatch.model.messaging import Channel, NotCarried
from perfectcatch.store.messages import holds, known, log, people
from perfectcatch.store.messages.log import Message
from perfectcatch.store.pool import Connection, run_in_transaction


async def learn(desk: Desk, message: Message, trouble: NotCarried) -> str:
    """Keep what ``trouble`` says beyond this message, now or in a later report; the reason for the row.

    An opt-out at the vendor is one of ours too. A blocked sender stops its whole channel until a person has
    mended it and releases it.
    """
    if not (trouble.opted_out or trouble.bad_number or trouble.sender_blocked):
        return "refused"
    await run_in_transaction(desk.pool, partial(_keep, desk, message, trouble), clock=desk.clock)
    if trouble.opted_out:
        return "opted_out_at_vendor"
    return "bad_number" if trouble.bad_number else "sender_blocked"


async def _keep(desk: Desk, message: Message, trouble: NotCarried, connection: Connection) -> None:
    now = desk.clock.now()
    tenant = desk.tenant_id
    if trouble.opted_out and message.address is not None:
        await _suppress(desk, message.channel, message.address, trouble, connection, message_id=message.id)
    if trouble.bad_number and message.address is not None:
        await people.note_address(
            connection,
            tenant,
            channel=message.channel,
            address=message.address,
            trouble="landline" if "landline" in trouble.sentence.lower() else "unreachable",
            code=trouble.code,
            now=now,
        )
    if trouble.sender_blocked:
        await holds.open_hold(
            connection,
            tenant,
            kind="channel",
            name=message.channel,
            reason="sender_blocked",
            sentence=f"the vendor blocks our sender ({trouble.code}: {trouble.sentence})",
            now=now,
        )


async def learn_of_others(desk: Desk, channel: Channel, address: str, trouble: NotCarried) -> bool:
    """Keep an opt-out at the vendor that is about no message of ours; whether there was one.

    Somebody who ends the messages of another program on the same account means his address, and the vendor
    would drop ours too.
    """
    known_as = normalized(channel, address)[0]
    if not trouble.opted_out or known_as is None:
        return False
    work = partial(_suppress, desk, channel, known_as, trouble)
    await run_in_transaction(desk.pool, work, clock=desk.clock)
    return True


async def _suppress(
    desk: Desk,
    channel: str,
    address: str,
    trouble: NotCarried,
    connection: Connection,
    *,
    message_id: int | None = None,
) -> None:
    tenant = desk.tenant_id
    customers = await known.owners(connection, tenant, address)
    await log.lock(connection, tenant, parties(address, *customers))
    await people.add_opt_out(
        connection,
        tenant,
        channel=channel,
        address=address,
        customer_ids=customers,
        covers=None,
        source="vendor",
        wording=f"{trouble.code}: {trouble.sentence}"[:200],
        since=desk.clock.now(),
        by="vendor",
        message_id=message_id,
    )
