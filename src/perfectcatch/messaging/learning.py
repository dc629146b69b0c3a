"""What a refusal teaches for later messages: an opt-out, a number that takes none, a blocked sender."""

from functools import partial

from perfectcatch.messaging.desk import Desk
from perfectcatch.messaging.gathering import parties
from perfectcatch.model.messaging import NotCarried
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
        customers = await known.owners(connection, tenant, message.address)
        await log.lock(connection, tenant, parties(message.address, *customers))
        await people.add_opt_out(
            connection,
            tenant,
            channel=message.channel,
            address=message.address,
            customer_ids=customers,
            covers=None,
            source="vendor",
            wording=f"{trouble.code}: {trouble.sentence}"[:200],
            since=now,
            by="vendor",
            message_id=message.id,
        )
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
