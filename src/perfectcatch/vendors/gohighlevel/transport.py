"""One call with everything around it: rate, token, breaker, attempts, and what each failure means.

The vendor allows 100 requests in ten seconds and 200,000 a day to an app and a location, whatever number of
processes ask. We keep to 9.8 a second through a budget that they share; what is left of the day is read from
each answer, and what is left of it at the end is kept for people who wait.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

import msgspec

from perfectcatch.errors import (
    CredentialsRejected,
    OutcomeUnknown,
    PerfectCatchError,
    RateLimited,
    Retry,
    VendorUnavailable,
)
from perfectcatch.kit import redact, retry
from perfectcatch.kit.breaker import Breaker
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import Http, NotSent, Request, Response
from perfectcatch.kit.limits import Budget, Rate
from perfectcatch.kit.tally import count
from perfectcatch.model.crm import AlreadyThere
from perfectcatch.vendors.gohighlevel.operations import Operation
from perfectcatch.vendors.gohighlevel.refusals import WHO, TokenRefusedError, refused
from perfectcatch.vendors.gohighlevel.versions import Version

BACKGROUND: Final = retry.Rules(attempts=6, total=120.0)
INTERACTIVE: Final = retry.Rules(attempts=4, longest_wait=3.0, total=20.0)
CALL_SECONDS: Final = 20.0
PER_SECOND: Final = 9.8
KEPT_FOR_PEOPLE: Final = 0.01  # of the day's requests
_LOOK_AGAIN: Final = 600.0  # seconds after which a day that was used up is tried again
_DAY_IS_OVER: Final = 300.0
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode


def rates(per_second: float = PER_SECOND) -> dict[str, Rate]:
    """The rate of a location; what works by itself leaves a twentieth of it to people who wait."""
    return {"ghl": Rate(per_second, reserve=0.05)}


class Access(Protocol):
    """Where the token of a call comes from."""

    async def get(self) -> str:
        """A token for the next call."""

    async def refused(self, token: str) -> bool:
        """The vendor refused this token; whether another one may be let in."""

    @property
    def setting(self) -> str:
        """What a person mends when no token is let in, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class PrivateToken:
    """The token of a private integration: made by a person, and valid until one revokes it."""

    token: str

    def __repr__(self) -> str:
        return "<PrivateToken>"

    async def get(self) -> str:
        """The token."""
        return self.token

    async def refused(self, token: str) -> bool:
        """There is no other."""
        _ = token
        return False

    @property
    def setting(self) -> str:
        """Where it comes from."""
        return "set GHL_API_KEY to the token of a private integration of this location"


@dataclass(frozen=True, slots=True)
class Day:
    """What the vendor said last of the day's requests."""

    limit: int
    remaining: int
    said_at: float  # by the monotonic clock


