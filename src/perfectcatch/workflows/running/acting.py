"""The effects of steps: one small function for each kind, by role, with a key that makes repeats harmless."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from perfectcatch.errors import (
    BadTemplate,
    BrokenMerge,
    NotConnected,
    OutcomeUnknown,
    Refused,
    Retry,
    Undecidable,
)
from perfectcatch.messaging import gate, reconcile
from perfectcatch.model.asking import Ask
from perfectcatch.model.messaging import Status
from perfectcatch.model.workflow import (
    Approval,
    Call,
    Crm,
    Definition,
    Message,
    Mode,
    Post,
    Result,
    Run,
    Step,
    Task,
    Think,
    Write,
)
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import instances, steps, thoughts
from perfectcatch.store.workflows.freshness import is_fresh
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.workflows import filling, links, questions
from perfectcatch.workflows.records import Records
from perfectcatch.workflows.running import asking, hand
from perfectcatch.workflows.running.ledger import Ledger
from perfectcatch.workflows.running.starting import start
from perfectcatch.workflows.running.workshop import STALE, Workshop
from perfectcatch.workflows.supposed import supposed
from perfectcatch.workflows.thinking import leads_to, outcome_of

SHADOW_REASON: Final = "shadow"  # the gate's word for: it would go now
SHADOW: Final = "Shadow mode: it would be done now."
# What a message is decided by; a read of each has to be young.
_LOOKED_AT: Final = ("customers", "jobs", "appointments", "estimates", "invoices", "memberships", "bookings")


@dataclass(slots=True, kw_only=True)
class Acting:
    """A coming to a step whose effect has begun. ``attempt`` counts from 1."""

    instance: Instance
    definition: Definition
    step: Step
    occurrence: int
    attempt: int
    records: Records
    fresh: bool
    certain: bool = False  # the attempt before certainly had no effect
    read_at: float = 0.0  # when the records were read, by the monotonic clock
    ledger: Ledger | None = None  # where an effect of our own database is taken down, to be committed with it

    @property
    def key(self) -> str:
        """The same for every attempt, and for every instance of one workflow with one trigger."""
        told = self.instance.trigger
        place = f"{self.step.id}.{self.occurrence}"
        return f"{self.instance.workflow}/{place}/{told['occasion']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The effect is had."""

    result: Result
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """The effect waits: until a moment, or for a person (None). The step is looked at again then."""

    result: Result
    sentence: str
    until: datetime | None
    status: str = instances.SLEEPING


Outcome = Done | Later


async def to_read_anew(workshop: Workshop, acting: Acting) -> list[int]:
    """Customers who have to be read anew before the step acts: whom it writes to, or asks about.

    Raises Undecidable where nobody can tell who that is.
    """
    if workshop.refresher is None or acting.fresh:
        return []
    match acting.step:
        case Message():
            named = [acting.instance.customer_id, filling.addressee(acting.step, acting.records)]
        case Ask():
            about = _filled(acting.step.values.get(questions.ABOUT), acting.records)
            named = [int(about) if about else None]
        case _:
            named = []
    found = sorted({each for each in named if each})
    if not found or await is_fresh(workshop.pool, workshop.tenant_id, _LOOKED_AT, STALE):
        return []
    return found


async def act(workshop: Workshop, acting: Acting) -> Outcome:
    """Have the effect of a step. Raises what may be tried again, and what a person has to mend."""
    for kind, fn in _KINDS.items():
        if isinstance(acting.step, kind):
            return await fn(workshop, acting, acting.step)
    raise Refused(f"Nobody knows how to do a step of the kind {type(acting.step).__name__}.")


# People ------------------------------------------------------------------------------------------


async def _message(workshop: Workshop, acting: Acting, step: Message) -> Outcome:
    instance = acting.instance
    try:
        intent = filling.intent(
            acting.definition,
            step,
            acting.records,
            instance_id=instance.id,
            occurrence=acting.occurrence,
            shadow=instance.shadow,
        )
    except (BrokenMerge, BadTemplate) as error:
        return _done("suppressed", "broken_merge", str(error))
    company = workshop.desk.company
    intent = links.shortened(
        intent,
        step,
        acting.definition,
        public_url=company.public_url,
        secret=company.secret,
        tenant_id=workshop.tenant_id,
    )
    if not intent.recipient:
        return _done("suppressed", "no_address", "There is nobody to write to on this channel.")
    decision = await gate.send(workshop.desk, intent)
    sent = decision.status is Status.DELIVERED or (instance.shadow and decision.reason == SHADOW_REASON)
    result = Result(
        outcome="sent" if sent else decision.status.value,
        reason=decision.reason,
        value={"message_id": decision.message_id},
    )
    if decision.status is Status.DEFERRED:
        return Later(result=result, sentence=decision.sentence, until=decision.until)
    if (again := await reconcile.look_again_at(workshop.desk, decision)) is not None:
        return Later(result=result, sentence=decision.sentence, until=again)
    return Done(result=result, sentence=decision.sentence)


