"""The linter's look at texts: conditions are tried on sample records, merge fields have to be at hand."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from perfectcatch.errors import BadTemplate, BadWorkflow, Undecidable
from perfectcatch.messaging.templates import LONGEST, Words, fields_of
from perfectcatch.model.asking import Ask
from perfectcatch.model.messaging import Channel, Purpose
from perfectcatch.model.workflow import (
    Approval,
    Branch,
    Call,
    Crm,
    Definition,
    Message,
    Post,
    Step,
    Task,
    Template,
    Think,
    Wait,
    Write,
)
from perfectcatch.workflows import expressions, filling, shapes

_WAYS_OUT: Final = ("STOP", "unsubscribe")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong. An ``error`` must be mended before the workflow is switched on."""

    level: str  # error or warning
    place: str
    sentence: str


def error(place: str, sentence: str) -> Finding:
    """Something that must be mended."""
    return Finding("error", place, sentence)


def messages(definition: Definition) -> list[Message]:
    """The steps that write to people."""
    return [step for step in definition.steps if isinstance(step, Message)]


def expressions_of(
    definition: Definition, records: Mapping[str, Any], events: Container[str]
) -> Iterator[Finding]:
    """What is wrong with conditions and moments."""
    for rule in definition.stop_rules:
        yield from condition(f"stop rule {rule.name}", rule.when, records)
    for step in definition.steps:
        place = f"step {step.id}"
        yield from condition(place, step.when, records)
        match step:
            case Branch():
                for choice in step.choices:
                    yield from condition(place, choice.when, records)
            case Wait():
                yield from condition(place, step.where, records)
                yield from value_of(place, step.until, records, (datetime,))
                for event in step.events:
                    if event not in events:
                        yield error(place, f"There is no event {event}.")
            case Message():
                yield from value_of(place, step.to, records, (str,))
                yield from value_of(place, step.customer, records, (int,))
                yield from value_of(place, step.expires, records, (datetime,))


def condition(place: str, text: str | None, records: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a condition."""
    yield from value_of(place, text, records, (bool,))


def value_of(
    place: str, text: str | None, records: Mapping[str, Any], kinds: tuple[type, ...]
) -> Iterator[Finding]:
    """What is wrong with an expression that has to give one of ``kinds``."""
    if text is None:
        return
    try:
        expression = expressions.compiled(text)
    except BadWorkflow as wrong:
        yield error(place, str(wrong))
        return
    unknown = [path for path in _named(expression) if not shapes.known(records, path)]
    for path in unknown:
        yield error(place, f"{text!r} names {'.'.join(path)}, which is not at hand.")
    shadowed = sorted(expression.bound & set(records))
    if shadowed:
        yield error(place, f"{text!r} calls an element of a list {shadowed[0]}, which is a record's name.")
    if unknown or shadowed or any(_unforeseen(records, path) for path in expression.paths):
        return
    try:
        value = expressions.evaluate(text, records)
    except Undecidable as wrong:
        yield error(place, str(wrong))
        return
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(_KINDS[kind] for kind in kinds)
        yield error(place, f"{text!r} gives {value!r:.40} where {wanted} belongs.")


def _unforeseen(records: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Whether it is a value that only the moment brings, such as what an HTTP call answers."""
    here: Any = records
    for name in path:
        here = here.get(name) if isinstance(here, Mapping) else None
    free = any(path[: len(each)] == each for each in shapes.OPEN)
    return free and here is None


_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    str: "a text",
    int: "a number",
    datetime: "a moment",
}


def _named(expression: expressions.Expression) -> Iterator[tuple[str, ...]]:
    """The fields that it reads; the id that stands for a whole record is none of them."""
    for path in expression.paths:
        written = ".".join(path) in expression.text
        yield path[:-1] if path[-1] == "id" and len(path) > 1 and not written else path


def templates_of(definition: Definition, records: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with messages and other texts."""
    at_hand = {**records, "zone": "UTC"}
    purposes = {step.template: step.purpose or definition.purpose for step in messages(definition)}
    for name, template in definition.templates.items():
        place = f"template {name}"
        try:
            unknown = _unknown(filling.as_words(template), at_hand)
        except BadTemplate as wrong:
            yield error(place, str(wrong))
            continue
        for field in unknown:
            yield error(place, f"It names {field}, which is not at hand.")
        yield from _body(place, template, purposes.get(name))
    for step in definition.steps:
        for text in _texts(step):
            place = f"step {step.id}"
            if text.startswith(filling.COMPUTED):
                yield from value_of(place, text[1:].strip(), records, (object,))
                continue
            try:
                unknown = _unknown(Words(channel=Channel.EMAIL, body=text, subject="-"), at_hand)
            except BadTemplate as wrong:
                yield error(place, str(wrong))
                continue
            for field in unknown:
                yield error(place, f"It names {field}, which is not at hand.")


def _body(place: str, template: Template, purpose: Purpose | None) -> Iterator[Finding]:
    longest = LONGEST[template.channel]
    if len(template.body) > longest:
        yield error(place, f"It has {len(template.body):,} characters: {longest:,} are possible.")
    marketing = purpose is Purpose.MARKETING and template.channel is Channel.SMS
    if marketing and not any(each in template.body for each in _WAYS_OUT):
        yield error(place, "A marketing text has to say how to end it, such as: Reply STOP to end.")


def _unknown(words: Words, at_hand: Mapping[str, Any]) -> list[str]:
    return sorted(field for field in fields_of(words) if not shapes.known(at_hand, tuple(field.split("."))))


def _texts(step: Step) -> Iterator[str]:
    match step:
        case Task():
            yield from (step.title, step.body)
        case Call():
            yield step.url
            yield from _inside(step.body)
            yield from step.headers.values()
        case Write():
            yield from _inside(step.path)
            yield from _inside(step.body)
        case Ask() | Crm():
            yield from _inside(step.values)
        case Post():
            yield step.text
        case Think() | Approval():
            yield step.question


def _inside(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _inside(inner)
        case list() | tuple():
            for inner in value:
                yield from _inside(inner)