class Transport:
    """Sends calls about one location. ``requests`` counts them."""

    def __init__(
        self,
        *,
        http: Http,
        access: Access,
        location_id: str,
        api_url: str,
        version: Version,
        budget: Budget,
        clock: Clock,
        breaker: Breaker | None = None,
        interactive: bool = False,
        rules: retry.Rules | None = None,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self._http = http
        self._access = access
        self._location = location_id
        self._origin = api_url.rstrip("/")
        self._version = version
        self._budget = budget
        self._clock = clock
        self._interactive = interactive
        self._rules = rules or (INTERACTIVE if interactive else BACKGROUND)
        self._key = f"ghl:{location_id}"
        self._call_seconds = call_seconds
        self.breaker = breaker or Breaker(clock)
        self.requests = 0
        self.day: Day | None = None

    async def send(
        self,
        operation: Operation,
        *,
        record_id: str = "",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Make a call until it gives an answer; a call that writes is not repeated if that could do harm."""
        request = self._request(operation, record_id, query, body)
        started, attempt, unsure, renewed = self._clock.monotonic(), 0, False, False
        failure: Retry
        while True:
            self.breaker.check(self._circuit(operation))
            self._look_at_the_day()
            await self._turn(operation)
            token = await self._access.get()
            try:
                return await self._attempt(operation, request, token)
            except TokenRefusedError as no:
                if renewed or not await self._access.refused(token):
                    raise CredentialsRejected(
                        f"{WHO} refuses our token: {self._access.setting} ({no.said})."
                    ) from None
                renewed = True
                continue
            except RateLimited as limited:
                failure = limited
            except VendorUnavailable as unavailable:
                failure, sent = unavailable, not isinstance(unavailable, NotSent)
                unsure = unsure or (sent and operation.changes)
                if unsure and not operation.repeatable:
                    raise _unknown(operation, unavailable) from unavailable
            attempt += 1
            elapsed = self._clock.monotonic() - started
            wait = retry.next_wait(attempt, elapsed, self._rules, told=failure.after_seconds)
            if isinstance(failure, RateLimited):
                await self._budget.slow_down(self._key, wait or failure.after_seconds or 1.0)
            if wait is None:
                raise _unknown(operation, failure) if unsure else failure
            await self._clock.sleep(wait)

    async def _turn(self, operation: Operation) -> None:
        """Wait until a call may be made, as long as a call may take."""
        try:
            async with asyncio.timeout(self._rules.total):
                await self._budget.acquire(self._key, interactive=self._interactive)
        except TimeoutError:
            raise RateLimited(
                f"{operation.name}: no call to {WHO} was free within {self._rules.total:g} s.",
                after_seconds=self._rules.total,
            ) from None

    def _request(
        self,
        operation: Operation,
        record_id: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> Request:
        path = operation.path.replace("{location}", quote(self._location, safe=""))
        path = path.replace("{id}", quote(record_id, safe=""))
        words = f"?{urlencode(query)}" if query else ""
        headers = {"Version": self._version.header, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return Request(
            method=operation.method,
            url=f"{self._origin}{path}{words}",
            headers=headers,
            body=None if body is None else _ENCODE(body),
            setting="GHL_API_URL",
            total_seconds=self._call_seconds,
            alone=operation.changes and not operation.repeatable,
        )

    async def _attempt(self, operation: Operation, request: Request, token: str) -> dict[str, Any]:
        with self.breaker.guard(self._circuit(operation)) as verdict:
            try:
                count()
                self.requests += 1
                headers = {**request.headers, "Authorization": f"Bearer {token}"}
                response = await self._http.send(replace(request, headers=headers))
                await self._note(response)
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise self._dated(refused(operation, response), response)
                answer = _decoded(operation, response)
            except RateLimited:
                raise  # neither good nor bad: it slows the budget instead
            except VendorUnavailable as unavailable:
                verdict.failed(unavailable.cause)
                raise
            except (PerfectCatchError, TokenRefusedError, AlreadyThere):
                verdict.succeeded()  # a clear "no" comes from a vendor that works
                raise
            verdict.succeeded()
            return answer

    async def _note(self, response: Response) -> None:
        """What the vendor says of what is left."""
        remaining = _number(response, "X-RateLimit-Daily-Remaining")
        limit = _number(response, "X-RateLimit-Limit-Daily")
        if remaining is not None and limit:
            self.day = Day(limit, remaining, self._clock.monotonic())
        if _number(response, "X-RateLimit-Remaining") == 0:
            # When the ten seconds began nobody says: a tenth of them at a time is waited for.
            interval = _number(response, "X-RateLimit-Interval-Milliseconds") or 10_000
            await self._budget.slow_down(self._key, min(interval, 60_000) / 10_000)

    def _dated(self, problem: Exception, response: Response) -> Exception:
        if isinstance(problem, RateLimited):
            now = retry.http_date(response.headers.get("Date")) or self._clock.now()
            problem.after_seconds = retry.retry_after(response.headers.get("Retry-After"), now)
            if problem.after_seconds is None and self.day is not None and self.day.remaining == 0:
                problem.after_seconds = _DAY_IS_OVER
        return problem

    def _look_at_the_day(self) -> None:
        """Raises RateLimited while what is left of the day is kept for people."""
        day = self.day
        if day is None or self._interactive or day.remaining > day.limit * KEPT_FOR_PEOPLE:
            return
        left = day.said_at + _LOOK_AGAIN - self._clock.monotonic()
        if left > 0:
            raise RateLimited(
                f"{WHO} allows {day.limit:,} requests a day, and {day.remaining:,} are left: "
                "they are kept for people who wait.",
                after_seconds=left,
            )

    def _circuit(self, operation: Operation) -> str:
        return f"{operation.module} of {WHO} location {self._location}"


def _unknown(operation: Operation, problem: Retry) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"It is unknown whether {WHO} carried out {operation.name}: read the record before trying again "
        f"({problem})",
        after_seconds=problem.after_seconds,
    )


def _decoded(operation: Operation, response: Response) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        shown = redact.sample(response.body)
        raise VendorUnavailable(f"{WHO} gave an answer to {operation.name} that cannot be read: {shown}")
    return answer


def _number(response: Response, name: str) -> int | None:
    text = response.headers.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,12}", text) else None
