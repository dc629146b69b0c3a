"""One call of a vendor's operation, checked and ready to be sent."""

from dataclasses import dataclass
from urllib.parse import quote

from perfectcatch.kit.http import Streamed
from perfectcatch.model.endpoint import Endpoint

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """An operation with its arguments filled in. ``path`` is percent-encoded and begins with a slash."""

    endpoint: Endpoint
    path: str
    query: tuple[tuple[str, str], ...]
    body: bytes | Streamed | None = None
    report: str | None = None  # for a report: what tells it from other reports
    content_type: str = JSON

    @property
    def target(self) -> str:
        """Path and query, as they follow the host."""
        pairs = "&".join(f"{quote(name, safe='.[]')}={quote(value, safe=',:')}" for name, value in self.query)
        return f"{self.path}?{pairs}" if pairs else self.path
