"""The parts of a condition that stay as they are for as long as the records do, whatever the clock says.

A record that a clock comes by each day is asked by them once, and by the others each time. The language lets
the parts that && joins be asked one by one: one that is false decides, even beside one that has no value.
"""

from functools import lru_cache
from typing import Final

from perfectcatch.workflows import expressions
from perfectcatch.workflows.sifting import split
from perfectcatch.workflows.views import OF_THE_MOMENT, OF_TODAY, ROLES

_ROOTS: Final = frozenset(
    {*ROLES, "customer", "location", "technician", "contact", "settings", "company"} - {*OF_TODAY}
)


@lru_cache(maxsize=256)
def parted(where: str) -> tuple[str, str]:
    """The lasting parts of ``where``, and the others; "true" where there are none."""
    lasting: list[str] = []
    passing: list[str] = []
    for part in split(where):
        paths = expressions.compiled(part).paths
        (lasting if all(map(_lasts, paths)) else passing).append(part)
    return _joined(lasting), _joined(passing)


@lru_cache(maxsize=1024)
def light(where: str) -> str | None:
    """The parts that do not read what happened, a list that is dear to hand over; None: all or none do."""
    parts = split(where)
    others = [each for each in parts if ("happened",) not in expressions.compiled(each).paths]
    return _joined(others) if 0 < len(others) < len(parts) else None


def _lasts(path: tuple[str, ...]) -> bool:
    root, field = path[0], path[1] if len(path) > 1 else None
    if root == "customer":
        return field is not None and field not in OF_THE_MOMENT
    return root in _ROOTS


def _joined(parts: list[str]) -> str:
    return "&&".join(parts) or "true"  # no longer than they were
