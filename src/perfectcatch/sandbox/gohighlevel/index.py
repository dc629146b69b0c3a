"""The index that searches read: it learns of a change some seconds later, as the vendor's does."""

import heapq
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from perfectcatch.kit.clock import Clock
from perfectcatch.sandbox.gohighlevel.shapes import RefusedError

Document = dict[str, Any]
NUMBERED: Final = 10_000  # records that numbered pages reach
_MOST: Final = 500
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda held, value: _low(held) == _low(value),
    "not_eq": lambda held, value: _low(held) != _low(value),
    "contains": lambda held, value: str(_low(value)) in str(_low(held)),
    "exists": lambda held, _: held not in (None, ""),
    "not_exists": lambda held, _: held in (None, ""),
}


@dataclass(slots=True)
class Index:
    """Records as a search sees them. ``seconds``: how far it is behind, by the simulated clock."""

    clock: Clock
    seconds: float
    seen: dict[str, Document] = field(default_factory=dict)
    _due: list[tuple[datetime, int, str, Document | None]] = field(default_factory=list)
    _order: Any = field(default_factory=itertools.count)

    def changed(self, record_id: str, document: Document | None) -> None:
        """A record has changed, or is gone: None."""
        at = self.clock.now() + timedelta(seconds=self.seconds)
        heapq.heappush(self._due, (at, next(self._order), record_id, deepcopy(document)))

    def now(self) -> dict[str, Document]:
        """What a search sees."""
        moment = self.clock.now()
        while self._due and self._due[0][0] <= moment:
            _, _, record_id, document = heapq.heappop(self._due)
            if document is None:
                self.seen.pop(record_id, None)
            else:
                self.seen[record_id] = document
        return self.seen


def search(
    documents: Mapping[str, Document],
    *,
    body: Mapping[str, Any],
    size: str,
    updated: str,
    added: str,
    cursor_of_texts: bool,
) -> tuple[list[Document], int]:
    """A page of a search with its cursors, and how many there are. ``size`` is what the limit is called."""
    limit, page, after = int(body[size]), body.get("page"), body.get("searchAfter")
    if not 1 <= limit <= _MOST:
        raise RefusedError(422, [f"{size} must not be greater than {_MOST}"])
    if after is not None and page is not None:
        raise RefusedError(422, ["page should not be provided along with searchAfter"])
    if after is None and int(page or 1) * limit > NUMBERED:
        raise RefusedError(400, f"Only {NUMBERED} records can be fetched by page: use searchAfter")
    by = updated if any("pdated" in str(each.get("field")) for each in body.get("sort") or ()) else added
    found = [each for each in documents.values() if fits(each, body.get("filters") or ())]
    if words := str(body.get("query") or "").casefold():
        found = [each for each in found if words in _words(each)]
    down = any(each.get("direction") == "desc" for each in body.get("sort") or ())
    keyed = sorted(((milliseconds(each[by]), each["id"], each) for each in found), reverse=down)
    start = (int(page or 1) - 1) * limit
    if after is not None:
        place = (int(after[0]), str(after[1]))
        behind = (
            number for number, (moment, key, _) in enumerate(keyed) if ((moment, key) > place) is not down
        )
        start = next((number for number in behind if keyed[number][:2] != place), len(keyed))
    shown = []
    for moment, key, document in keyed[start : start + limit]:
        cursor = [str(moment), key] if cursor_of_texts else [moment, key]
        shown.append({**document, "searchAfter": cursor})
    return shown, len(found)


def fits(document: Document, filters: Sequence[Mapping[str, Any]], *, either: bool = False) -> bool:
    """Whether a record passes the filters; in a group of the kind OR one is enough."""
    results = []
    for each in filters:
        if "group" in each:
            results.append(fits(document, each.get("filters") or (), either=each["group"] == "OR"))
            continue
        operator = _OPERATORS.get(str(each.get("operator")))
        if operator is None:
            raise RefusedError(422, [f"filters: operator {each.get('operator')} is not supported"])
        results.append(operator(_held(document, str(each.get("field"))), each.get("value")))
    return (any(results) if either else all(results)) if results else True


def milliseconds(moment: str) -> int:
    """A moment as the vendor's cursors carry it."""
    return round((datetime.fromisoformat(moment) - _EPOCH) / timedelta(milliseconds=1))


def _held(document: Document, name: str) -> Any:
    if name.startswith(("customFields.", "custom_fields.")):
        wanted = name.partition(".")[2]
        for item in document.get("customFields", ()):
            if item["id"] == wanted:
                return item.get("value", item.get("fieldValue"))
        return None
    camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
    if name == "pipeline_stage_id":
        camel = "pipelineStageId"
    return document.get(camel, document.get(name))


def _low(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _words(document: Document) -> str:
    names = ("name", "firstName", "lastName", "contactName", "email", "phone")
    return " ".join(str(document.get(name) or "") for name in names).casefold()
