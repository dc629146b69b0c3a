"""Words with merge fields, filled in by a sandbox that knows nothing but what it is given.

A field without a value is filled with its fallback, or the message is refused: nobody gets "Hi None" or
"Hi ,". Text is taken as it is; in HTML every value is escaped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from perfectcatch.errors import BadTemplate, BrokenMerge
from perfectcatch.messaging.segments import segments
from perfectcatch.model.messaging import Channel

LONGEST: Final = {Channel.SMS: 1600, Channel.EMAIL: 200_000}  # characters of a message
_LONGEST_TEMPLATE: Final = 100_000

# What stands for a name that nobody has written down.
FALLBACKS: Final[Mapping[str, str]] = {
    "customer.first_name": "there",
    "contact.first_name": "there",
    "technician.first_name": "our technician",
    "technician.name": "our technician",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A template's texts. ``fallbacks``: what fills a field without a value, by its dotted path."""

    channel: Channel
    body: str
    subject: str | None = None
    html: str | None = None
    fallbacks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A message's texts."""

    body: str
    subject: str | None = None
    html: str | None = None

    @property
    def segments(self) -> int:
        """Parts of a text."""
        return segments(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How a template would read. ``problems``: why it would be refused; ``filled``: fallbacks in use."""

    rendered: Rendered | None
    problems: tuple[str, ...]
    fields: tuple[str, ...]
    filled: tuple[str, ...]


def render(words: Words, values: Mapping[str, Any]) -> Rendered:
    """Fill in ``values``.

    Raises ``BadTemplate`` for what is no template, ``BrokenMerge`` for a field without a value and for a
    message that would be empty or too long.
    """
    filled = _with_fallbacks(words, values)[0]
    body = _text(words.body, filled, html=False)
    body = body if words.channel is Channel.EMAIL else " ".join(body.split())
    if not body.strip():
        raise BrokenMerge("The message would be empty.")
    if len(body) > LONGEST[words.channel]:
        raise BrokenMerge(
            f"The message would have {len(body)} characters: {LONGEST[words.channel]} are possible."
        )
    if words.channel is Channel.EMAIL and not (words.subject or "").strip():
        raise BadTemplate("An email needs a subject.")
    subject = " ".join(_text(words.subject, filled, html=False).split()) if words.subject else None
    html = _text(words.html, filled, html=True) if words.html else None
    return Rendered(body=body.strip(), subject=subject, html=html)


def preview(words: Words, values: Mapping[str, Any]) -> Preview:
    """How it reads with ``values``, or everything that is wrong with it."""
    try:
        fields = tuple(sorted(fields_of(words)))
        filled = _with_fallbacks(words, values)[1]
        return Preview(rendered=render(words, values), problems=(), fields=fields, filled=filled)
    except (BadTemplate, BrokenMerge) as error:
        try:
            fields = tuple(sorted(fields_of(words)))
        except BadTemplate:
            fields = ()
        return Preview(rendered=None, problems=(str(error),), fields=fields, filled=())


def fields_of(words: Words) -> set[str]:
    """Dotted paths of the merge fields. Raises ``BadTemplate``."""
    texts = [text for text in (words.body, words.subject, words.html) if text]
    return set().union(*map(_fields, texts))


@lru_cache(maxsize=2048)
def _fields(text: str) -> frozenset[str]:
    return frozenset(_paths(_parsed(text)))


# Filling in --------------------------------------------------------------------------------------


def _with_fallbacks(words: Words, values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``values`` with fallbacks where a field that is used has no value, and the fields that got one."""
    known = {**FALLBACKS, **words.fallbacks}
    result: dict[str, Any] = dict(values)
    used = []
    for path in sorted(fields_of(words) & set(known)):
        if _blank(_at(result, path)):
            result = _put(result, path.split("."), known[path])
            used.append(path)
    return result, tuple(used)


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values.get(name) if isinstance(values, Mapping) else getattr(values, name, None)
        if values is None:
            return None
    return values


def _put(values: Any, names: list[str], value: str) -> dict[str, Any]:
    copy = dict(values) if isinstance(values, Mapping) else {}
    copy[names[0]] = _put(copy.get(names[0]), names[1:], value) if len(names) > 1 else value
    return copy


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _text(text: str, values: Mapping[str, Any], *, html: bool) -> str:
    template = _compiled(text, html)
    try:
        return template.render(values)
    except _NoValue:
        raise BrokenMerge(_without_value(_fields(text), values)) from None
    except BrokenMerge:
        raise
    except jinja2.UndefinedError as error:
        raise BrokenMerge(f"A field has no value: {error.message}.") from None
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, KeyError, AttributeError) as error:
        raise BrokenMerge(f"The message cannot be filled in: {error}.") from None


class _NoValue(BrokenMerge):
    """A field is blank where it is put in; which one, the whole template tells."""


def _without_value(fields: Iterable[str], values: Mapping[str, Any]) -> str:
    blank = sorted(path for path in fields if _blank(_at(values, path)))
    named = " or ".join(blank) or "a field"
    unset = [path.replace(".", "_").upper() for path in blank if path.startswith("company.")]
    unset += [f"{path.removeprefix('settings.')} of the workflow" for path in blank if "settings." in path]
    mend = f"set {' and '.join(unset)}" if unset else "give the field a fallback, or mend the record"
    return f"There is no value for {named}: {mend}."


