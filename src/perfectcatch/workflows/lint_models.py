"""The linter's look at steps that ask a model: what it may decide, and within which bounds.

A model chooses among the steps of the definition and fills in values that the schema bounds. Who is written
to and which address is called is never the model's to say.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.fitting import fitted
from perfectcatch.messaging.templates import Words, fields_of
from perfectcatch.model.messaging import Channel
from perfectcatch.model.workflow import Call, Definition, Message, Think
from perfectcatch.workflows import expressions
from perfectcatch.workflows.lint_texts import Finding, error

_CHOSEN: Final = ("enum", "const")
# What bounds a value of each type.
_BOUNDED: Final[Mapping[str, tuple[str, ...]]] = {
    "object": ("properties",),
    "array": ("items", "maxItems"),
    "string": ("maxLength",),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
    "null": (),
}


def models_of(definition: Definition) -> Iterator[Finding]:
    """What is wrong with the questions of ``definition`` to models, and with what is made of the answers."""
    asking = {step.id for step in definition.steps if isinstance(step, Think)}
    for step in definition.steps:
        place = f"step {step.id}"
        match step:
            case Think():
                yield from _question(place, step)
            case Message(to=str(text)):
                if _reads(asking, _paths(text)):
                    yield error(place, "An answer of a model must not say who is written to.")
            case Call():
                if _reads(asking, _fields(step.url)) or any(
                    _reads(asking, _fields(text)) for text in step.headers.values()
                ):
                    yield error(place, "An answer of a model must not say which address is called.")


def _question(place: str, step: Think) -> Iterator[Finding]:
    if step.schema.get("type") != "object":
        yield error(place, "Its answer has to be an object.")
    yield from _bounds(place, "answer", step.schema)
    try:
        fitted(dict(step.otherwise), step.schema, "the answer without a model")
    except PerfectCatchError as wrong:
        yield error(place, str(wrong))
    if step.decides is None:
        return
    choice = (step.schema.get("properties") or {}).get(step.decides) or {}
    words = choice.get("enum")
    if not isinstance(words, list) or not all(isinstance(each, str) for each in words):
        yield error(place, f"{step.decides} decides where it goes: list its words with enum.")
        return
    if step.decides not in (step.schema.get("required") or ()):
        yield error(place, f"{step.decides} decides where it goes: it has to be required.")
    for word in step.outcomes:
        if word not in words:
            yield error(place, f"The answer is never {word!r}, so that its way leads nowhere.")


def _bounds(place: str, name: str, schema: Any) -> Iterator[Finding]:
    """A value without a bound: a model could fill it with whatever somebody wrote to it."""
    if not isinstance(schema, Mapping):
        yield error(place, f"The schema of {name} is none.")
        return
    if any(each in schema for each in _CHOSEN):
        return
    kinds = schema.get("type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        needed = _BOUNDED.get(str(kind))
        if needed is None:
            yield error(place, f"{name} has no type that is understood.")
        elif not all(each in schema for each in needed):
            yield error(place, f"{name} has no bound: give {' and '.join(needed)}, or enum.")
        elif kind == "array":
            yield from _bounds(place, f"{name}[]", schema["items"])
        elif kind == "object":
            yield from _properties(place, name, schema["properties"])


def _properties(place: str, name: str, inner: Any) -> Iterator[Finding]:
    if not isinstance(inner, Mapping) or not inner:
        yield error(place, f"{name} has no properties: name those that are wanted.")
        return
    for each, value in inner.items():
        yield from _bounds(place, f"{name}.{each}", value)


def _reads(asking: set[str], paths: Iterator[tuple[str, ...]]) -> bool:
    return (
        any(path[0] == "results" and (len(path) == 1 or path[1] in asking) for path in paths)
        if asking
        else False
    )


def _paths(text: str) -> Iterator[tuple[str, ...]]:
    """The fields that an expression names; nothing where it is none, which another check tells."""
    try:
        yield from expressions.compiled(text).paths
    except PerfectCatchError:
        return


def _fields(text: str) -> Iterator[tuple[str, ...]]:
    try:
        found = fields_of(Words(channel=Channel.EMAIL, body=text, subject="-"))
    except PerfectCatchError:
        return
    yield from (tuple(each.split(".")) for each in found)
