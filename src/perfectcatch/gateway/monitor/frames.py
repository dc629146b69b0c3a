"""What goes over the wire: each happening is written once, whoever listens."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from perfectcatch.store.events import Event, Place

EVENT: Final = "event"
SYNC: Final = "sync"
KINDS: Final = (EVENT, SYNC)

HEARTBEAT: Final = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """One happening as bytes. ``event_id`` is that of a business event; nothing else can be resumed."""

    kind: str
    body: bytes
    event_type: str | None = None
    event_id: int | None = None


def of_event(event: Event, place: Place) -> Frame:
    """A business event; its id in the stream is the place behind it."""
    shown = {
        "id": event.id,
        "event_type": event.event_type,
        "entity": event.entity,
        "st_id": event.st_id,
        "version": event.version,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "historical": event.historical,
        "data": event.data,
    }
    return Frame(EVENT, _written(EVENT, shown, str(place)), event.event_type, event.id)


def of_progress(note: Mapping[str, Any]) -> Frame:
    """A page of a sync that was stored."""
    return Frame(SYNC, _written(SYNC, note, None))


def hello(place: Place) -> bytes:
    """The first words of a stream: from where to resume, and how soon to come back after a break."""
    return f"retry: 2000\nid: {place}\nevent: hello\ndata: {{}}\n\n".encode()


def _written(kind: str, data: Mapping[str, Any], place: str | None) -> bytes:
    name = f"id: {place}\n" if place else ""
    text = json.dumps(data, separators=(",", ":"), default=_plain)  # one line: JSON escapes line breaks
    return f"{name}event: {kind}\ndata: {text}\n\n".encode()


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
