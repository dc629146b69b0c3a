"""What differs between two JSON documents, path by path."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``before`` is null for what was added, ``after`` for what was removed.

    ``path``: ``address.street``, ``tags[0]``, and ``items[id=7].price`` where the entries of a list have ids.
    """

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any


def differences(before: Any, after: Any) -> list[Change]:
    """Every difference, in the order of the documents. Numbers of equal value do not differ."""
    return list(_compare("", before, after))


def _compare(path: str, before: Any, after: Any) -> Iterator[Change]:
    if before is _ABSENT:
        yield Change(path, "added", None, after)
    elif after is _ABSENT:
        yield Change(path, "removed", before, None)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            step = f"{path}.{key}" if path else key
            yield from _compare(step, before.get(key, _ABSENT), after.get(key, _ABSENT))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _lists(path, before, after)
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Change(path, "changed", before, after)


def _lists(path: str, before: list[Any], after: list[Any]) -> Iterator[Change]:
    old, new = _by_id(before), _by_id(after)
    if old is not None and new is not None:
        for key in dict.fromkeys([*old, *new]):
            yield from _compare(f"{path}[id={key}]", old.get(key, _ABSENT), new.get(key, _ABSENT))
        return
    for place in range(max(len(before), len(after))):
        was = before[place] if place < len(before) else _ABSENT
        now = after[place] if place < len(after) else _ABSENT
        yield from _compare(f"{path}[{place}]", was, now)


def _by_id(values: list[Any]) -> dict[Any, Any] | None:
    """The entries by their ids, None unless each has one of its own."""
    if not all(isinstance(value, dict) and isinstance(value.get("id"), int | str) for value in values):
        return None
    found = {value["id"]: value for value in values}
    return found if len(found) == len(values) else None
