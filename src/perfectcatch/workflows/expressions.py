"""Conditions of workflows: the Common Expression Language, compiled once, over plain values.

An expression reads what it is given and nothing else: it has no clock, no input or output, and no loop but
over the lists it is given, whose length is bounded here. Only the fields that an expression names are handed
to it: a whole customer costs half a millisecond to hand over, three fields a few microseconds.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import cel

from perfectcatch.errors import BadWorkflow, PerfectCatchError, Undecidable

LONGEST: Final = 2_000  # characters
DEEPEST: Final = 24  # brackets in brackets
MACROS: Final = ("exists", "exists_one", "all", "filter", "map")
MOST_LOOPS: Final = 6  # in one expression
LONGEST_LIST: Final = 200
_DEEPEST_VALUE: Final = 8

_TEXT: Final = re.compile(r"""(?<!\w)[rRbB]{0,2}(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
_CHAIN: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\s*\(?")
_COMPARED: Final = re.compile(r"\s*[!=]=\s*null\b")
_BOUND: Final = re.compile(rf"\.(?:{'|'.join(MACROS)})\(\s*([A-Za-z_]\w*)\s*,")
_COMPLAINT: Final = re.compile(r"ERROR: <input>:1:(?P<at>\d+): (?:Syntax error: )?(?P<what>[^\n|]+)")
_WORDS: Final = {"true", "false", "null", "in"}
FUNCTIONS: Final = frozenset(
    {"size", "has", "string", "int", "double", "uint", "bool", "timestamp", "duration", "type", "max", "min"}
)


OF_TEXT: Final = "'"  # stands for each character of a text

Tree = dict[str, "Tree"]
_AS_THEY_ARE: Final = frozenset({type(None), bool, int, float, str, timedelta})


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. ``paths``: the fields it reads, such as ("estimate", "total")."""

    text: str
    program: cel.Program
    paths: tuple[tuple[str, ...], ...]
    tree: Tree  # the same, one below the other
    bound: frozenset[str]  # names that stand for an element of a list
    parts: frozenset[str] | None  # the fields that are read of elements; None: all of them


def without_texts(text: str) -> str:
    """As long as ``text``, with ``OF_TEXT`` in the place of texts."""
    return _TEXT.sub(lambda found: OF_TEXT * len(found[0]), text)


@lru_cache(maxsize=4096)
def compiled(text: str) -> Expression:
    """Compile ``text``. Raises BadWorkflow for what is no expression or too large."""
    bare = _TEXT.sub("''", text)
    if len(text) > LONGEST or _depth(bare) > DEEPEST:
        raise BadWorkflow(f"The expression {_short(text)} is too large: split it into several conditions.")
    if len(_BOUND.findall(bare)) > MOST_LOOPS:
        raise BadWorkflow(f"The expression {_short(text)} has more than {MOST_LOOPS} loops over lists.")
    try:
        program = cel.compile(text)
    except ValueError as error:
        raise BadWorkflow(f"{_short(text)} is no expression: {_said(str(error))}") from None
    bound = frozenset(_BOUND.findall(bare))
    paths = tuple(sorted(set(_paths(bare, bound))))
    return Expression(text, program, paths, _tree(paths), bound, _parts(bare, bound))


def evaluate(text: str, records: Mapping[str, Any]) -> Any:
    """The value of ``text`` with ``records``. Raises BadWorkflow, and Undecidable where there is none."""
    expression = compiled(text)
    given = _given(expression, records)
    try:
        return expression.program.execute(given)
    except (TypeError, KeyError, IndexError, ValueError, RuntimeError, ArithmeticError) as error:
        raise Undecidable(f"{_short(text)} has no value here: {_reason(error)}") from None


def holds(text: str | None, records: Mapping[str, Any]) -> bool:
    """Whether the condition is true; without a text it is. Raises as ``evaluate``."""
    if text is None or text == "true":
        return True
    value = evaluate(text, records)
    if not isinstance(value, bool):
        raise Undecidable(f"{_short(text)} is {value!r:.40}, neither true nor false.")
    return value


def decided(text: str, records: Mapping[str, Any]) -> bool | None:
    """Whether the condition is true; None: that cannot be decided."""
    try:
        return holds(text, records)
    except PerfectCatchError:
        return None


def moment(text: str, records: Mapping[str, Any]) -> datetime:
    """The moment that ``text`` names. Raises as ``evaluate``; Undecidable for anything but a moment."""
    value = evaluate(text, records)
    if not isinstance(value, datetime):
        raise Undecidable(f"{_short(text)} is {value!r:.40}, no moment.")
    return value


def _said(trouble: str) -> str:
    """The first complaint of the compiler, with its place; the rest follows from it."""
    first = _COMPLAINT.search(trouble)
    if first is None:
        return " ".join(trouble.split())[:200]
    hint = " (two signs compare: ==)" if first["what"].endswith("'= '") else ""
    return f"at character {first['at']}, {' '.join(first['what'].split())[:160]}{hint}."


def _given(expression: Expression, records: Mapping[str, Any]) -> dict[str, Any]:
    """What the expression reads of the records, and nothing else."""
    zone, parts = zone_of(records), expression.parts
    return {root: _cut(records.get(root), tree, parts, zone) for root, tree in expression.tree.items()}


def _cut(value: Any, tree: "Tree", parts: frozenset[str] | None, zone: ZoneInfo) -> Any:
    """Of ``value`` the fields of ``tree``; all of it where the tree is empty, or it has no fields."""
    if type(value) in _AS_THEY_ARE:
        return value
    if tree and (type(value) is dict or isinstance(value, Mapping)):
        return {name: _cut(value.get(name), below, parts, zone) for name, below in tree.items()}
    if parts is not None and not tree and isinstance(value, list):
        value = [_part(each, parts) for each in value[:LONGEST_LIST]]
    return plain(value, zone)


def _part(element: Any, parts: frozenset[str]) -> Any:
    """An element of a list with nothing but what the expression reads of it."""
    if not isinstance(element, Mapping):
        return element
    return {name: element[name] for name in parts if name in element}


def zone_of(records: Mapping[str, Any]) -> ZoneInfo:
    """The company's time zone."""
    return _zone(str((records.get("company") or {}).get("zone") or "UTC"))


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def plain(value: Any, zone: ZoneInfo, depth: int = 0) -> Any:
    """``value`` as the language knows it: numbers, texts, moments, lists and maps of bounded size.

    A calendar day is its first moment in ``zone``.
    """
    if type(value) in _AS_THEY_ARE:
        return value
    usual = _USUAL.get(type(value))
    if usual is not None:
        return usual(value, zone, depth)
    match value:
        case None | bool() | int() | float() | str() | timedelta():
            return value
        case datetime():
            return value.astimezone(UTC)
        case Decimal():
            return float(value)
        case date():
            return datetime.combine(value, time(), zone).astimezone(UTC)
        case Mapping():
            return _plain_map(value, zone, depth)
        case Sequence():
            return _plain_list(value, zone, depth)
    return str(value)


def _plain_map(value: Mapping[Any, Any], zone: ZoneInfo, depth: int) -> dict[str, Any] | None:
    if depth > _DEEPEST_VALUE:
        return None
    return {str(name): plain(inner, zone, depth + 1) for name, inner in value.items()}


def _plain_list(value: Sequence[Any], zone: ZoneInfo, depth: int) -> list[Any]:
    return [plain(inner, zone, depth + 1) for inner in value[:LONGEST_LIST]]


# What nearly every value is: the match asks for each kind above it, which takes ten times as long.
_USUAL: Final[Mapping[type, Callable[[Any, ZoneInfo, int], Any]]] = {
    datetime: lambda value, _zone, _depth: value if value.tzinfo is UTC else value.astimezone(UTC),
    Decimal: lambda value, _zone, _depth: float(value),
    dict: _plain_map,
    list: _plain_list,
}


def _paths(bare: str, bound: frozenset[str]) -> Iterator[tuple[str, ...]]:
    chains = []
    for found in _CHAIN.finditer(bare):
        written = found[0].rstrip()
        names = written.removesuffix("(").rstrip().split(".")
        if written.endswith("("):
            names = names[:-1]  # the last name is a function or a method
        elif _COMPARED.match(bare, found.end()):
            names.append("id")  # whether it is there at all: no need for all of it
        if names and names[0] not in bound and names[0] not in _WORDS:
            chains.append(tuple(names))
    for chain in chains:  # where the whole of something is read, its parts are read with it
        if not any(len(other) < len(chain) and chain[: len(other)] == other for other in chains):
            yield chain


def _tree(paths: Iterable[tuple[str, ...]]) -> Tree:
    tree: Tree = {}
    for path in paths:
        below = tree
        for name in path:
            below = below.setdefault(name, {})
    return tree


def _parts(bare: str, bound: frozenset[str]) -> frozenset[str] | None:
    found = set()
    for chain in _CHAIN.finditer(bare):
        names = chain[0].rstrip().removesuffix("(").rstrip().split(".")
        if names[0] in bound:
            declared = re.match(r"\s*,", bare[chain.end() :]) is not None and len(names) == 1
            if len(names) == 1 and not declared:
                return None
            found.update(names[1:2])
    return frozenset(found) if bound else None


def _depth(bare: str) -> int:
    depth = deepest = 0
    for character in bare:
        if character in "([{?":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}:":
            depth -= 1
    return deepest


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")  # noqa: PLR2004 - a line of a terminal


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]}"
    if isinstance(error, TypeError):
        return "it compares things of different kinds, or something that is not there"
    return " ".join(str(error).split())[:160]
