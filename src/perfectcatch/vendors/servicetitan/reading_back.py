"""Whether a change of which no answer came is in effect: read from the vendor, never by sending it again.

``PUT``, ``PATCH`` and ``DELETE`` of a record are compared with the record. A ``POST`` that makes a record is
looked for in the list of such records, among those that were made since: by what its external data holds,
where the vendor keeps such data and it was sent, else by being alike. What an action did to a record (sell,
cancel) no document tells, so a person is told where to look.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import msgspec

from perfectcatch.errors import NotFound, VendorUnavailable
from perfectcatch.kit.http import Response
from perfectcatch.model.call import Call
from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.model.passing import Found, Passage
from perfectcatch.vendors.servicetitan import shapes
from perfectcatch.vendors.servicetitan.arguments import fill
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE

_WHOLE = 4 * 1024 * 1024
_CLOCKS_APART = timedelta(minutes=1)
_SHOWN_SECONDS = 900.0  # after which a record that was made is in the vendor's lists, with some to spare
_LISTED = 50
_COMPANY = re.compile(r"^/([^/]+)/v\d+/tenant/\d+/")


MARK = "perfectcatch-request"


def marked(call: Call, application: str | None, word: str) -> Call:
    """``call`` with ``word`` in the external data of what it makes, where the vendor keeps such data.

    ``application`` is the GUID under which our app's data is kept; what a caller keeps under another stays.
    """
    body = _sent(call)
    if application is None or not isinstance(body, dict) or not _is_kept(call.endpoint):
        return call
    kept = body.get("externalData") or {"applicationGuid": application, "externalData": []}
    if not _is_ours(kept, application):
        return call
    pairs = [*kept["externalData"], {"key": MARK, "value": word}]
    return replace(call, body=msgspec.json.encode({**body, "externalData": {**kept, "externalData": pairs}}))


def _is_kept(endpoint: Endpoint) -> bool:
    twin = _reads().get(endpoint.path)
    shape = shapes.operation(f"{endpoint.method} {endpoint.path}").body
    lists = endpoint.method == "POST" and twin is not None and twin.takes("externalDataKey")
    return lists and shape is not None and "externalData" in shape.fields


def _is_ours(kept: Any, application: str) -> bool:
    return (
        isinstance(kept, dict)
        and isinstance(kept.get("externalData"), list)
        and str(kept.get("applicationGuid")).lower() == application.lower()
    )


async def read_back(passage: Passage, call: Call, tenant: int, now: datetime, since: float) -> Found:
    """Look for the effect of ``call``, which was sent ``since`` seconds before ``now``."""
    endpoint = call.endpoint
    sent = _sent(call)
    twin = _reads().get(endpoint.path)
    if endpoint.method in {"PUT", "PATCH", "DELETE"} and twin is not None and twin.kind is Kind.ITEM:
        asked = Call(twin, call.path, ())
        look_at = f"GET {_door(call.path)}"
        try:
            answer = await passage.send(asked, whole_bytes=_WHOLE)
        except NotFound:
            gone = endpoint.method == "DELETE"
            return Found(in_effect=gone, look_at=look_at, response=_empty() if gone else None)
        record = _decoded(answer)
        if endpoint.method == "DELETE":
            off = isinstance(record, dict) and record.get("active") is False
            return Found(in_effect=off, look_at=look_at, response=_empty() if off else None)
        alike = _alike(sent, record)
        return Found(in_effect=alike, look_at=look_at, response=answer if alike else None)
    if endpoint.method == "POST" and twin is not None and twin.takes("createdOnOrAfter"):
        began = now - timedelta(seconds=since) - _CLOCKS_APART
        by_mark = _by_mark(sent) if _is_kept(endpoint) else {}
        found = await _created(passage, call, twin, tenant, began, by_mark)
        if found.in_effect is None and MARK in by_mark.values() and since > _SHOWN_SECONDS:
            return replace(found, in_effect=False)
        return found
    return Found(in_effect=None, look_at=f"GET {_door(_nearest(call))}")


def _by_mark(sent: Any) -> dict[str, str]:
    """The question for records with the external data that was sent: by our mark, else by the first pair."""
    kept = sent.get("externalData") if isinstance(sent, dict) else None
    if not isinstance(kept, dict) or not isinstance(kept.get("externalData"), list):
        return {}
    pairs = [each for each in kept["externalData"] if isinstance(each, dict)]
    usable = {str(each.get("key")): str(each.get("value")) for each in pairs if each.get("value")}
    if not usable:
        return {}
    key = MARK if MARK in usable else next(iter(usable))
    return {
        "externalDataApplicationGuid": str(kept.get("applicationGuid")),
        "externalDataKey": key,
        "externalDataValues": usable[key],
    }


async def _created(
    passage: Passage, call: Call, twin: Endpoint, tenant: int, since: datetime, by_mark: Mapping[str, str]
) -> Found:
    moment = since.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    arguments = {"createdOnOrAfter": moment, **by_mark}
    if twin.takes("pageSize"):
        arguments["pageSize"] = str(_LISTED)
    filled = fill(
        Endpoint(name=twin.name, method="GET", path="", kind=twin.kind, does="", query=twin.query),
        tenant,
        arguments,
    )
    asked = Call(twin, call.path, filled.query)
    found = Found(in_effect=None, look_at=f"GET {_door(asked.target)}")
    listed = _decoded(await passage.send(asked, whole_bytes=_WHOLE))
    records = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(records, list):
        return found
    certain = MARK in by_mark.values()  # nothing else has this word
    same = records if certain else [record for record in records if _alike(_sent(call), record)]
    if len(same) != 1:  # none yet, or others like it: a list may show a record late
        return found
    body = msgspec.json.encode(same[0])
    response = Response(status=200, headers={"Content-Type": "application/json"}, body=body, seconds=0.0)
    return Found(in_effect=True, look_at=found.look_at, response=response)


@cache
def _reads() -> Mapping[str, Endpoint]:
    """What reads a path, by the path."""
    return {row.path: row for row in CATALOGUE.values() if row.method == "GET"}


def _door(target: str) -> str:
    """The caller's way to a path of the vendor."""
    return _COMPANY.sub("/st/\\1/", target)


