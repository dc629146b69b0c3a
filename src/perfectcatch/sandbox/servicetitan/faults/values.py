"""Values that nobody expects. A way takes a decoded record and gives the bytes of a spoiled one."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from perfectcatch.sandbox.servicetitan.table import Record

Way = Callable[[Record, str], bytes]
_encode = msgspec.json.encode
_MARK: Final = "@@the value goes here@@"
_KEPT: Final = {"id", "modifiedOn", "createdOn", "active"}
MEGABYTE: Final = 1_000_000


def with_raw(record: Record, field: str, raw: bytes) -> bytes:
    """The record with ``raw`` as the value of ``field``, whether that is JSON or not."""
    return _encode({**record, field: _MARK}).replace(_encode(_MARK), raw, 1)


def other_text(record: Record) -> Record:
    """One field of the record with another text, as an older version would have had it."""
    for name, value in record.items():
        if name not in _KEPT and isinstance(value, str) and value and not _holds_something_else(value):
            return {name: value + " (before)"}
    return {}


def _holds_something_else(value: str) -> bool:
    """Whether it is a moment, or an amount, which the vendor often writes as a text."""
    return value[:4].isdigit() or value.lstrip("-").replace(".", "", 1).isdigit()


def _field(record: Record, wish: str, *kinds: type) -> str:
    """The field that was wished for, else the first of these kinds, else a new one."""
    if wish:
        return wish
    fits = (
        name
        for name, value in record.items()
        if name not in _KEPT
        and type(value) in kinds
        and not (isinstance(value, str) and _holds_something_else(value))
    )
    return next(fits, "surprise")


# Drift ---------------------------------------------------------------------------------------------


def _new_field(record: Record, field: str) -> bytes:
    return _encode({**record, field or "brandNewField": {"since": "today", "count": 3}})


def _other_type(record: Record, field: str) -> bytes:
    """A name where a number belongs, or an object where a text belongs."""
    name = _field(record, field, float, int, str)
    number = isinstance(record.get(name), int | float)
    return _encode({**record, name: "not a number" if number else {"value": record.get(name)}})


def _unknown_value(record: Record, field: str) -> bytes:
    name = field or next(
        (each for each in ("status", "jobStatus", "type") if isinstance(record.get(each), str)), ""
    )
    return _encode({**record, name or "status": "NeverHeardOf"})


def _missing_field(record: Record, field: str) -> bytes:
    name = _field(record, field, str)
    return _encode({key: value for key, value in record.items() if key != name})


DRIFTS: Final[dict[str, Way]] = {
    "new-field": _new_field,
    "other-type": _other_type,
    "unknown-value": _unknown_value,
    "missing-field": _missing_field,
}


# Awkward -------------------------------------------------------------------------------------------


def _raw(raw: bytes, *kinds: type) -> Way:
    return lambda record, field: with_raw(record, _field(record, field, *kinds), raw)


def _of(value: Any, *kinds: type) -> Way:
    return _raw(_encode(value), *kinds)


def _at(name: str, raw: bytes) -> Way:
    return lambda record, field: with_raw(record, field or name, raw)


def _empty(record: Record, field: str) -> bytes:
    """Empty texts where texts, numbers and moments belong."""
    names = [field] if field else [name for name in record if name not in _KEPT][:3]
    return _encode({**record, **dict.fromkeys(names, "")})


AWKWARD: Final[dict[str, Way]] = {
    "nul": _raw(b'"before\\u0000after"', str),
    "nan": _raw(b"NaN", float, int),
    "huge-number": _of(10**40, float, int),
    "huge-exponent": _raw(b"1e400", float, int),
    "huge-text": _of("x" * MEGABYTE, str),
    "bad-date": _at("createdOn", b'"2026-02-30T25:61:00Z"'),
    "no-date": _at("modifiedOn", b'"soon"'),
    "lone-surrogate": _raw(b'"before\\ud800after"', str),
    "bad-utf-8": _raw(b'"before\xff\xfeafter"', str),
    "deep": _at("surprise", b"[" * 20_000 + b"]" * 20_000),
    "nested": _at("surprise", b"[" * 200 + b"]" * 200),
    "empty": _empty,
    "no-id": _at("id", b"null"),
    "text-id": _at("id", b'"seven"'),
    "no-object": lambda _record, _field: b'"a text where a record belongs"',
}
