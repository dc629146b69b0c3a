"""The last requests that the sandbox answered, for tests and demonstrations."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any


class Ledger:
    """Remembers requests, newest last, and counts all of them."""

    def __init__(self, keep: int) -> None:
        self.entries: deque[dict[str, Any]] = deque(maxlen=keep)
        self.total = 0
        self.statuses: Counter[int] = Counter()
        self.operations: Counter[str] = Counter()
        self.records = 0

    def note(
        self,
        *,
        time: str,
        method: str,
        path: str,
        query: str,
        status: int,
        records: int,
        operation: str | None,
        headers: Iterable[str] = (),
    ) -> None:
        """Remember one request; ``operation`` is the catalogue's path where one was found.

        Of headers only the names are kept: the values hold secrets.
        """
        self.total += 1
        self.statuses[status] += 1
        self.records += records
        if operation:
            self.operations[operation] += 1
        self.entries.append(
            {
                "time": time,
                "method": method,
                "path": path,
                "query": query,
                "status": status,
                "records": records,
                "operation": operation,
                "headers": sorted(name.lower() for name in headers),
            }
        )

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
        self.statuses.clear()
        self.operations.clear()
        self.total = self.records = 0
