"""The requests that the sandbox answered: what tests compare the product's own words with."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from perfectcatch.sandbox.servicetitan.table import Row

KEPT_IDS = 2_000_000  # of the records that were shown; older requests forget theirs
SHOWN_PAGES = 50
_OK = 200
_SHOWN = (
    "number",
    "at",
    "time",
    "method",
    "path",
    "query",
    "status",
    "records",
    "operation",
    "faults",
    "headers",
)


@dataclass(slots=True)
class Entry:
    """One request and its answer. ``at``: seconds of this machine's monotonic clock when it came in."""

    at: float
    time: datetime
    method: str
    path: str
    query: str
    status: int
    records: int = 0
    operation: str | None = None
    collection: str = ""
    token: bool = False
    faults: Sequence[str] = ()
    served: Sequence[Any] = ()
    headers: Sequence[str] = ()  # their names only: the values hold secrets
    number: int = 0

    @property
    def tenant(self) -> str:
        """Whose records were asked for."""
        parts = self.path.split("/", 5)
        return parts[4] if len(parts) > 5 and parts[3] == "tenant" else ""  # noqa: PLR2004 - its place

    def row(self, *, ids: bool = False) -> dict[str, Any]:
        """The entry as the control surface shows it; with ``ids`` of the records that were shown."""
        shown = {name: getattr(self, name) for name in _SHOWN} | {"time": self.time.isoformat()}
        return {**shown, "ids": self.ids()} if ids else shown

    def ids(self) -> list[Any]:
        """Ids of the records that were shown, in their order."""
        return [each.id if isinstance(each, Row) else each for each in self.served]


class Ledger:
    """Remembers requests, newest last, and counts all of them."""

    def __init__(self, keep: int) -> None:
        self.entries: deque[Entry] = deque(maxlen=keep)
        self.clear()

    def note(self, entry: Entry) -> None:
        """Remember one request."""
        self.total += 1
        entry.number = self.total
        self.statuses[entry.status] += 1
        self.records += entry.records
        if entry.operation:
            self.operations[entry.operation] += 1
        self.entries.append(entry)
        if entry.served:
            self._with_ids.append(entry)
            self._ids += len(entry.served)
            while self._ids > KEPT_IDS:
                oldest = self._with_ids.popleft()
                self._ids -= len(oldest.served)
                oldest.served = ()

    # Reading ------------------------------------------------------------------------------------

    def last(self, limit: int, *, after: int = 0, ids: bool = False) -> list[dict[str, Any]]:
        """The last ``limit`` entries, of those behind number ``after``."""
        chosen = [entry for entry in self.entries if entry.number > after] if after else self.entries
        return [entry.row(ids=ids) for entry in islice(chosen, max(0, len(chosen) - limit), None)]

    def served(self, collection: str, *, after: int = 0) -> dict[str, int]:
        """How often each record of a collection was shown in a page, as far as ids are remembered."""
        times: Counter[Any] = Counter()
        for entry in self.entries:
            if entry.collection == collection and entry.number > after:
                times.update(entry.ids())
        return {str(each): number for each, number in times.items()}

    def summary(self, *, after: int = 0) -> dict[str, Any]:
        """What a checker asks of the requests behind number ``after``.

        ``peak_per_second``: the most requests of a tenant within any one second. ``pages_again``: good
        answers to one and the same question, where there was more than one.
        """
        entries = [entry for entry in self.entries if entry.number > after]
        calls = [entry for entry in entries if not entry.token]
        tokens = [entry for entry in entries if entry.token]
        tenants = sorted({entry.tenant for entry in calls})
        good = Counter(
            f"{each.path}?{each.query}"
            for each in calls
            if each.status == _OK and each.method == "GET" and not each.faults
        )
        again = {page: times for page, times in good.most_common() if times > 1}
        return {
            "requests": len(calls),
            "peak_per_second": {
                tenant: peak((each.at for each in calls if each.tenant == tenant), 1.0) for tenant in tenants
            },
            "token_calls": len(tokens),
            "peak_token_calls_per_minute": peak((each.at for each in tokens), 60.0),
            "statuses": {
                str(key): number for key, number in sorted(Counter(each.status for each in calls).items())
            },
            "faults": dict(Counter(name for each in entries for name in each.faults)),
            "requests_again": sum(again.values()) - len(again),
            "pages_again": dict(islice(again.items(), SHOWN_PAGES)),
        }

    def stats(self) -> dict[str, Any]:
        """Counts since the start."""
        return {
            "requests": self.total,
            "records": self.records,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "operations": dict(self.operations.most_common()),
        }

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self.statuses: Counter[int] = Counter()
        self.operations: Counter[str] = Counter()
        self.total = self.records = 0
        self._with_ids: deque[Entry] = deque()
        self._ids = 0


def peak(moments: Iterable[float], seconds: float) -> int:
    """The most moments that lie within any stretch of so many seconds."""
    window: deque[float] = deque()
    most = 0
    for moment in sorted(moments):
        window.append(moment)
        while window[0] <= moment - seconds:
            window.popleft()
        most = max(most, len(window))
    return most
