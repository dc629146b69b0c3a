"""One call with everything around it: rate, token, breaker, attempts, and what each failure means.

A breaker belongs to one company and one module of the API: the vendor's modules are separate services, and
reports that rest for maintenance must not stop the customers. Failures of a whole environment open them one
after the other, five calls each.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from perfectcatch.errors import (
    BadSetting,
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
from perfectcatch.model.call import Call
from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.model.tokens import Shelf
from perfectcatch.vendors.servicetitan.auth import Credentials, Tokens
from perfectcatch.vendors.servicetitan.refusals import FIRST_ERROR, UNAUTHORIZED, Resting, refusal

Answer = TypeVar("Answer")

BACKGROUND = retry.Rules(attempts=6, total=600.0)
BACKFILL = "backfill"  # the lane of calls that may take half of the background's share
BACKFILL_SHARE = 0.5
REPLAYS = 3  # of an attempt, each with a newer token
INTERACTIVE = retry.Rules(attempts=4, longest_wait=5.0, total=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One HTTP request. ``status`` is None when no whole answer came; ``token`` is an endpoint here too."""

    endpoint: str
    attempt: int
    status: int | None
    seconds: float
    size: int


Observer = Callable[[Observation], None]


def rates(per_second: float) -> dict[str, Rate]:
    """The rates that this client asks its budget for, with ``per_second`` calls for each company.

    The vendor allows 60 a second for an app and company, and one run of the same report a minute. A backfill
    has half of what people leave to the background: however much there is to read, the sync keeps its pace.
    """
    company = Rate(per_second)
    backfill = Rate(per_second * (1 - company.reserve) * BACKFILL_SHARE, reserve=0.0)
    return {"servicetitan": company, BACKFILL: backfill, "report": Rate(1 / 60, reserve=0.0)}


