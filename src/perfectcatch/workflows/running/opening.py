"""Links of messages that people open: where they lead, and the event that tells it once.

Carriers and mailboxes open links of a message before anybody has it, some with a browser like everybody's:
what is opened while the message is handed over, or within seconds of that, is nobody's visit. A look that
comes later cannot be told from a person's. So an opening may keep us from asking again, and proves nothing.
"""

from datetime import timedelta
from typing import Final

from perfectcatch.errors import NothingKnown
from perfectcatch.model.workflow import Message
from perfectcatch.store import events
from perfectcatch.store.messages import log
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import instances
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows import links
from perfectcatch.workflows.running.workshop import Workshop

TOO_SOON: Final = timedelta(seconds=5)  # to be received, read and touched


async def opened(workshop: Workshop, token: str, *, by_person: bool) -> str:
    """Where the link leads. ``by_person``: the first time its event is told. Raises NothingKnown."""
    instance_id = links.instance_of(workshop.desk.company.secret, workshop.tenant_id, token)
    found = None
    if instance_id is not None:
        found = await instances.find(workshop.pool, workshop.tenant_id, instance_id)
    if found is None:
        raise NothingKnown("This link is not one of ours: use the whole link from the message.")
    setting, address = await _leads(workshop, found)
    if by_person and found.customer_id is not None and not await _too_soon(workshop, found.id):
        data = {"customer_id": found.customer_id, "instance_id": found.id, "workflow": found.workflow}
        async with transaction(workshop.pool) as connection:
            await events.tell(
                connection,
                workshop.tenant_id,
                links.TRACKED[setting],
                "customers",
                found.customer_id,
                version=f"instance {found.id}",
                at=workshop.clock.now(),
                data=data,
            )
    return address


async def _too_soon(workshop: Workshop, instance_id: int) -> bool:
    async with workshop.pool.connection() as connection:
        last = await log.last_sent(connection, workshop.tenant_id, instance_id)
    return last is not None and workshop.clock.now() - last < TOO_SOON


async def _leads(workshop: Workshop, instance: Instance) -> tuple[str, str]:
    """The tracked setting and its address, as the workflow has it now: a mended link mends those sent."""
    pinned = await workshop.catalogue.pinned(instance.workflow_definition_id)
    current = await workshop.catalogue.by_name(instance.workflow)
    for definition in (current.definition if current is not None else pinned, pinned):
        for step in definition.steps:
            if isinstance(step, Message) and step.tracks is not None and step.tracks in links.TRACKED:
                address = links.address_of(definition, step.tracks)
                if address is not None:
                    return step.tracks, address
    raise NothingKnown("This link leads nowhere any more.")
