"""Definitions as text: YAML or JSON becomes frozen words of ``model/workflow.py``, or a sentence why not."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Final

import yaml

from perfectcatch.errors import BadWorkflow
from perfectcatch.model.asking import Ask
from perfectcatch.model.messaging import Channel, Purpose
from perfectcatch.model.workflow import (
    Approval,
    Branch,
    Call,
    Choice,
    Crm,
    Definition,
    Message,
    Post,
    Reentry,
    Run,
    Step,
    Stop,
    StopRule,
    Task,
    Template,
    Think,
    Trigger,
    Wait,
    Write,
)
from perfectcatch.workflows import values
from perfectcatch.workflows.stops import STANDARD

LARGEST: Final = 200_000  # characters of a file
MOST_STEPS: Final = 100
_TOLD: Final = ("does", "title")  # words for people: they change no version
_KINDS: Final[Mapping[str, type[Step]]] = {
    "wait": Wait,
    "branch": Branch,
    "sms": Message,
    "email": Message,
    "task": Task,
    "http": Call,
    "mirror": Ask,
    "write": Write,
    "crm": Crm,
    "chat": Post,
    "ai": Think,
    "approval": Approval,
    "workflow": Run,
    "stop": Stop,
}
_FIELDS: Final = {"for": "span"}  # a word of the file that cannot be a name in Python
_TOP: Final = frozenset(
    {
        "name",
        "title",
        "does",
        "recipe",
        "class",
        "trigger",
        "key",
        "again_after",
        "max_concurrent_per_customer",
        "reentry",
        "priority",
        "stop_rules",
        "templates",
        "settings",
        "needs",
        "steps",
    }
)


class _Loader(yaml.SafeLoader):
    """YAML as JSON means it: ``on`` is a word, ``10:00`` no number in base sixty, a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, re.compile(r"(true|false)$") if tag.endswith(":bool") else pattern)
        for tag, pattern in resolvers
        if not tag.endswith((":int", ":float", ":timestamp"))
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"-?(0|[1-9]\d*)$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"-?(0|[1-9]\d*)\.\d+$"), list("-0123456789")
)


