"""Values made up from a shape, always the same for the same seed: for resources that the company lacks.

A field's name says more than its type (``jobId`` should be a job that exists, ``phone`` a phone number), so
the maker first asks the name, then the type.
"""

import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.vendors.servicetitan.shapes import INTEGERS, NUMBERS, Shape

_DEEPEST = 5
_FIRST = ("Ada", "Ben", "Carla", "Dev", "Elena", "Frank", "Grace", "Hugo", "Iris", "Jonas", "Kim", "Luis")
_LAST = ("Archer", "Brook", "Castillo", "Dale", "Ellis", "Farrow", "Glenn", "Hart", "Ivers", "Keller", "Lane")
_WORDS = ("Main", "Standard", "Seasonal", "Overtime", "Warranty", "Install", "Service", "Emergency", "Spare")
_STATES = ("TX", "FL", "AZ", "GA", "NC")


def number_of(*parts: Any) -> int:
    """A number below 2**32 that depends on all parts and on nothing else."""
    return zlib.crc32("\x1f".join(map(str, parts)).encode())


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes values. ``pick`` gives the id of an existing record for a field such as ``jobId``, or None."""

    seed: int
    now: int
    pick: Callable[[str, int], int | str | None] = lambda _name, _number: None

    def record(self, shape: Shape, *path: Any) -> Any:
        """Make a whole value of ``shape``; ``path`` tells apart what would else be equal."""
        return self._value(shape, "", (self.seed, *path), 0)

    def fill(self, fields: Mapping[str, Shape], known: Mapping[str, Any], *path: Any) -> dict[str, Any]:
        """Make an object of ``fields`` in which the values in ``known`` stand where they are known."""
        return {
            name: known[name] if name in known else self._value(shape, name, (self.seed, *path), 0)
            for name, shape in fields.items()
        }

    def bare(self, fields: Mapping[str, Shape], known: Mapping[str, Any], *path: Any) -> dict[str, Any]:
        """Like ``fill``, but what may be null and is not known is null, and lists are empty."""
        made: dict[str, Any] = {}
        for name, shape in fields.items():
            if name in known:
                made[name] = known[name]
            elif shape.nullable or shape.word == "list":
                made[name] = None if shape.nullable else []
            elif shape.word == "ref" and shape.fields:
                made[name] = self.bare(shape.fields, {}, *path, name)
            else:
                made[name] = self._value(shape, name, (self.seed, *path), 0)
        return made

    def _value(self, shape: Shape, name: str, path: tuple[Any, ...], depth: int) -> Any:
        number = number_of(*path, name)
        if shape.nullable and (depth >= _DEEPEST or number % 4 == 0):
            return None
        if shape.word == "list" and shape.inner:
            length = 0 if depth >= _DEEPEST else 1 + number % 2
            return [
                self._value(shape.inner, name, (*path, name, index), depth + 1) for index in range(length)
            ]
        if shape.word == "map":
            return {}
        if shape.name:
            return self._named(shape, (*path, name), depth, number)
        return self._plain(shape.word, name, path, number)

    def _named(self, shape: Shape, path: tuple[Any, ...], depth: int, number: int) -> Any:
        if shape.choices:
            return shape.choices[number % len(shape.choices)]
        if depth >= _DEEPEST + 2:
            return self.bare(shape.fields, {}, *path) if shape.fields else {}
        return {key: self._value(each, key, path, depth + 1) for key, each in shape.fields.items()}

    def _plain(self, word: str, name: str, path: tuple[Any, ...], number: int) -> Any:
        if word == "boolean":
            return number % 10 != 0 if name == "active" else number % 2 == 0
        if word in INTEGERS:
            return self._integer(word, name, number)
        if word in NUMBERS:
            return round(number % 50_000 / 100, 2)
        if word in {"date-time", "date"}:
            age = number % (400 * moments.DAY // moments.MINUTE) * moments.MINUTE + number % moments.MINUTE
            if name == "modifiedOn":
                age = age // 2
            return moments.write(self.now - age) if word == "date-time" else moments.write_day(self.now - age)
        if word == "duration":
            return f"{number % 8:02d}:{number % 60:02d}:00"
        if word == "guid":
            return str(uuid.UUID(int=number << 96 | number_of(*path, name, "low")))
        return self._text(word, name, number)

    def _integer(self, word: str, name: str, number: int) -> int:
        if name.endswith(("Id", "Ids")) or name == "id" or name in {"technician", "employee", "job"}:
            found = self.pick(name, number)
            if isinstance(found, int):
                return found
            return 10_000_000 + number % 89_999_999
        return number % (1000 if word == "int32" else 100_000)

    def _text(self, word: str, name: str, number: int) -> str:
        first, last = _FIRST[number % len(_FIRST)], _LAST[number // 13 % len(_LAST)]
        low = name.lower()
        if word == "email" or "email" in low:
            return f"{first}.{last}@example.com".lower()
        if word == "phone" or "phone" in low:
            return f"512555{number % 10_000:04d}"
        if "url" in low or "uri" in low:
            return f"https://files.example.com/{number:08x}"
        exact = {
            "state": _STATES[number % len(_STATES)],
            "zip": f"78{number % 1000:03d}",
            "country": "USA",
            "city": "Austin",
            "street": f"{100 + number % 900} {last} Lane",
            "unit": "",
            "color": f"#{number % 0xFFFFFF:06X}",
        }
        if low in exact:
            return exact[low]
        if low.endswith(("number", "code", "externalid", "key", "sid")):
            return f"{number % 1_000_000:06d}"
        if low.endswith(("firstname", "createdby", "agentname", "employeename", "technicianname")):
            return f"{first} {last}"
        return f"{_WORDS[number % len(_WORDS)]} {number % 97}"
