"""A caller of the sandbox that needs no socket."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from perfectcatch.kit.clock import FakeClock
from perfectcatch.sandbox.servicetitan.answers import Answer
from perfectcatch.sandbox.servicetitan.control import Control
from perfectcatch.sandbox.servicetitan.options import Options
from perfectcatch.sandbox.servicetitan.service import Service

FORM = "application/x-www-form-urlencoded"
TENANT = "/{module}/v2/tenant/{tenant}/{rest}"


@dataclass
class Caller:
    """Asks with a valid token; ``clock`` decides what time it is."""

    service: Service
    clock: FakeClock
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.control = Control(self.service)
        self.log_in()

    def token(self, body: str | None = None, content_type: str = FORM) -> Answer:
        options = self.service.options
        form = {
            "grant_type": "client_credentials",
            "client_id": options.client_id,
            "client_secret": options.client_secret,
        }
        text = urlencode(form) if body is None else body
        return self.service.answer(
            "POST", "/connect/token", "", {"Content-Type": content_type}, text.encode()
        )

    def log_in(self) -> None:
        token = json.loads(self.token().body)["access_token"]
        self.headers = {"Authorization": f"Bearer {token}", "ST-App-Key": self.service.options.app_key}

    def path(self, short: str) -> str:
        """``crm/customers/7`` as the vendor's path; ``telecom/v3/calls`` names another version."""
        module, rest = short.split("/", 1)
        version = "v2"
        if rest.startswith("v3/"):
            version, rest = "v3", rest[3:]
        return f"/{module}/{version}/tenant/{self.service.options.tenant_id}/{rest}"

    def ask(self, method: str, short: str, body: Any = None, **query: Any) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        return self.service.answer(method, self.path(short), urlencode(query), self.headers, content)

    def get(self, short: str, **query: Any) -> Any:
        answer = self.ask("GET", short, **query)
        assert answer.status == 200, (answer.status, answer.body)
        return json.loads(answer.body)

    def write(self, method: str, short: str, body: Any = None) -> Any:
        answer = self.ask(method, short, body)
        assert answer.status in {200, 201, 204}, (answer.status, answer.body)
        return json.loads(answer.body) if answer.body else None

    def refused(self, method: str, short: str, body: Any = None, **query: Any) -> dict[str, Any]:
        answer = self.ask(method, short, body, **query)
        assert answer.status >= 400, answer.body
        error: dict[str, Any] = json.loads(answer.body)
        assert error.keys() == {"type", "title", "status", "traceId", "errors", "data"}
        assert error["status"] == answer.status
        return error

    def some(self, collection: str, **wanted: Any) -> Any:
        """The first active record with these values."""
        for record in self.service.read(collection):
            active = record.get("active") is not False
            if active and all(record[name] == value for name, value in wanted.items()):
                return record
        raise AssertionError(f"no {collection} with {wanted}")


def caller(**options: Any) -> Caller:
    """A sandbox with a small generated company."""
    clock = FakeClock()
    records = options.pop("records", None)
    settings = {"customers": 120, "clock": clock, "rate": 1e9, "tokens_per_minute": 10, **options}
    return Caller(Service(Options(**settings), records=records), clock)
