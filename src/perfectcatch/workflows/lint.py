"""What is wrong with a definition, before it is switched on: a sentence for each thing, with its place.

The dead ends that other tools let pass in silence: ids that lead nowhere, steps that nothing reaches, a
sequence that nothing stops, a merge field that nobody fills, workflows that start each other for ever.
"""

from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit import cron
from perfectcatch.model.asking import Ask
from perfectcatch.model.entity import Entity
from perfectcatch.model.event import OURS
from perfectcatch.model.messaging import Purpose
from perfectcatch.model.workflow import (
    Approval,
    Branch,
    Definition,
    Message,
    Run,
    Step,
    Stop,
    Think,
    Wait,
    Write,
)
from perfectcatch.workflows import questions, shapes
from perfectcatch.workflows.decisions import THE_END
from perfectcatch.workflows.links import TRACKED
from perfectcatch.workflows.lint_models import models_of
from perfectcatch.workflows.lint_steps import steps_of
from perfectcatch.workflows.lint_texts import (
    Finding,
    condition,
    error,
    expressions_of,
    messages,
    templates_of,
    value_of,
)
from perfectcatch.workflows.readings import READINGS

__all__ = ["Finding", "events_of", "lint"]

Entities = Mapping[str, Entity]

NEEDS: Final = ("calls", "chat", "crm", "ads")
_MARKETING_STOPS: Final = ("reply", "opt_out", "gone")
# What a change at the source makes happen, by the end of its operation's name.
_CAUSES: Final = {
    "jobs.create": ("job_created", "appointment_created", "install_job_created"),
    "jobs.cancel": ("job_cancelled", "appointment_cancelled"),
    "appointments.create": ("appointment_created",),
    "appointments.reschedule": ("appointment_rescheduled", "job_rescheduled"),
    "estimates.create": ("estimate_created",),
    "estimates.sell": ("estimate_approved",),
    "estimates.dismiss": ("estimate_rejected",),
    "leads.create": ("lead_created",),
    "leads.dismiss": ("lead_dismissed",),
    "bookings.create": ("booking_created",),
    "customers.create": ("customer_created",),
    "invoices.create": ("invoice_created",),
    "payments.create": ("payment_received", "invoice_paid"),
    "job_notes.create": ("job_note_added",),
    "jobs.create_note": ("job_note_added",),
}


def lint(
    definition: Definition,
    entities: Entities,
    others: Mapping[str, Definition] | None = None,
    *,
    operation: Callable[[str], object] | None = None,
) -> list[Finding]:
    """Everything that is wrong with ``definition``; ``others``: the workflows beside it, by name.

    ``operation`` raises BadArgument for the name of an operation that the source does not have.
    """
    beside = {**(others or {}), definition.name: definition}
    records = shapes.sample(entities, {name: _shown(value) for name, value in definition.settings.items()})
    records["results"] = {step.id: _result(step) for step in definition.steps}
    checks = (
        _trigger(definition, entities, records),
        _references(definition, beside),
        steps_of(definition, operation),
        _reach(definition),
        _stops(definition),
        expressions_of(definition, records, events_of(entities)),
        templates_of(definition, records),
        models_of(definition),
        _settings(definition),
        _circles(definition, beside),
    )
    found = [finding for check in checks for finding in check]
    return list(dict.fromkeys(found))


def events_of(entities: Entities) -> set[str]:
    """Every event that can start a workflow."""
    return (
        {event.event_type for entity in entities.values() for event in entity.events}
        | set(OURS)
        | {"tick", "webhook"}
    )


def _shown(value: Any) -> Any:
    return "a text" if value in ("", None) else value


def _result(step: Step) -> dict[str, Any]:
    answer: dict[str, Any] = {"outcome": "done", "id": 1, "status": 200, "body": {}}
    return answer | (dict(step.otherwise) if isinstance(step, Think | Ask) else {})


# Trigger and references ---------------------------------------------------------------------------


