"""From a caller's arguments to a URL.

Every name and value is checked, because the vendor ignores what it does not know and answers with everything.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from perfectcatch.errors import BadArgument
from perfectcatch.model.call import Call
from perfectcatch.model.endpoint import Endpoint, Kind, Parameter

_PLACEHOLDER = re.compile(r"\{(\w+)[^}]*\}")
_PART = re.compile(r"(?P<name>[\w.]+?)(?:\[(?P<place>\d{1,3})\])?\.(?P<key>[^.\[\]]+)")
_LARGEST = 2**63 - 1


def snake(name: str) -> str:
    """``modifiedOnOrAfter`` as ``modified_on_or_after``; a dot becomes an underscore too."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace(".", "_").lower()


def bind(endpoint: Endpoint, tenant: int, arguments: Mapping[str, Any], body: Any = None) -> Call:
    """Check ``arguments`` and ``body`` against the row; raises BadArgument with the nearest valid name."""
    return replace(fill(endpoint, tenant, arguments), body=_body(endpoint, body))


def fill(endpoint: Endpoint, tenant: int, arguments: Mapping[str, Any]) -> Call:
    """The same without a body, whatever the row says of one."""
    given = _named(endpoint, arguments)
    query: list[tuple[str, str]] = []
    for parameter in endpoint.query:
        if parameter.name in given:
            query.extend(_pairs(endpoint, parameter, given[parameter.name]))
            _check_size(endpoint, *query[-1:])
        elif parameter.required and parameter.name not in dict(endpoint.always):
            raise BadArgument(f"{endpoint.name} needs {parameter.name} ({_wanted(parameter)})")
    if endpoint.needs_one_of and not any(name in given for name in endpoint.needs_one_of):
        raise BadArgument(f"{endpoint.name} needs at least one of {', '.join(endpoint.needs_one_of)}")
    query.extend((name, value) for name, value in endpoint.always if name not in given)
    segments = _segments(endpoint, given)
    places = {"tenant": str(tenant), **segments}
    between, names = _form(endpoint.path)
    return Call(
        endpoint=endpoint,
        path=between.format(*(places[name] for name in names)),
        query=tuple(query),
        report=":".join(segments.values()) if endpoint.kind is Kind.REPORT else None,
    )


@lru_cache(maxsize=2048)
def _form(path: str) -> tuple[str, tuple[str, ...]]:
    """A path as a form that takes the values of its placeholders, and their names in this order."""
    return _PLACEHOLDER.sub("{}", path), tuple(_PLACEHOLDER.findall(path))


