"""Who may come in: tokens, the app key, the tenant in the path, and how often."""

import secrets
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document
from perfectcatch.sandbox.servicetitan.options import Options

FORM = "application/x-www-form-urlencoded"
_MINUTE = 60.0


class Window:
    """At most ``limit`` in any ``seconds``."""

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._moments: deque[float] = deque()

    def takes(self, now: float) -> bool:
        """Whether one more is allowed now; counts it if so."""
        while self._moments and self._moments[0] <= now - self.seconds:
            self._moments.popleft()
        if len(self._moments) >= self.limit:
            return False
        self._moments.append(now)
        return True

    def wait(self, now: float) -> float:
        """Seconds until one more is allowed."""
        return max(0.0, self._moments[0] + self.seconds - now) if self._moments else 0.0


class Door:
    """Gives tokens and checks them, counts requests."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._clock = options.clock
        self._tokens: dict[str, float] = {}
        self._asked = Window(options.tokens_per_minute, _MINUTE)
        self._requests: dict[tuple[str, str], Window] = {}
        self._refused = 0

    # Tokens -------------------------------------------------------------------------------------

    def token(self, content_type: str, body: bytes) -> Answer:
        """Answer the token endpoint, by the rules of OAuth 2 and the vendor's throttle."""
        if not content_type.lower().startswith(FORM):
            return document({"error": "invalid_request"}, 400)
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            return document({"error": "unsupported_grant_type"}, 400)
        known = self._options.client_id, self._options.client_secret
        if (form.get("client_id"), form.get("client_secret")) != known:
            return document({"error": "invalid_client"}, 400)
        now = self._clock.monotonic()
        if not self._asked.takes(now):
            return self._too_many(self._asked.wait(now)).answer()
        token = secrets.token_urlsafe(32)
        self._tokens = {each: end for each, end in self._tokens.items() if end > now}
        self._tokens[token] = now + self._options.token_seconds
        return document(
            {"access_token": token, "expires_in": self._options.token_seconds, "token_type": "Bearer"}
        )

    def revoke(self) -> int:
        """Make every token that was given invalid, and say how many there were."""
        count = len(self._tokens)
        self._tokens.clear()
        return count

    # Requests -----------------------------------------------------------------------------------

    def admit(self, headers: Mapping[str, str], tenant: str) -> None:
        """Check a request. Raises 401, 403, 404 or 429."""
        kind, _, token = headers.get("Authorization", "").partition(" ")
        end = self._tokens.get(token) if kind.lower() == "bearer" else None
        now = self._clock.monotonic()
        if end is None or end <= now:
            raise AnswerError(401, "The access token is missing, wrong or expired.")
        key = headers.get("ST-App-Key", "")
        if key != self._options.app_key:
            raise AnswerError(401, "The application key is missing or wrong.")
        if not tenant.isdigit():
            raise AnswerError(404)
        if int(tenant) != self._options.tenant_id:
            raise AnswerError(403, "The application has no access to this tenant.")
        window = self._requests.setdefault((key, tenant), Window(self._options.rate, 1.0))
        if not window.takes(now):
            raise self._too_many(window.wait(now))

    def _too_many(self, wait: float) -> AnswerError:
        """Make the 429. Its hint rotates, as clients met all three: seconds, a date, none."""
        error = AnswerError(429)
        turn = self._refused % 3
        self._refused += 1
        seconds = max(1, round(wait + 0.5))
        if turn == 0:
            error.headers["Retry-After"] = str(seconds)
        elif turn == 1:
            moment = self._clock.now() + timedelta(seconds=seconds)
            error.headers["Retry-After"] = format_datetime(moment, usegmt=True)
        return error