def _trigger(definition: Definition, entities: Entities, records: Mapping[str, Any]) -> Iterator[Finding]:
    trigger = definition.trigger
    for event in trigger.events:
        if event not in events_of(entities):
            yield error("trigger", f"There is no event {event}.")
    if trigger.clock is not None:
        try:
            cron.parse(trigger.clock, f"The clock of {definition.name}")
        except PerfectCatchError as wrong:
            yield error("trigger", str(wrong))
    if trigger.each is not None and trigger.each not in READINGS:
        yield error("trigger", f"Workflows do not read {trigger.each}: {', '.join(sorted(READINGS))}.")
    if trigger.each is not None and trigger.where is None:
        yield error("trigger", f"Without a condition every one of {trigger.each} would start it.")
    if "message_received" in trigger.events and definition.again_after is None and messages(definition):
        yield error(
            "trigger",
            "It answers messages: without again_after it and somebody's automatic reply write for ever.",
        )
    yield from condition("trigger", trigger.where, records)
    yield from _start(definition, records)


def _start(definition: Definition, records: Mapping[str, Any]) -> Iterator[Finding]:
    if definition.key is not None:
        yield from value_of("key", definition.key, records, (str, int))
    for need in definition.needs:
        if need not in NEEDS:
            yield error("needs", f"There is no connection {need}: {', '.join(NEEDS)}.")


def _references(definition: Definition, beside: Mapping[str, Definition]) -> Iterator[Finding]:
    ids = [step.id for step in definition.steps]
    for id_ in {each for each in ids if ids.count(each) > 1}:
        yield error(f"step {id_}", f"Two steps are called {id_}.")
    for step in definition.steps:
        if step.id == THE_END:
            yield error(f"step {step.id}", "The word end is taken: it means that nothing follows.")
        for target in _explicit(step):
            if target != THE_END and target not in ids:
                yield error(f"step {step.id}", f"It leads to {target}, and there is no such step.")
        yield from _named(definition, step, beside)
    for rule in definition.stop_rules:
        for id_ in (*rule.steps, *((rule.go,) if rule.go else ())):
            if id_ not in (*ids, THE_END):
                yield error(f"stop rule {rule.name}", f"It names {id_}, and there is no such step.")
    for id_ in set(definition.templates) - {s.template for s in messages(definition)}:
        yield Finding("warning", f"template {id_}", "No step uses it.")


def _named(definition: Definition, step: Step, beside: Mapping[str, Definition]) -> Iterator[Finding]:
    if isinstance(step, Message):
        template = definition.templates.get(step.template)
        if template is None:
            yield error(f"step {step.id}", f"There is no template {step.template}.")
        elif template.channel is not step.channel:
            yield error(f"step {step.id}", f"Template {step.template} is for {template.channel}.")
        yield from _tracked(definition, step)
    if isinstance(step, Run) and step.workflow not in beside:
        yield error(f"step {step.id}", f"There is no workflow {step.workflow}.")
    if isinstance(step, Ask):
        yield from _asked(step)
    if isinstance(step, Think) and step.decides is not None and step.decides not in step.otherwise:
        yield error(f"step {step.id}", f"The answer without a model lacks {step.decides}.")


def _asked(step: Ask) -> Iterator[Finding]:
    gives = questions.GIVES.get(step.question)
    if gives is None:
        yield error(
            f"step {step.id}", f"The mirror is not asked for {step.question}: {', '.join(questions.GIVES)}."
        )
    elif set(step.otherwise) != set(gives):
        yield error(f"step {step.id}", f"Its otherwise has to name what the answer has: {', '.join(gives)}.")


def _tracked(definition: Definition, step: Message) -> Iterator[Finding]:
    if step.tracks is None:
        return
    if step.tracks not in TRACKED:
        yield error(f"step {step.id}", f"It tracks {step.tracks}: only {', '.join(TRACKED)} can be.")
    elif step.tracks not in definition.settings:
        yield error(f"step {step.id}", f"It tracks {step.tracks}, and there is no such setting.")


def _explicit(step: Step) -> Iterator[str]:
    if step.next is not None:
        yield step.next
    yield from step.outcomes.values()
    if isinstance(step, Branch):
        yield from (choice.go for choice in step.choices)
    if isinstance(step, Wait) and step.if_past is not None:
        yield step.if_past


# Ways through the steps --------------------------------------------------------------------------