async def _task(workshop: Workshop, acting: Acting, step: Task) -> Outcome:
    title, body = _text(step.title, acting.records), _text(step.body, acting.records)
    if acting.instance.shadow:
        return _shadow(step, title)
    due = workshop.clock.now() + step.due if step.due is not None else None
    if acting.ledger is not None:
        task_id = await acting.ledger.task(
            title=title,
            body=body,
            role=step.role,
            urgent=step.urgent,
            customer_id=acting.instance.customer_id,
            workflow_instance_id=acting.instance.id,
            step=step.id,
            occurrence=acting.occurrence,
            due_at=due.isoformat() if due is not None else None,
        )
    else:
        async with transaction(workshop.pool) as connection:
            task_id = await steps.task(
                connection,
                workshop.tenant_id,
                title=title,
                body=body,
                role=step.role,
                urgent=step.urgent,
                customer_id=acting.instance.customer_id,
                instance_id=acting.instance.id,
                step=step.id,
                occurrence=acting.occurrence,
                due_at=due,
            )
    return _done("done", "", f"For {step.role}: {title}", {"task_id": task_id})


async def _approval(workshop: Workshop, acting: Acting, step: Approval) -> Outcome:
    now = workshop.clock.now()
    question = _text(step.question, acting.records)
    if acting.instance.shadow:
        return _shadow(step, f"A person is asked: {question}")
    inside = nullcontext(acting.ledger.connection) if acting.ledger else transaction(workshop.pool)
    async with inside as connection:
        answer, until = await steps.ask(
            connection,
            workshop.tenant_id,
            instance_id=acting.instance.id,
            step=step.id,
            occurrence=acting.occurrence,
            question=question,
            role=step.role,
            until=now + step.within,
        )
    if answer is not None:
        return _done(answer, "", f"A person answered: {answer}.", {"answer": answer})
    if until <= now:
        return _done("timeout", "", "Nobody answered in time.", {"answer": None})
    waits = Result(outcome="asking", value=None)
    return Later(result=waits, sentence=f"{step.role}: {question}", until=until, status=instances.ASKING)


async def _post(workshop: Workshop, acting: Acting, step: Post) -> Outcome:
    text = _text(step.text, acting.records)
    if acting.instance.shadow:
        return _shadow(step, text)
    if workshop.chat is None and "chat" not in acting.definition.needs:
        return _done("refused", "not_connected", "Chat is not connected.")
    if workshop.chat is None:
        raise NotConnected("Chat is not connected: set it up, or take the step out of the workflow.")
    value = await workshop.chat.post(step.channel, text, key=acting.key)
    return _done("done", "", f"{step.channel}: {text}", dict(value))


# Systems -----------------------------------------------------------------------------------------


async def _crm(workshop: Workshop, acting: Acting, step: Crm) -> Outcome:
    values = _filled(step.values, acting.records)
    if acting.instance.shadow:
        return _shadow(step, step.action)
    if workshop.crm is None:
        return _done("refused", "not_connected", "CRM not connected.")
    value = await workshop.crm.act(step.action, values, key=acting.key)
    return _done("done", "", f"The CRM did: {step.action}.", dict(value))


async def _write(workshop: Workshop, acting: Acting, step: Write) -> Outcome:
    path, body = _filled(step.path, acting.records), _filled(step.body, acting.records)
    if acting.instance.shadow:
        return _shadow(step, step.operation)
    if workshop.writer is None:
        raise NotConnected("The source of the mirror cannot be written to from here.")
    if acting.attempt > 1 and not acting.certain:
        return _done("unknown", "outcome_unknown", f"Nobody knows whether {step.operation} was carried out.")
    try:
        value = await workshop.writer.write(step.operation, path, body)
    except OutcomeUnknown as error:
        return _done("unknown", "outcome_unknown", str(error))
    except Retry:
        acting.certain = True  # it certainly was not carried out, so that it may be tried again
        raise
    except Refused as error:
        return _done("refused", "refused", str(error))
    return _done("done", "", f"{step.operation} was carried out.", _plain(value))