@lru_cache(maxsize=2048)
def _compiled(text: str, html: bool) -> jinja2.Template:
    _parsed(text)
    return _environment(html).from_string(text)


@lru_cache(maxsize=2048)
def _parsed(text: str) -> nodes.Template:
    if len(text) > _LONGEST_TEMPLATE:
        raise BadTemplate(f"A template has at most {_LONGEST_TEMPLATE} characters.")
    try:
        tree = _environment(False).parse(text)
        _environment(False).from_string(text)
    except jinja2.TemplateSyntaxError as error:
        raise BadTemplate(f"The template cannot be read: {error.message} (line {error.lineno}).") from None
    for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Macro, nodes.CallBlock):
        if tree.find(kind) is not None:
            raise BadTemplate("A template consists of fields, filters, conditions and loops over lists.")
    loops = list(tree.find_all(nodes.For))
    if any(isinstance(inner, nodes.For) or inner.find(nodes.For) for loop in loops for inner in loop.body):
        raise BadTemplate("A loop of a template holds no other loop.")
    if any(name.name == "self" for name in tree.find_all(nodes.Name)):
        raise BadTemplate("A template knows nothing of itself.")
    return tree


_KEPT: Final = (
    *("default", "d", "join", "length", "lower", "upper", "title", "trim", "first", "last", "replace"),
    *("e", "escape", "round", "sort", "map", "select", "list", "int", "string"),
)


class _Environment(ImmutableSandboxedEnvironment):
    """Values are read and never called; a field of a record goes before a method of its type."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ARG002 - the signature of the base
        return False


@lru_cache(maxsize=2)
def _environment(html: bool) -> _Environment:
    made = _Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=html,
        finalize=_finished,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in _KEPT} | dict(FILTERS)
    return made


def _finished(value: Any) -> Any:
    """What a field puts into the text; nothing is no value."""
    if _blank(value):
        raise _NoValue
    return value


# Filters -----------------------------------------------------------------------------------------


def _money(value: Any) -> str:
    amount = Decimal(str(value)).quantize(Decimal("0.01"))
    text = f"${abs(amount):,.2f}".removesuffix(".00")
    return f"-{text}" if amount < 0 else text


def _local(value: Any, zone: str) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise TypeError("it is no moment")
    return moment.astimezone(ZoneInfo(zone)) if moment.tzinfo else moment


@jinja2.pass_context
def _day(context: jinja2.runtime.Context, value: Any) -> str:
    """``Tuesday, June 9`` in the zone at hand."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"{value:%A, %B} {value.day}"
    local = _local(value, _zone(context))
    return f"{local:%A, %B} {local.day}"


@jinja2.pass_context
def _clock(context: jinja2.runtime.Context, value: Any) -> str:
    """``9:30 AM`` in the zone at hand."""
    local = _local(value, _zone(context))
    return f"{local.hour % 12 or 12}:{local.minute:02d} {'AM' if local.hour < 12 else 'PM'}"  # noqa: PLR2004


def _zone(context: jinja2.runtime.Context) -> str:
    zone = context.get("zone")
    if not isinstance(zone, str):
        raise BrokenMerge("The message tells a time, and `zone` is not at hand.")
    return zone


_COMPANY: Final = re.compile(
    r"\b(?:llc|inc|corp|company|co|hoa|ltd|properties|management|group|services)\b", re.IGNORECASE
)


def _first_name(value: Any) -> str:
    """A first name as it is written, from ``JOHN``, ``Lee, Ann`` or ``Ann Lee``; of a company nothing."""
    text = " ".join(str(value or "").split())
    if _COMPANY.search(text):
        return ""
    _, comma, after = text.partition(",")
    word = ((after if comma else text).split() or [""])[0]
    return word.capitalize() if word.isupper() or word.islower() else word


def _phone(value: Any) -> str:
    found = re.fullmatch(r"\+?1?(\d{3})(\d{3})(\d{4})", str(value))
    return f"({found[1]}) {found[2]}-{found[3]}" if found else str(value)


FILTERS: Final[Mapping[str, Any]] = {
    "money": _money,
    "day": _day,
    "clock": _clock,
    "first_name": _first_name,
    "phone": _phone,
}


# Fields ------------------------------------------------------------------------------------------


def _paths(tree: nodes.Node) -> Iterator[str]:
    """Dotted paths that are read from outside; a name that a loop or ``set`` makes is none."""
    own = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}

    def visit(node: nodes.Node) -> Iterator[str]:
        path = _path(node)
        if path is not None:
            if path[0] not in own and path[0] != "loop":
                yield ".".join(path)
            return
        for child in node.iter_child_nodes():
            yield from visit(child)

    yield from visit(tree)


def _path(node: nodes.Node) -> list[str] | None:
    if isinstance(node, nodes.Name):
        return [node.name] if node.ctx == "load" else None
    if isinstance(node, nodes.Getattr):
        head = _path(node.node)
        return [*head, node.attr] if head else None
    if (
        isinstance(node, nodes.Getitem)
        and isinstance(node.arg, nodes.Const)
        and isinstance(node.arg.value, str)
    ):
        head = _path(node.node)
        return [*head, node.arg.value] if head else None
    return None
