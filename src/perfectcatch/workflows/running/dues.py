"""Timers that are due: their instances go on together, as far as nothing reaches outside.

The timers are taken, the walks written and the jobs for what is left to do ordered in one transaction. Where
that fails for one, nothing of it is kept: the batch is halved until the few around what is wrong are left.
These become jobs of their own.
"""

from typing import Final

import structlog

from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import instances
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows import bundle
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.ledger import Ledger
from perfectcatch.workflows.running.walk import Walk, all_onward
from perfectcatch.workflows.running.workshop import FEW, Workshop, is_away, order

BATCH: Final = 250
_WAITS: Final = (instances.QUEUED, instances.PAUSED, instances.FAILED)

log = structlog.get_logger(__name__)


async def sweep(workshop: Workshop, *, limit: int = BATCH) -> int:
    """Let the instances whose timers are due go on; how many timers there were."""
    try:
        return await _together(workshop, limit)
    except Exception as error:
        if is_away(error):
            raise  # they are due again
        # In smaller batches, in the end one by one, it shows which instance it was.
        log.info("instances go on apart", number=limit, reason=f"{type(error).__name__}: {error}")
    if limit <= FEW:
        return await _one_by_one(workshop, limit)
    first = await sweep(workshop, limit=limit // 2)
    return first and first + await sweep(workshop, limit=limit - limit // 2)


async def _one_by_one(workshop: Workshop, limit: int) -> int:
    async with transaction(workshop.pool) as connection:
        due = await instances.due(connection, workshop.tenant_id, workshop.clock.now(), limit=limit)
        await workshop.jobs.defer_many([order(*each) for each in due], connection=connection)
    return len(due)


async def _together(workshop: Workshop, limit: int) -> int:
    async with transaction(workshop.pool) as connection:
        due = dict(await instances.due(connection, workshop.tenant_id, workshop.clock.now(), limit=limit))
        if not due:
            return 0
        free = await instances.take(connection, workshop.tenant_id, list(due))
        ledger = Ledger(workshop, connection, workshop.clock.now())
        walking = [each for each in free if each.is_open and each.status not in _WAITS and not each.wakes]
        # Somebody moves the others just now, or they wait for an event as well: it may be under way to them
        # as a job, and the jobs of an instance are done in their order.
        for instance_id in due.keys() - {each.id for each in walking}:
            ledger.order(order(instance_id, due[instance_id]))
        await all_onward(await _walks(ledger, walking))
        await ledger.flush()
    return len(due)


async def _walks(ledger: Ledger, due: list[Instance]) -> list[Walk]:
    """The instances with their definitions and records, which are read for all of them at once."""
    if not due:
        return []
    workshop, connection = ledger.workshop, ledger.connection
    definitions = [await workshop.catalogue.pinned(each.workflow_definition_id) for each in due]
    events = [hand.trigger_of(each) for each in due]
    present = await bundle.present(
        connection,
        workshop.tenant_id,
        workshop.entities,
        {each.customer_id for each in due if each.customer_id is not None},
        {(event.entity, event.st_id) for event in events if event.entity},
    )
    names = await hand.names_of(workshop, connection)
    settings = [each.settings for each in definitions]
    found = await hand.of_instances(
        workshop, connection, present, names, list(zip(due, events, settings, strict=True))
    )
    return [
        Walk(ledger, instance, definition, records, ledger.now)
        for instance, definition, records in zip(due, definitions, found, strict=True)
    ]