async def _ask(workshop: Workshop, acting: Acting, step: Ask) -> Outcome:
    asked = questions.Asked(
        pool=workshop.pool,
        tenant_id=workshop.tenant_id,
        entities=workshop.entities,
        company=workshop.company,
        now=workshop.clock.now(),
        values=_filled(step.values, acting.records),
    )
    value = await questions.answer(step.question, asked)
    return _done("done", "", f"The mirror told: {step.question}.", _plain(value))


async def _call(workshop: Workshop, acting: Acting, step: Call) -> Outcome:
    url = _text(step.url, acting.records)
    headers = {name: _text(value, acting.records) for name, value in step.headers.items()}
    body = _filled(step.body, acting.records)
    if acting.instance.shadow:
        return _shadow(step, f"{step.method} {url}")
    if workshop.caller is None:
        raise NotConnected("No host is allowed to be called: set WORKFLOW_ALLOWED_HOSTS.")
    try:
        value = await workshop.caller.call(step.method, url, headers=headers, body=body, key=acting.key)
    except Refused as error:
        return _done("refused", "refused", str(error))
    return _done("done", "", f"{step.method} {url} answered {value.get('status')}.", dict(value))


async def _think(workshop: Workshop, acting: Acting, step: Think) -> Outcome:
    question = _text(step.question, acting.records)
    shown = {name: _plain(acting.records.get(name)) for name in step.shows}
    answer, sentence, call_id = await asking.answer_for(
        workshop, acting.instance, step, acting.occurrence, question, shown
    )
    word = outcome_of(step, answer)
    if call_id is not None:
        await thoughts.decided(
            workshop.pool, workshop.tenant_id, call_id,
            answer=answer, outcome=word, leads_to=leads_to(acting.definition, step, word),
        )  # fmt: skip
    return _done(word, "", sentence, dict(answer))


async def _run(workshop: Workshop, acting: Acting, step: Run) -> Outcome:
    instance = acting.instance
    occasion = f"instance-{instance.id}/{step.id}.{acting.occurrence}"
    other = await workshop.catalogue.by_name(step.workflow)
    if other is None or other.mode is Mode.DISABLED:
        return _done("refused", "not_enabled", f"{step.workflow} is not enabled.")
    async with transaction(workshop.pool) as connection:
        child_id = await start(
            workshop,
            connection,
            other,
            hand.trigger_of(instance),
            occasion,
            parent_id=instance.id if step.waits else None,
            shadow=instance.shadow,
        )
        child_id = child_id or await instances.started_by(
            connection, workshop.tenant_id, step.workflow, occasion
        )
    if child_id is None:
        return _done("refused", "not_started", f"{step.workflow} did not start.")
    child = await instances.find(workshop.pool, workshop.tenant_id, child_id)
    if step.waits and child is not None and child.is_open:
        waits = Result(outcome="waits", value={"instance_id": child_id})
        return Later(result=waits, sentence=f"Until instance {child_id} has ended.", until=None)
    return _done("done", "", f"{step.workflow}: instance {child_id}.", {"instance_id": child_id})


_Kind = Callable[[Workshop, Acting, Any], Awaitable[Outcome]]
_KINDS: Final[Mapping[type[Step], _Kind]] = {
    Message: _message,
    Task: _task,
    Approval: _approval,
    Post: _post,
    Crm: _crm,
    Write: _write,
    Ask: _ask,
    Call: _call,
    Think: _think,
    Run: _run,
}


# Values ------------------------------------------------------------------------------------------


def _done(outcome: str, reason: str, sentence: str, value: Any = None) -> Done:
    return Done(result=Result(outcome=outcome, reason=reason, value=value), sentence=sentence)


def _shadow(step: Step, what: str) -> Done:
    result = replace(supposed(step), reason="shadow")
    return Done(result=result, sentence=f"{SHADOW} {what}")


def _text(template: str, records: Mapping[str, Any]) -> str:
    if not template:
        return ""
    try:
        return filling.text(template, records)
    except (BrokenMerge, BadTemplate) as error:
        raise Undecidable(str(error)) from None


def _filled(value: Any, records: Mapping[str, Any]) -> Any:
    try:
        return _plain(filling.filled(value, records))
    except (BrokenMerge, BadTemplate) as error:
        raise Undecidable(str(error)) from None


def _plain(value: Any) -> Any:
    """``value`` as JSON has it."""
    return json.loads(json.dumps(value, default=_as_text))


def _as_text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