def web_address(setting: str, url: str) -> str:
    """Return the address without a slash at its end; raises BadSetting if it is none."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise BadSetting(f"{setting} must be an address such as https://api.example.com")
    return url.strip().rstrip("/")


class Transport:
    """Sends calls of one company. ``requests`` counts every HTTP request, those for tokens among them."""

    def __init__(
        self,
        *,
        http: Http,
        credentials: Credentials,
        api_url: str,
        auth_url: str,
        budget: Budget,
        clock: Clock,
        breaker: Breaker | None,
        rules: retry.Rules,
        interactive_rules: retry.Rules,
        on_request: Observer | None,
        draw: retry.Draw,
        lane: str | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._http = http
        self._lane = lane
        self._credentials = credentials
        self._api_url = web_address("SERVICE_TITAN_API_URL", api_url)
        self._budget = budget
        self._clock = clock
        self._company = f"servicetitan:{credentials.tenant_id}"
        self._rules = {False: rules, True: interactive_rules}
        self._on_request = on_request
        self._draw = draw
        self.breaker = breaker or Breaker(clock)
        self.requests = 0
        self._dated: tuple[str, float] | None = None  # the vendor's Date, and when it came
        self.tokens = Tokens(
            credentials,
            auth_url=web_address("SERVICE_TITAN_AUTH_URL", auth_url),
            api_url=self._api_url,
            send=lambda request, attempt: self._send_one("token", request, attempt),
            clock=clock,
            breaker=self.breaker,
            shelf=shelf,
        )

    async def send(
        self,
        call: Call,
        read: Callable[[Response], Answer],
        *,
        interactive: bool,
        whole_bytes: int | None = None,
    ) -> tuple[Answer, int]:
        """Make a call until it gives an answer that ``read`` understands; gives it and the requests it took.

        With ``whole_bytes`` what is longer comes with its rest still to be read, and is not repeated if that
        breaks.

        ``read`` raises VendorUnavailable for an answer that makes no sense. A call that writes is repeated
        only when it was certainly not carried out.
        """
        rules = self._rules[interactive]
        started = self._clock.monotonic()
        attempt = sent = replays = 0
        while True:
            token = await self._ready(call, interactive=interactive)
            sent += 1
            failure: Retry
            try:
                return await self._attempt(call, read, token, attempt + 1, whole_bytes), sent
            except _TokenRefusedError:
                if not self.tokens.invalidate(token):
                    cause = self._key_sentence()
                    raise CredentialsRejected(f"{call.endpoint.name}: {cause}", cause=cause) from None
                replays += 1
                if replays <= REPLAYS:
                    continue
                failure = VendorUnavailable(
                    f"{call.endpoint.name}: ServiceTitan refuses tokens (401) that worked a moment ago"
                )
            except RateLimited as limited:
                failure = limited
            except VendorUnavailable as unavailable:
                if call.endpoint.writes and not isinstance(unavailable, NotSent | Resting):
                    raise _outcome_unknown(call, unavailable) from unavailable
                failure = unavailable
            attempt, replays = attempt + 1, 0
            elapsed = self._clock.monotonic() - started
            wait = retry.next_wait(attempt, elapsed, rules, told=failure.after_seconds, draw=self._draw)
            if isinstance(failure, RateLimited):
                told = failure.after_seconds
                pause = wait or told or retry.backoff(attempt, rules, self._draw)
                await self._budget.slow_down(self._limited_key(call), pause)
            if wait is None:
                raise _gave_up(failure, attempt)
            await self._clock.sleep(wait)

    async def _ready(self, call: Call, *, interactive: bool) -> str:
        """Wait until a request may be sent; gives the token for it. What fails here was not sent."""
        self.breaker.check(self._circuit(call))
        # Before the slot: all who wait for a new token would else go out together when it comes.
        await self._token(call, interactive=interactive)
        keys = self._budget_keys(call)
        # A deadline is a timer, and most calls of people need not wait.
        if not interactive or len(keys) > 1 or not self._budget.at_once(keys[0]):
            await self._turn(call, keys, interactive=interactive)
        return await self._token(call, interactive=interactive)

    async def _token(self, call: Call, *, interactive: bool) -> str:
        if (text := self.tokens.at_hand()) is not None:
            return text
        seconds = self._rules[True].total if interactive else None
        try:
            async with asyncio.timeout(seconds) as limit:
                return await self.tokens.get()
        except TimeoutError:
            if not limit.expired():
                raise
            raise VendorUnavailable(
                f"{call.endpoint.name}: there was no access token within {seconds:g} s; nothing was sent"
            ) from None

    async def _turn(self, call: Call, keys: list[str], *, interactive: bool) -> None:
        try:
            async with asyncio.timeout(self._rules[True].total if interactive else None):
                for key in keys:
                    await self._budget.acquire(key, interactive=interactive)
        except TimeoutError:
            raise RateLimited(
                f"{call.endpoint.name}: no call was free within {self._rules[True].total:g} s; "
                f"the rate of {keys[0].partition(':')[0]} is used up",
                after_seconds=self._rules[True].total,
            ) from None

    async def _attempt(
        self,
        call: Call,
        read: Callable[[Response], Answer],
        token: str,
        attempt: int,
        whole_bytes: int | None,
    ) -> Answer:
        with self.breaker.guard(self._circuit(call)) as verdict:
            try:
                request = self._request(call, token, whole_bytes)
                count()
                response = await self._send_one(call.endpoint.name, request, attempt)
                if response.rest is not None and response.status >= FIRST_ERROR:
                    await response.rest.aclose()
                try:
                    answer = self._judge(call.endpoint, response, read, token)
                except BaseException:
                    if response.rest is not None:
                        await response.rest.aclose()
                    raise
            except RateLimited:
                raise  # neither good nor bad: it slows the budget instead
            except VendorUnavailable as unavailable:
                verdict.failed(unavailable.cause)
                raise
            except PerfectCatchError:
                verdict.succeeded()  # a clear "no" comes from a vendor that works
                raise
            verdict.succeeded()
            return answer

    def _judge(
        self, endpoint: Endpoint, response: Response, read: Callable[[Response], Answer], token: str
    ) -> Answer:
        if response.status == UNAUTHORIZED:
            raise _TokenRefusedError
        if response.status < FIRST_ERROR:
            self.tokens.accepted(token)
        problem = refusal(endpoint, response)
        if problem is None:
            return read(response)
        if isinstance(problem, Retry):
            now = retry.http_date(response.headers.get("Date")) or self._clock.now()
            problem.after_seconds = retry.retry_after(response.headers.get("Retry-After"), now)
        raise problem

    def vendor_time(self) -> datetime | None:
        """What time it is at the vendor, by the Date of its last answer; None before there was one."""
        if self._dated is None:
            return None
        said, came_at = self._dated
        moment = retry.http_date(said)
        return moment and moment + timedelta(seconds=self._clock.monotonic() - came_at)

    def _request(self, call: Call, token: str, whole_bytes: int | None) -> Request:
        headers = {
            "Authorization": f"Bearer {token}",
            "ST-App-Key": self._credentials.app_key,
            "Accept": "*/*" if call.endpoint.kind is Kind.FILE else "application/json",
        }
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        return Request(
            method=call.endpoint.method,
            url=self._api_url + call.target,
            headers=headers,
            body=call.body,
            setting="SERVICE_TITAN_API_URL",
            whole_bytes=whole_bytes,
            alone=call.endpoint.writes,
        )

    def shown(self, call: Call) -> Request:
        """The request that a call would send, with the token and the key hidden."""
        request = self._request(call, redact.HIDDEN, None)
        return replace(request, headers=redact.headers(request.headers))

    async def _send_one(self, name: str, request: Request, attempt: int) -> Response:
        self.requests += 1
        started = self._clock.monotonic()
        response: Response | None = None
        try:
            response = await self._http.send(request)
            if dated := response.headers.get("Date"):
                self._dated = dated, self._clock.monotonic()
            return response
        finally:
            if self._on_request is not None:
                self._on_request(
                    Observation(
                        endpoint=name,
                        attempt=attempt,
                        status=response.status if response else None,
                        seconds=response.seconds if response else self._clock.monotonic() - started,
                        size=len(response.body) if response else 0,
                    )
                )

    def _circuit(self, call: Call) -> str:
        return f"{call.endpoint.module} of {self._credentials.tenant_id}"

    def _budget_keys(self, call: Call) -> list[str]:
        lane = [f"{self._lane}:{self._credentials.tenant_id}"] if self._lane else []
        report = [f"report:{self._credentials.tenant_id}:{call.report}"] if call.report is not None else []
        return [*lane, *report, self._company]

    def _limited_key(self, call: Call) -> str:
        """Whom a 429 slows down: of a report only its own runs, since the limit of a report is its own."""
        return self._budget_keys(call)[-1 if call.report is None else -2]

    def _key_sentence(self) -> str:
        return (
            f"ServiceTitan refused a fresh token (401) for company "
            f"{self._credentials.tenant_id}; check that SERVICE_TITAN_APP_KEY is the key of the app that "
            "SERVICE_TITAN_CLIENT_ID belongs to, and SERVICE_TITAN_TENANT_ID the company that it was made for"
        )


class _TokenRefusedError(PerfectCatchError):
    """A 401, before it is known whether the token was merely old."""


def _outcome_unknown(call: Call, problem: VendorUnavailable) -> OutcomeUnknown:
    unknown = OutcomeUnknown(
        f"{call.endpoint.name}: it is unknown whether ServiceTitan carried this out, so it was not repeated; "
        f"read the record back before trying again ({problem})"
    )
    unknown.status = problem.status
    return unknown


def _gave_up(problem: Retry, attempts: int) -> Retry:
    count = "after 1 attempt" if attempts == 1 else f"after {attempts} attempts"
    final = type(problem)(f"{problem} ({count})", after_seconds=problem.after_seconds, cause=problem.cause)
    if isinstance(final, VendorUnavailable) and isinstance(problem, VendorUnavailable):
        final.status = problem.status
    return final
