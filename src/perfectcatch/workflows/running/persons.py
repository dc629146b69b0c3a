"""What people do with instances: pause, resume, cancel, take over, answer, try again."""

from collections.abc import Callable

from perfectcatch.errors import NothingKnown, Refused
from perfectcatch.model.workflow import Mode, Wait
from perfectcatch.store import events
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import definitions, instances, letters, steps
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows.running import dispatch, ticks
from perfectcatch.workflows.running.starting import end
from perfectcatch.workflows.running.trying import start_all, wanted_by
from perfectcatch.workflows.running.workshop import Workshop
from perfectcatch.workflows.shelf import must_be_whole

ANSWERS = ("approved", "refused")


async def pause(workshop: Workshop, instance_id: int, *, by: str) -> Instance:
    """Nothing happens with the instance until somebody resumes it."""

    def change(instance: Instance) -> None:
        if instance.status == instances.FAILED:
            raise Refused("It has failed: try its dead letter again, or cancel it.")
        instance.status, instance.sentence = instances.PAUSED, f"Paused by {by}."

    return await _change(workshop, instance_id, change)


async def resume(workshop: Workshop, instance_id: int, *, by: str) -> Instance:
    """A paused instance goes on where it stood; a moment that has passed meanwhile counts as come."""

    def change(instance: Instance) -> None:
        if instance.status != instances.PAUSED:
            raise Refused(f"It is not paused but {instance.status}.")
        instance.status, instance.sentence = instances.RUNNING, f"Resumed by {by}."

    return await _change(workshop, instance_id, change, wake=True)


async def take_over(workshop: Workshop, instance_id: int, *, by: str) -> Instance:
    """A person deals with the customer: the instance ends by its stop rule for that, at once."""

    def change(instance: Instance) -> None:
        instance.taken_over, instance.sentence = True, f"Taken over by {by}."
        if instance.status == instances.PAUSED:
            instance.status = instances.RUNNING

    instance = await _change(workshop, instance_id, change, wake=True)
    async with transaction(workshop.pool) as connection:
        await end(workshop, connection, instance_id, instances.ENDED, "taken_over", f"{by} has taken over.")
    return await _known(workshop, instance.id)


async def cancel(workshop: Workshop, instance_id: int, *, by: str) -> Instance:
    """The instance is over."""
    async with transaction(workshop.pool) as connection:
        ended = await end(
            workshop, connection, instance_id, instances.CANCELLED, "cancelled", f"Cancelled by {by}."
        )
    instance = await _known(workshop, instance_id)
    if not ended and instance.status != instances.CANCELLED:
        raise Refused(f"It has ended already: {instance.sentence}")
    return instance


async def answer(workshop: Workshop, approval_id: int, word: str, *, by: str) -> int:
    """Answer a question of an instance; gives the instance."""
    if word not in ANSWERS:
        raise Refused(f"An answer is one of {', '.join(ANSWERS)}, not {word[:40]!r}.")
    async with transaction(workshop.pool) as connection:
        instance_id = await steps.answer(
            connection, workshop.tenant_id, approval_id, word, by=by, now=workshop.clock.now()
        )
        if instance_id is None:
            raise NothingKnown("There is no such question, or somebody has answered it already.")
        await workshop.wake(instance_id, 50, connection=connection)
    return instance_id


async def redrive(workshop: Workshop, letter_id: int, *, by: str) -> None:
    """Try a dead letter again."""
    async with transaction(workshop.pool) as connection:
        letter = await letters.take(connection, workshop.tenant_id, letter_id, by=by)
        if letter is None:
            raise NothingKnown("There is no such dead letter, or it was dealt with already.")
        if letter.workflow_instance_id is not None:
            instance = await instances.lock(connection, workshop.tenant_id, letter.workflow_instance_id)
            if instance is not None and instance.status == instances.FAILED:
                now = workshop.clock.now()
                instance.status, instance.reason = instances.RUNNING, None
                instance.sentence, instance.next_action_at = f"Tried again by {by}.", now
                # Its timer is due at once; what waits for an event goes on by its job, which looks for one.
                definition = await workshop.catalogue.pinned(instance.workflow_definition_id)
                step = definition.step(instance.step)
                instance.wakes = list(step.events) if isinstance(step, Wait) else []
                await steps.forget_attempts(connection, workshop.tenant_id, instance.id, instance.step)
                await instances.save(connection, workshop.tenant_id, instance, now=now)
                await workshop.wake(instance.id, instance.priority, connection=connection)
        elif letter.event_id is not None:
            found = await events.by_ids(workshop.pool, workshop.tenant_id, [letter.event_id])
            active = await workshop.catalogue.active()
            for event in found:
                wanted = wanted_by(active, event)
                await start_all(workshop, connection, wanted, event)
                if letter.error.startswith(letters.UNTOLD):
                    await dispatch.tell(workshop, connection, event)
        elif letter.workflow is not None and letter.occasion is not None:
            await ticks.redrive(workshop, connection, letter.workflow, letter.occasion)
        else:
            raise Refused("It is of a moment that is over: the next one of its clock starts what is left.")


async def switch(workshop: Workshop, name: str, mode: Mode, *, by: str) -> None:
    """Enable, shadow or disable a workflow. What is under way goes on with the version it began with."""
    if mode is Mode.LIVE:
        await must_be_whole(workshop.pool, workshop.tenant_id, name)
    async with transaction(workshop.pool) as connection:
        if not await definitions.switch(connection, workshop.tenant_id, name, mode, by=by):
            raise NothingKnown(f"There is no workflow called {name[:80]!r}.")
    workshop.catalogue.forget()


async def delete(workshop: Workshop, name: str, *, by: str) -> int:
    """Remove a workflow: its instances are cancelled, visibly; how many they were."""
    async with transaction(workshop.pool) as connection:
        if not await definitions.delete(connection, workshop.tenant_id, name, by=by):
            raise NothingKnown(f"There is no workflow called {name[:80]!r}.")
        ids = await instances.open_ids(connection, workshop.tenant_id, name)
        for instance_id in ids:
            await end(
                workshop,
                connection,
                instance_id,
                instances.CANCELLED,
                "deleted",
                f"{by} deleted the workflow.",
            )
    workshop.catalogue.forget()
    return len(ids)


async def _change(
    workshop: Workshop, instance_id: int, change: Callable[[Instance], None], *, wake: bool = False
) -> Instance:
    async with transaction(workshop.pool) as connection:
        instance = await instances.lock(connection, workshop.tenant_id, instance_id)
        if instance is None:
            raise NothingKnown(f"There is no instance {instance_id}.")
        if not instance.is_open:
            raise Refused(f"It has ended already: {instance.sentence}")
        change(instance)
        await instances.save(connection, workshop.tenant_id, instance, now=workshop.clock.now())
        if wake:
            await workshop.wake(instance.id, instance.priority, connection=connection)
    return instance


async def _known(workshop: Workshop, instance_id: int) -> Instance:
    instance = await instances.find(workshop.pool, workshop.tenant_id, instance_id)
    if instance is None:
        raise NothingKnown(f"There is no instance {instance_id}.")
    return instance
