"""One trigger of one workflow: decided about once for ever, and an instance where it may start; and ends."""

from datetime import datetime
from typing import Any

from perfectcatch.errors import Undecidable
from perfectcatch.model.workflow import Definition, Mode, Start, Verdict
from perfectcatch.store.events import Event
from perfectcatch.store.pool import Connection
from perfectcatch.store.workflows import instances
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows import decisions
from perfectcatch.workflows.records import Records
from perfectcatch.workflows.running import hand
from perfectcatch.workflows.running.catalogue import Active
from perfectcatch.workflows.running.ledger import Ledger
from perfectcatch.workflows.running.workshop import Workshop


async def start(
    workshop: Workshop,
    connection: Connection,
    active: Active,
    event: Event,
    occasion: str,
    *,
    parent_id: int | None = None,
    shadow: bool = False,
) -> int | None:
    """Decide about one trigger of one workflow, once for ever by its ``occasion``; the new instance's id.

    Under the lock of whoever dispatches: of two starts side by side each would see nothing running.
    """
    await alone(workshop, connection)
    definition, tenant_id, now = active.definition, workshop.tenant_id, workshop.clock.now()
    customer_id, records = await hand.of_event(workshop, connection, event, definition.settings)
    known = []
    key = key_of(definition, records)
    if key:
        known = await instances.earlier(connection, tenant_id, definition.name, key, customer_id)
    begins = decisions.may_start(definition, records, known, now)
    if not await instances.decided(connection, tenant_id, definition.name, occasion, begins, customer_id):
        return None
    if begins.verdict is Verdict.SKIP:
        return None
    for replaced in begins.replaces:
        await end(workshop, connection, replaced, instances.ENDED, "replaced", "A newer one took its place.")
    told = hand.told_of(event, occasion)
    new = born(active, begins, told, customer_id, now, shadow=shadow, parent_id=parent_id)
    instance_id = await instances.begin(
        connection,
        tenant_id,
        definition_id=active.id,
        workflow=definition.name,
        start=begins,
        customer_id=customer_id,
        shadow=new.shadow,
        status=new.status,
        priority=definition.priority,
        step=new.step,
        trigger=told,
        parent_id=parent_id,
        now=now,
    )
    if new.status == instances.RUNNING:
        await workshop.wake(instance_id, definition.priority, connection=connection)
    return instance_id


async def alone(workshop: Workshop, connection: Connection) -> None:
    """Be the only one that decides about starts, until the transaction ends."""
    await connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('dispatch workflows', %s))", (workshop.tenant_id,)
    )


def key_of(definition: Definition, records: Records) -> str:
    """What a start is about; empty where that cannot be told, so that nothing starts."""
    try:
        return decisions.key_of(definition, records)
    except Undecidable:
        return ""


def born(
    active: Active,
    begins: Start,
    told: dict[str, Any],
    customer_id: int | None,
    now: datetime,
    *,
    number: int = 0,
    shadow: bool = False,
    parent_id: int | None = None,
) -> Instance:
    """A new instance at its first step; ``number`` is its id, where it is known by now."""
    step = decisions.first(active.definition)
    return Instance(
        id=number,
        workflow_definition_id=active.id,
        workflow=active.definition.name,
        key=begins.key,
        customer_id=customer_id,
        shadow=shadow or active.mode is Mode.SHADOW,
        status=instances.QUEUED if begins.verdict is Verdict.QUEUE else instances.RUNNING,
        reason=None,
        sentence=None,
        priority=active.definition.priority,
        step=step,
        entered_at=now,
        visits={step: 1},
        taken={},
        results={},
        wakes=[],
        next_action_at=None,  # its job is given with it, and one that is lost is released
        trigger=told,
        taken_over=False,
        parent_id=parent_id,
        started_at=now,
        ended_at=None,
    )


async def end(
    workshop: Workshop, connection: Connection, instance_id: int, status: str, reason: str, sentence: str
) -> bool:
    """End an instance from outside; False: it had ended already."""
    instance = await instances.lock(connection, workshop.tenant_id, instance_id)
    if instance is None or not instance.is_open:
        return False
    ledger = Ledger(workshop, connection, workshop.clock.now())
    instance.status, instance.reason, instance.sentence = status, reason, sentence
    instance.ended_at, instance.next_action_at, instance.wakes = ledger.now, None, []
    ledger.left(instance, sentence)
    ledger.keep(instance)
    await ledger.flush()
    return True