def _ways(definition: Definition, step: Step, *, bounded: bool) -> Iterator[str]:
    """Where an instance can go from ``step``; ``bounded``: with ways back that are counted."""
    yield from step.outcomes.values()
    if isinstance(step, Branch):
        yield from (c.go for c in step.choices if bounded or c.at_most is None)
        if any(c.when == "true" and c.at_most is None for c in step.choices):
            return
    if isinstance(step, Wait) and step.if_past is not None:
        yield step.if_past
    if not isinstance(step, Stop):
        onward = step.next or definition.below(step.id)
        if onward is not None:
            yield onward


def _reach(definition: Definition) -> Iterator[Finding]:
    by_id = {step.id: step for step in definition.steps}
    if len(by_id) < len(definition.steps):
        return  # which of two steps with one id a way leads to is not known
    reached: set[str] = set()
    waiting = [definition.steps[0].id, *(rule.go for rule in definition.stop_rules if rule.go)]
    while waiting:
        id_ = waiting.pop()
        if id_ in by_id and id_ not in reached:
            reached.add(id_)
            waiting.extend(_ways(definition, by_id[id_], bounded=True))
    for step in definition.steps:
        if step.id not in reached:
            yield error(f"step {step.id}", "Nothing leads to it.")
    graph = {id_: set(_ways(definition, step, bounded=False)) & set(by_id) for id_, step in by_id.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as wrong:
        circle = " > ".join(reversed(wrong.args[1]))
        yield error(
            f"step {wrong.args[1][0]}", f"{circle} goes round for ever: count a way back with at_most."
        )


def _to_people(definition: Definition) -> list[Message]:
    """Messages that go to the customer, not to somebody whom the step names."""
    return [step for step in messages(definition) if step.to is None]


def _stops(definition: Definition) -> Iterator[Finding]:
    """A sequence that waits between messages has to know when to be silent."""
    names = {rule.name for rule in definition.stop_rules if not rule.steps}
    messages = _to_people(definition)
    if not messages:
        return
    waits = any(isinstance(step, Wait | Approval) for step in definition.steps)
    if waits and not definition.stop_rules:
        yield error("stop_rules", "It waits and then writes to customers, and nothing stops it.")
    elif waits and "opt_out" not in names:
        yield error("stop_rules", "Somebody who opts out has to be let go: add opt_out.")
    if waits and "gone" not in names:
        yield error("stop_rules", "Customers are merged and switched off while it waits: add gone.")
    purposes = {step.purpose or definition.purpose for step in messages}
    if Purpose.MARKETING in purposes:
        for missing in [each for each in _MARKETING_STOPS if each not in names]:
            yield error("stop_rules", f"Marketing needs the stop rule {missing}.")
    elif len(messages) > 1 and waits and not names & {"reply"} and not _reply_elsewhere(definition):
        yield Finding("warning", "stop_rules", "It goes on writing to somebody who has answered: add reply.")


def _reply_elsewhere(definition: Definition) -> bool:
    waits = [step for step in definition.steps if isinstance(step, Wait)]
    rules = [rule.when for rule in definition.stop_rules]
    return any("message_received" in step.events for step in waits) or any(
        "message_received" in r for r in rules
    )


def _settings(definition: Definition) -> Iterator[Finding]:
    for name, value in definition.settings.items():
        if value in ("", None):
            yield Finding("warning", f"setting {name}", "It has no value: give one before it goes live.")


# Between workflows --------------------------------------------------------------------------------


def _circles(definition: Definition, beside: Mapping[str, Definition]) -> Iterator[Finding]:
    graph = {name: _starts(each, beside) for name, each in beside.items()}
    seen: set[str] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [
        (name, (definition.name, name)) for name in graph[definition.name]
    ]
    while waiting:
        name, way = waiting.pop()
        if name == definition.name:
            yield error("steps", f"{' > '.join(way)}: they start each other for ever.")
            return
        if name not in seen:
            seen.add(name)
            waiting.extend((following, (*way, following)) for following in graph.get(name, ()))


def _starts(definition: Definition, beside: Mapping[str, Definition]) -> set[str]:
    """The workflows that this one starts: by name, or by a change that causes their event."""
    found = {step.workflow for step in definition.steps if isinstance(step, Run)}
    for step in definition.steps:
        if isinstance(step, Write):
            caused = next((events for end, events in _CAUSES.items() if step.operation.endswith(end)), ())
            found |= {
                name
                for name, each in beside.items()
                if set(each.trigger.events) & set(caused) and each.again_after is None
            }
    return found