def _document(text: str) -> Any:
    """What the text says. Raises BadWorkflow for a name that stands twice in a mapping: one would be lost.

    Looked for before anything is made of the nodes: a merge (``<<``) writes what it merges into its own node.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        todo, seen = [root], set[int]()
        while todo:
            node = todo.pop()
            if node is None or id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                _has_each_once(node)
                todo += [each for pair in node.value for each in pair]
            elif isinstance(node, yaml.SequenceNode):
                todo += node.value
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _has_each_once(node: yaml.MappingNode) -> None:
    names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            line = node.start_mark.line + 1
            raise BadWorkflow(f"{name!r} stands twice in the mapping that begins in line {line}.")


def parse(text: str) -> Definition:
    """Read one definition. Raises BadWorkflow with the place and the reason."""
    if len(text) > LARGEST:
        raise BadWorkflow(f"A definition has at most {LARGEST:,} characters.")
    try:
        document = _document(text)
    except yaml.YAMLError as error:
        raise BadWorkflow(f"This is neither YAML nor JSON: {' '.join(str(error).split())[:300]}") from None
    except RecursionError:
        raise BadWorkflow("This is nested too deeply.") from None
    return read(document)


def read(document: Any) -> Definition:
    """Read a definition that is parsed already, such as one from the database."""
    root = values.mapping(document, "The definition", _TOP)
    name = values.name(root, "name", "the definition")
    place = f"Workflow {name}"
    settings = values.free(root.get("settings") or {}, f"{place}, settings")
    templates = {
        each: _template(each, value, f"{place}, template {each}")
        for each, value in values.free(root.get("templates") or {}, f"{place}, templates").items()
    }
    purpose = values.one_of(Purpose, root.get("class"), f"{place}, class")
    steps = root.get("steps")
    if not isinstance(steps, list) or not 1 <= len(steps) <= MOST_STEPS:
        raise BadWorkflow(f"{place} needs 1 to {MOST_STEPS} steps.")
    return Definition(
        name=name,
        title=values.text(root.get("title") or name, f"{place}, title"),
        does=values.text(root.get("does"), f"{place}, does"),
        recipe=root.get("recipe"),
        purpose=purpose,
        trigger=_trigger(root.get("trigger"), f"{place}, trigger"),
        key=values.optional(root.get("key"), f"{place}, key"),
        again_after=values.span(root.get("again_after"), f"{place}, again_after"),
        max_concurrent_per_customer=values.whole(
            root.get("max_concurrent_per_customer", 1), f"{place}, max_concurrent_per_customer", 1, 1000
        ),
        reentry=values.one_of(Reentry, root.get("reentry", "single"), f"{place}, reentry"),
        priority=values.whole(root.get("priority", 50), f"{place}, priority", 0, 100),
        stop_rules=tuple(
            _stop_rule(each, f"{place}, stop rule {number}")
            for number, each in enumerate(values.several(root.get("stop_rules"), f"{place}, stop_rules"), 1)
        ),
        templates=MappingProxyType(templates),
        settings=MappingProxyType(settings),
        needs=values.texts(root.get("needs"), f"{place}, needs"),
        steps=tuple(_step(each, f"{place}, step {number}") for number, each in enumerate(steps, 1)),
        version=version_of(root),
        document=root,
    )


def version_of(document: Mapping[str, Any]) -> str:
    """A digest of everything in a definition that has a meaning: equal texts in other words are equal."""
    meant = {key: value for key, value in document.items() if key not in _TOLD}
    return sha256(json.dumps(meant, sort_keys=True, default=str).encode()).hexdigest()[:16]


def written(definition: Definition) -> str:
    """The definition as YAML."""
    return yaml.safe_dump(dict(definition.document), sort_keys=False, allow_unicode=True, width=100)


def blank_settings(definition: Definition) -> tuple[str, ...]:
    """Names of the settings that the company has to give a value before the workflow acts."""
    return tuple(name for name, value in definition.settings.items() if value in ("", None))


def with_settings(definition: Definition, values_: Mapping[str, str]) -> Definition:
    """``definition`` with other settings, their values in YAML's words. Raises BadWorkflow."""
    unknown = sorted(values_.keys() - definition.settings.keys())
    if unknown:
        known = ", ".join(definition.settings) or "none"
        raise BadWorkflow(f"{definition.name} has no setting {unknown[0]!r}; it has: {known}.")
    changed = dict(definition.settings)
    for name, text in values_.items():
        try:
            value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader that reads less
        except yaml.YAMLError:
            value = text
        before = changed[name]
        if before not in ("", None) and _kind(value) is not _kind(before):
            raise BadWorkflow(f"{name} is {before!r}: write a value of that kind, not {text!r}.")
        changed[name] = text if before == "" else value
    return read(dict(definition.document) | {"settings": changed})


def _kind(value: object) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def shipped() -> Mapping[str, Definition]:
    """The recipes that come with the product, by name."""
    return _shipped()


@lru_cache(maxsize=1)
def _shipped() -> Mapping[str, Definition]:
    found = [parse(file.read_text()) for file in _recipe_files()]
    return MappingProxyType({each.name: each for each in sorted(found, key=lambda each: each.name)})


def _recipe_files() -> Iterator[Traversable]:
    folder = files("perfectcatch.workflows").joinpath("recipes")
    yield from (each for each in folder.iterdir() if each.name.endswith(".yaml"))


# Parts -------------------------------------------------------------------------------------------


def _trigger(value: Any, place: str) -> Trigger:
    said = values.mapping(value, place, frozenset({"on", "clock", "each", "at_most", "webhook", "where"}))
    given = [each for each in ("on", "clock", "webhook") if said.get(each)]
    if len(given) != 1:
        raise BadWorkflow(f"{place} needs exactly one of on (events), clock and webhook.")
    if said.get("each") and given != ["clock"]:
        raise BadWorkflow(f"{place}: each goes with clock alone.")
    at_most = said.get("at_most")
    return Trigger(
        events=values.texts(said.get("on"), f"{place}, on"),
        clock=values.optional(said.get("clock"), f"{place}, clock"),
        each=values.optional(said.get("each"), f"{place}, each"),
        at_most=None if at_most is None else values.whole(at_most, f"{place}, at_most", 1, 100_000),
        webhook=values.optional(said.get("webhook"), f"{place}, webhook"),
        where=values.optional(said.get("where"), f"{place}, where"),
    )