def _nearest(call: Call) -> str:
    """The path of the record that an action is about: everything up to its last number."""
    segments = call.path.split("/")
    while len(segments) > 1 and not segments[-1].isdigit():
        segments.pop()
    return "/".join(segments) if len(segments) > 4 else call.path  # noqa: PLR2004 - the company is the fourth


def _sent(call: Call) -> Any:
    try:
        return msgspec.json.decode(call.body) if isinstance(call.body, bytes) else None
    except msgspec.MsgspecError:
        return None


def _decoded(answer: Response) -> Any:
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise VendorUnavailable(f"the record that was read back is not JSON ({problem})") from None


def _empty() -> Response:
    return Response(status=200, headers={}, body=b"", seconds=0.0)


def _alike(sent: Any, record: Any) -> bool | None:
    """Whether every value that was sent and is shown is the same; None when nothing can be compared."""
    verdicts = list(_compared(sent, record))
    return all(verdicts) if verdicts else None


def _compared(sent: Any, shown: Any) -> Iterator[bool]:
    if isinstance(sent, dict) and isinstance(shown, dict):
        for name, value in sent.items():
            if name in shown:
                yield from _compared(value, shown[name])
    elif isinstance(sent, list) and isinstance(shown, list):
        if not any(isinstance(each, dict | list) for each in [*sent, *shown]):
            yield sorted(map(_plain, sent)) == sorted(map(_plain, shown))
    elif not isinstance(sent, dict | list) and not isinstance(shown, dict | list):
        yield _plain(sent) == _plain(shown)


def _plain(value: Any) -> str:
    """One spelling for what the vendor writes in several: 12, 12.0 and "12.00"; moments; blank and null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    text = str(value).strip()
    try:
        return f"{Decimal(text).normalize():f}"
    except InvalidOperation:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
