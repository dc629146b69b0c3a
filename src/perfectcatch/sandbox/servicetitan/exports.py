"""Export feeds: ``{hasMore, continueFrom, data}``, in order of modification.

A token is the feed's name and a place in that order. It is given even when nothing more is there, and goes
on where it ended when something changes later. What changed less than fifteen minutes ago is held back
unless ``includeRecentChanges`` asks for it; then it comes at once, and again until it has settled.
"""

import base64
import binascii
import zlib

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer, bad
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.filters import check
from perfectcatch.sandbox.servicetitan.table import Place, Row, Table
from perfectcatch.sandbox.servicetitan.views import join, view

_START: Place = (-(1 << 62), 0)
_END: Place = (1 << 62, 0)


def export(call: Call) -> Answer:
    """Answer a feed request. Raises 400 for a token that is not this feed's."""
    tenant, options = call.tenant, call.tenant.options
    place, recent, wanted = _place(call), call.flag("includeRecentChanges"), _activity(call)
    unsettled = (tenant.now() - int(options.settled_seconds * moments.SECOND) + 1, 0)
    table = tenant.table(call.route.collection)
    rows, last, more = _take(table, place, _END if recent else unsettled, options.export_page_size, wanted)
    if not more and recent and options.repeat_recent:
        last = _first_from(table, unsettled, last)  # may lie on an earlier page of this reading
    data = join(rows, view(tenant, call.route, table))
    head = b'{"hasMore":%s,"continueFrom":"%s","data":[' % (
        b"true" if more else b"false",
        write_token(call.route.path, last).encode(),
    )
    return Answer(body=b"".join((head, data, b"]}")), records=len(rows), served=rows)


def _take(
    table: Table, start: Place, end: Place, size: int, wanted: bool | None
) -> tuple[list[Row], Place, bool]:
    """A page of rows, the place behind the last of them, and whether more follow."""
    first, stop = table.span(start, end)
    rows: list[Row] = []
    last = start
    while first < stop:
        for place, row in table.part(first, min(stop, first + size)):
            first += 1
            if (wanted is not None and row.active is not wanted) or (table.unseen and table.unseen(row)):
                continue
            if len(rows) == size:
                return rows, last, True
            rows.append(row)
            last = (place[0], place[1] + 1)
        if len(rows) == size and wanted is None and not table.unseen:
            return rows, last, first < stop
    return rows, last, False


def _first_from(table: Table, place: Place, last: Place) -> Place:
    """The place of the first row from ``place`` on where that lies before ``last``, else ``last``."""
    first, stop = table.span(place, last)
    return table.part(first, first + 1)[0][0] if first < stop else last


def _activity(call: Call) -> bool | None:
    shape = call.route.operation.query.get("active")
    if shape is None:
        return None
    wish = call.query.get("active") or call.route.operation.active or "True"
    check("active", wish, shape)
    return {"true": True, "false": False}.get(wish.lower())


# Tokens -------------------------------------------------------------------------------------------


def _place(call: Call) -> Place:
    text = call.query.get("from", "")
    if not text:
        return _START
    try:
        return moments.read(text.replace(" ", "+")), 0
    except ValueError:
        return read_token(call.route.path, text)


def _stamp(feed: str) -> int:
    return zlib.crc32(feed.encode())


def write_token(feed: str, place: Place) -> str:
    """Write a place in a feed as an opaque text."""
    text = f"{_stamp(feed):08x}.{place[0]}.{place[1]}"
    return base64.urlsafe_b64encode(f"{text}.{zlib.crc32(text.encode()):08x}".encode()).decode().rstrip("=")


def read_token(feed: str, token: str) -> Place:
    """Read what ``write_token`` wrote for this feed. Raises 400 for anything else."""
    refused = bad("from", "The continuation token is not valid for this export.")
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        stamp, modified, serial, crc = text.split(".")
        place = int(modified), int(serial)
    except (binascii.Error, ValueError):
        raise refused from None
    body = text.rsplit(".", 1)[0]
    if int(stamp, 16) != _stamp(feed) or crc != f"{zlib.crc32(body.encode()):08x}":
        raise refused
    return place