def from_query(endpoint: Endpoint, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Arguments from the pairs of a query: repeated names are lists, ``name.key`` is a part of an object."""
    objects = {each.name: each for each in endpoint.query if each.type.startswith("object")}
    found: dict[str, Any] = {}
    for name, value in pairs:
        part = _PART.fullmatch(name) if objects and name not in _spellings(endpoint) else None
        whole = objects.get(part["name"]) if part else None
        if part and whole and bool(part["place"]) == whole.type.endswith("[]"):
            entries = found.setdefault(whole.name, {})
            (entries.setdefault(part["place"], {}) if part["place"] else entries)[part["key"]] = value
        elif name in found:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        else:
            found[name] = value
    for name, each in objects.items():
        if each.type.endswith("[]") and isinstance(found.get(name), dict):
            found[name] = [found[name][place] for place in sorted(found[name], key=int)]
    return found


def _check_size(endpoint: Endpoint, *last: tuple[str, str]) -> None:
    for name, value in last:
        if name == "pageSize" and not 1 <= int(value) <= endpoint.max_page_size:
            raise BadArgument(f"{endpoint.name}: pageSize is from 1 to {endpoint.max_page_size}, not {value}")


@lru_cache(maxsize=2048)
def _spellings(endpoint: Endpoint) -> Mapping[str, Parameter]:
    """Every accepted spelling: the vendor's own, snake case, and ``from_`` where Python has a keyword."""
    found: dict[str, Parameter] = {}
    for parameter in (*endpoint.query, *endpoint.path_parameters):
        if parameter.name != "tenant":
            found[parameter.name] = found[snake(parameter.name)] = found[parameter.name + "_"] = parameter
    return found


def _named(endpoint: Endpoint, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by the vendor's names; None means not given."""
    spellings = _spellings(endpoint)
    given: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in spellings:
            raise BadArgument(_unknown(endpoint, name, {each.name for each in spellings.values()}))
        if value is None:
            continue
        proper = spellings[name].name
        if proper in given:
            raise BadArgument(f"{endpoint.name}: {proper} is given twice, once as {name}")
        given[proper] = value
    return given


def _unknown(endpoint: Endpoint, name: str, valid: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in valid}
    near = difflib.get_close_matches(name.replace("_", "").lower(), by_lower, n=1, cutoff=0.5)
    if near:
        return f"{endpoint.name} has no argument {name}; did you mean {by_lower[near[0]]}?"
    return (
        f"{endpoint.name} has no argument {name}; it takes {', '.join(sorted(by_lower.values())) or 'none'}"
    )


def _segments(endpoint: Endpoint, given: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for parameter in endpoint.path_parameters:
        if parameter.name == "tenant":
            continue
        if parameter.name not in given:
            raise BadArgument(f"{endpoint.name} needs {parameter.name} ({_wanted(parameter)})")
        value = _text(endpoint, parameter, given[parameter.name], parameter.type)
        if value in {"", ".", ".."}:
            raise BadArgument(f"{endpoint.name}: {parameter.name} cannot be {value!r}")
        found[parameter.name] = quote(value, safe="")
    return found


def _pairs(endpoint: Endpoint, parameter: Parameter, value: Any) -> Iterable[tuple[str, str]]:
    """One parameter as query pairs: lists are repeated, objects are spelled ``name.key``."""
    name, kind = parameter.name, parameter.type
    if kind == "object":
        return _object_pairs(endpoint, name, value)
    if kind == "object[]":
        # A text is passed on as it is: one list documents its sort as objects and takes "+Id" all the same.
        if isinstance(value, str):
            return [(name, value)]
        return [
            pair
            for place, entry in enumerate(_list(endpoint, parameter, value))
            for pair in _object_pairs(endpoint, f"{name}[{place}]", entry)
        ]
    if kind.endswith("[]"):
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        return [
            (name, _text(endpoint, parameter, each, kind[:-2])) for each in _list(endpoint, parameter, value)
        ]
    if kind == "string" and isinstance(value, list | tuple | set | frozenset):
        return [(name, ",".join(_text(endpoint, parameter, each, kind) for each in value))]
    return [(name, _text(endpoint, parameter, value, kind))]


def _list(endpoint: Endpoint, parameter: Parameter, value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, Mapping) or parameter.type == "object[]":
        raise _unusable(endpoint, parameter, value)
    return [value]


def _object_pairs(endpoint: Endpoint, name: str, value: Any) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise BadArgument(f"{endpoint.name}: {name} takes names with values, not {value!r}")
    return [(f"{name}.{key}", str(each)) for key, each in value.items()]


def _text(endpoint: Endpoint, parameter: Parameter, value: Any, kind: str) -> str:
    """One value in the vendor's spelling; choices are compared without case."""
    try:
        text = _WRITERS[kind](value)
    except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation):
        raise _unusable(endpoint, parameter, value) from None
    if parameter.choices:
        spelled = {choice.lower(): choice for choice in parameter.choices}
        if text.lower() not in spelled:
            raise _unusable(endpoint, parameter, value)
        return spelled[text.lower()]
    return text


def _unusable(endpoint: Endpoint, parameter: Parameter, value: Any) -> BadArgument:
    return BadArgument(
        f"{endpoint.name}: {parameter.name} takes {_wanted(parameter)}, not {str(value)[:80]!r}"
    )


def _wanted(parameter: Parameter) -> str:
    if parameter.choices:
        return f"one of {', '.join(parameter.choices)}"
    kind, is_list = parameter.type.removesuffix("[]"), parameter.type.endswith("[]")
    words = {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "date-time": "a moment with its offset, such as 2026-01-31T00:00:00Z",
        "date": "a day, such as 2026-01-31",
        "object": "names with values",
    }.get(kind, "text")
    return f"a list, each {words}" if is_list else words


# Writers: value to the vendor's spelling; ValueError when it is none --------------------------------


def _string(value: Any) -> str:
    if isinstance(value, Mapping | bytes):
        raise TypeError
    return _moment(value) if isinstance(value, datetime) else str(value)


def _integer(value: Any) -> str:
    if isinstance(value, bool | float):
        raise TypeError
    number = int(value)
    if not -_LARGEST <= number <= _LARGEST:
        raise ValueError
    return str(number)


def _number(value: Any) -> str:
    if isinstance(value, bool):
        raise TypeError
    number = Decimal(str(value))
    if not math.isfinite(number):
        raise ValueError
    return f"{number:f}"


def _boolean(value: Any) -> str:
    text = str(value).lower()
    if text not in {"true", "false"}:
        raise ValueError
    return text


def _moment(value: Any) -> str:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if value.endswith("Z"):
            return value  # the vendor writes seven fractional digits, and they come back untouched
        # The vendor reads a text without offset as UTC.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    elif isinstance(value, datetime) and value.tzinfo is not None:
        moment = value
    else:
        raise TypeError
    # One of the vendor's modules rejects "+00:00".
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _day(value: Any) -> str:
    if isinstance(value, datetime):
        raise TypeError
    return (value if isinstance(value, date) else date.fromisoformat(value)).isoformat()


_WRITERS = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date-time": _moment,
    "date": _day,
}


# Bodies -----------------------------------------------------------------------------------------

_encoder = msgspec.json.Encoder(decimal_format="number")


def _body(endpoint: Endpoint, body: Any) -> bytes | None:
    """The JSON of a body. Bytes are taken as JSON that somebody else wrote."""
    if endpoint.body is None:
        if body is not None:
            raise BadArgument(f"{endpoint.name} takes no body")
        return None
    if body is None:
        raise BadArgument(f"{endpoint.name} needs a body: {endpoint.body}")
    try:
        if isinstance(body, bytes):
            msgspec.json.decode(body)
            return body
        return _encoder.encode(body)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as problem:
        raise BadArgument(f"{endpoint.name}: the body cannot be written as JSON ({problem})") from None
