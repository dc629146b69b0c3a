"""A quick look at a record before its customer is read: most records of a clock's walk fail on a column.

The parts of a trigger's condition that name nothing but the record's own columns are tried on the bare row.
A part that cannot be decided on it decides nothing here.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.errors import PerfectCatchError
from perfectcatch.model.workflow import Definition
from perfectcatch.workflows import expressions
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.records import local_time
from perfectcatch.workflows.views import OF_ENTITY, plain_record

_FREE: Final = ("now", "local", "settings")
_COMMON: Final = ("id", "created_on", "modified_on", "active", "deleted")


def may_hold(
    definition: Definition, entity: str, row: Mapping[str, Any], now: datetime, zone: ZoneInfo
) -> bool:
    """Whether the condition can hold for ``row``; False is certain."""
    role = OF_ENTITY.get(entity, entity.removesuffix("s"))
    parts = own_parts(definition.trigger.where or "true", entity, role)
    if not parts:
        return True
    records = {
        role: plain_record(entity, row),
        "now": now,
        "local": local_time(now, zone),
        "settings": definition.settings,
        "company": {"zone": zone.key},
    }
    for part in parts:
        try:
            if not expressions.holds(part, records):
                return False
        except PerfectCatchError:
            continue
    return True


@lru_cache(maxsize=256)
def own_parts(where: str, entity: str, role: str) -> tuple[str, ...]:
    """The parts that read the record's own columns alone."""
    columns = {*READINGS[entity].columns, *_COMMON}
    found = []
    for part in split(where):
        paths = expressions.compiled(part).paths
        if paths and all(path[0] in _FREE or (path[0] == role and path[-1] in columns) for path in paths):
            found.append(part)
    return tuple(found)


def split(where: str) -> Iterator[str]:
    """The parts of ``where`` that are joined by && at its top; the whole where || stands there too."""
    depth, start, quote, parts = 0, 0, "", []
    for place, character in enumerate(where):
        if quote:
            quote = "" if character == quote and where[place - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif depth == 0 and where.startswith(("||", "?"), place):
            yield where.strip()
            return
        elif depth == 0 and where.startswith("&&", place):
            parts.append(where[start:place])
            start = place + 2
    parts.append(where[start:])
    yield from (part.strip() for part in parts if part.strip())