def _stop_rule(value: Any, place: str) -> StopRule:
    if isinstance(value, str):
        if value not in STANDARD:
            raise BadWorkflow(f"{place}: {value!r} is none of {', '.join(sorted(STANDARD))}.")
        return STANDARD[value]
    said = values.mapping(value, place, frozenset({"name", "when", "sentence", "steps", "go", "rule", "on"}))
    standard = STANDARD.get(str(said.get("rule"))) if said.get("rule") else None
    if said.get("rule") and standard is None:
        raise BadWorkflow(f"{place}: {said['rule']!r} is none of {', '.join(sorted(STANDARD))}.")
    name = standard.name if standard and "name" not in said else values.name(said, "name", place)
    return StopRule(
        name=name,
        when=standard.when if standard else values.text(said.get("when"), f"{place}, when"),
        sentence=values.text(
            said.get("sentence") or (standard.sentence if standard else None), f"{place}, sentence"
        ),
        steps=values.texts(said.get("steps"), f"{place}, steps"),
        go=values.optional(said.get("go"), f"{place}, go"),
        events=standard.events if standard else values.texts(said.get("on"), f"{place}, on"),
    )


def _template(name: str, value: Any, place: str) -> Template:
    said = values.mapping(value, place, frozenset({"channel", "subject", "body", "html"}))
    channel = values.one_of(Channel, said.get("channel", "sms"), f"{place}, channel")
    if channel is Channel.EMAIL and not said.get("subject"):
        raise BadWorkflow(f"{place}: an email needs a subject.")
    return Template(
        name=name,
        channel=channel,
        body=values.text(said.get("body"), f"{place}, body").strip(),
        subject=values.optional(said.get("subject"), f"{place}, subject"),
        html=values.optional(said.get("html"), f"{place}, html"),
    )


def _step(value: Any, place: str) -> Step:
    said = values.mapping(value, place, None)
    id_ = values.name(said, "id", place)
    place = f"{place} ({id_})"
    kind = said.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise BadWorkflow(f"{place}: {kind!r} is none of the kinds {', '.join(_KINDS)}.")
    made = _KINDS[kind]
    known = {field.name for field in fields(made)}
    given: dict[str, Any] = {}
    for word, inner in said.items():
        name = _FIELDS.get(word, word)
        if word == "kind":
            continue
        if name not in known or (name == "channel" and made is Message) or word in _FIELDS.values():
            raise BadWorkflow(f"{place}: a step of kind {kind} has no field {word!r}.")
        given[name] = _field(name, inner, f"{place}, {word}")
    if made is Message:
        given["channel"] = Channel(kind)
    try:
        return made(**given)
    except TypeError as error:
        missing = re.findall(r"'(\w+)'", str(error))
        raise BadWorkflow(f"{place}: {' and '.join(missing)} missing.") from None


def _field(name: str, value: Any, place: str) -> Any:
    read = _READERS.get(name)
    return value if value is None else (read or values.text)(value, place)


def _choices(value: Any, place: str) -> tuple[Choice, ...]:
    choices = []
    for number, each in enumerate(values.several(value, place), 1):
        where = f"{place} {number}"
        said = values.mapping(each, where, frozenset({"when", "go", "at_most"}))
        at_most = said.get("at_most")
        choices.append(
            Choice(
                when=values.text(said.get("when"), f"{where}, when"),
                go=values.text(said.get("go"), f"{where}, go"),
                at_most=None if at_most is None else values.whole(at_most, f"{where}, at_most", 1, 1000),
            )
        )
    return tuple(choices)


_READERS: Final[Mapping[str, Callable[[Any, str], Any]]] = {
    "span": values.required_span,
    "within": values.required_span,
    "due": values.required_span,
    "days": lambda value, place: values.whole(value, place, -366, 366),
    "at": values.time_of_day,
    "between": values.between,
    "zone": values.zone,
    "events": values.texts,
    "shows": values.texts,
    "choices": _choices,
    "outcomes": values.outcomes,
    "purpose": lambda value, place: values.one_of(Purpose, value, place),
    "urgent": values.flag,
    "waits": values.flag,
    "budget": lambda value, place: values.whole(value, place, 1, 100_000),
    "data": values.free,
    "headers": values.free,
    "path": values.free,
    "values": values.free,
    "schema": values.free,
    "otherwise": values.free,
    "body": values.anything,
}
