"""Access tokens: fetched once for all who need one, renewed before they end, and never in a storm.

All processes share one, where there is a shelf that they share (``perfectcatch.model.tokens``).

The vendor's token endpoint is throttled and offers no refresh token. A pair of client id and secret belongs
to one app, one company and one environment.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlencode, urlsplit

import msgspec

from perfectcatch.errors import (
    BadSetting,
    CredentialsRejected,
    PerfectCatchError,
    RateLimited,
    VendorUnavailable,
)
from perfectcatch.kit import redact, retry
from perfectcatch.kit.breaker import Breaker
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import Request, Response
from perfectcatch.model.tokens import RESTING, Access, Sharing, Shelf
from perfectcatch.vendors.servicetitan.refusals import TOO_MANY, problem_of

SETTING = "SERVICE_TITAN_AUTH_URL"
RENEW_BEFORE = 60.0
RENEW_SHARE = 0.1
USUAL_LIFETIME = 900.0  # what the vendor documents, for an answer that does not say
SHORTEST_LIFETIME = 5.0
LONGEST_LIFETIME = 86_400.0
ASSUMED_LIFETIME = 30.0  # of one that says less: it must not make a token call for every call
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 600.0
UNPROVEN = 3  # so many new tokens in a row worked for nothing: the key is wrong, not the token
UNTOLD_REST = 15.0  # where a 429 does not say for how long: the vendor counts by the minute
LONGEST_REST = 300.0  # that one process believes another
PER_MINUTE = 10  # token calls, however often tokens end
_MINUTE = 60.0
_MARGIN = 1.0  # the vendor counts from when a call came in, which is later than when it was sent

_RULES = retry.Rules(attempts=4, first_wait=0.5, longest_wait=10.0, total=90.0)
_ANSWERED, _REFUSED = range(200, 300), {400, 401, 403}
_DEADLINE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the vendor gave to one app for one company. Its text form shows no secret."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    app_key: str = field(repr=False)
    tenant_id: int


class _Answer(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(min_length=1)]
    expires_in: float | None = None


@dataclass(slots=True, eq=False)
class _Token:
    text: str = field(repr=False)
    renew_at: float
    proven: bool = False  # some call was answered with it
    refused: bool = False


@dataclass(frozen=True, slots=True)
class _NoSharing:
    access: None = None
    others_failed: bool = False

    async def keep(self, text: str, seconds: float) -> None:
        """Nobody else is there."""


class _NoShelf:
    async def read(self) -> None:
        """Nothing is kept."""

    def alone(self, refused: Collection[str]) -> AbstractAsyncContextManager[Sharing]:
        del refused
        return nullcontext(_NoSharing())


class Tokens:
    """The access token of one company. ``send`` sends one request to the token endpoint and counts it."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        auth_url: str,
        api_url: str,
        send: Callable[[Request, int], Awaitable[Response]],
        clock: Clock,
        breaker: Breaker,
        shelf: Shelf | None = None,
    ) -> None:
        self._credentials = credentials
        self._shelf = shelf or _NoShelf()
        self._auth_url = auth_url
        self._hint = environment_hint(auth_url, api_url)
        self._send = send
        self._clock = clock
        self._breaker = breaker
        self._token: _Token | None = None
        self._flight: asyncio.Task[_Token] | None = None
        self._fetches: deque[float] = deque()
        # The last that were dropped in a row while no call was answered with one of them.
        self._unproven: deque[_Token] = deque(maxlen=UNPROVEN)
        self._dropped: deque[str] = deque(maxlen=UNPROVEN)  # what the shelf may still hold of them
        self._refusal: CredentialsRejected | None = None
        self._refused_until = 0.0
        self._pause = 0.0

    @property
    def known_good(self) -> bool | None:
        """Whether the vendor took our credentials when it was last asked; None before it was."""
        if self._refusal is not None:
            return False
        return True if self._token is not None else None

    @property
    def refusal(self) -> str:
        """What the vendor said to them when it refused them last; empty when it takes them."""
        return "" if self._refusal is None else str(self._refusal)

    async def get(self) -> str:
        """Give a token that is valid now; however many ask, one call is made.

        Raises CredentialsRejected (remembered: for a minute at first, up to ten, nothing is sent),
        VendorUnavailable, RateLimited or CircuitOpen.
        """
        if (text := self.at_hand()) is not None:
            return text
        if self._flight is None:
            self._flight = asyncio.create_task(self._renew(), name="access token")
            self._flight.add_done_callback(self._landed)
        # Shielded: one caller that gives up must not take the token from the others.
        return (await asyncio.shield(self._flight)).text

    def accepted(self, text: str) -> None:
        """Take note that a call was let in with the token ``text``.

        That can be known late: the answer to a call that was sent after it, and was refused, may come first.
        """
        if self._token is not None and self._token.text == text:
            self._token.proven = True
            self._unproven.clear()
            self._refusal, self._pause = None, 0.0  # the vendor takes our credentials, whoever used them
        elif any(token.text == text for token in self._unproven):
            self._unproven.clear()

    def invalidate(self, text: str) -> bool:
        """Drop the token ``text`` because the vendor refused it; False when a new one would not help.

        A token that has been replaced meanwhile is no news: twenty calls that were refused with the same one
        renew it once. A token that worked has ended, however soon; of those that never did, three in a row
        say that something else is wrong, and one a minute finds out whether it still is.
        """
        token = self._token
        if token is None or token.text != text:
            return True
        if not token.proven:
            if not token.refused:  # the vendor may give the same text again: each answer of it counts
                token.refused = True
                self._unproven.append(token)
            if len(self._unproven) >= UNPROVEN and self._fetched_within_a_minute():
                return False
        self._dropped.append(text)
        self._token = None
        return True

    def _fetched_within_a_minute(self) -> bool:
        return bool(self._fetches) and self._fetches[-1] > self._clock.monotonic() - _MINUTE

    def at_hand(self) -> str | None:
        """The token, if it is valid and nothing need be waited for."""
        token = self._token
        return token.text if token is not None and self._clock.monotonic() < token.renew_at else None

    async def close(self) -> None:
        """Give up a token call that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    def _landed(self, flight: asyncio.Task[_Token]) -> None:
        self._flight = None
        # Looking at the error marks it as seen even if everybody who waited for it has left.
        if not flight.cancelled() and flight.exception() is None:
            self._token = flight.result()

    async def _renew(self) -> _Token:
        if self._refusal is not None and self._clock.monotonic() < self._refused_until:
            raise CredentialsRejected(str(self._refusal))
        token = self._shared(await self._shelf.read())
        return token or await self._tried()

    async def _tried(self) -> _Token:
        started = self._clock.monotonic()
        attempt = 0
        while True:
            attempt += 1
            await self._pace()
            try:
                return await self._try(attempt)
            except (VendorUnavailable, RateLimited) as problem:
                elapsed = self._clock.monotonic() - started
                wait = retry.next_wait(attempt, elapsed, _RULES, told=problem.after_seconds)
                if wait is None:
                    raise
                await self._clock.sleep(wait)

    async def _try(self, attempt: int) -> _Token:
        """Fetch a token for all processes, or take what another one has got, be it none."""
        async with self._shelf.alone(self._dropped) as turn:
            access, host = turn.access, urlsplit(self._auth_url).netloc
            if token := self._shared(access):
                return token
            if access and access.text == RESTING and access.seconds <= LONGEST_REST:
                raise RateLimited(f"{host} gives no token at this rate (429)", after_seconds=access.seconds)
            if turn.others_failed and attempt == 1:  # after that nobody takes another's word for it
                raise VendorUnavailable(f"{host} gave another process of ours no token; check {SETTING}")
            try:
                token = await self._fetch(attempt)
            except RateLimited as limited:
                if limited.after_seconds is None:
                    limited.after_seconds = UNTOLD_REST
                await turn.keep(RESTING, limited.after_seconds)
                raise
            await turn.keep(token.text, token.renew_at - self._clock.monotonic())
            return token

    def _shared(self, access: Access | None) -> _Token | None:
        """What another process has fetched, unless the vendor has refused it to us."""
        if access is None or access.text == RESTING or access.text in self._dropped:
            return None
        # That it has ended says nothing about the key: others may have used it for as long as it was good.
        return _Token(access.text, self._clock.monotonic() + access.seconds, proven=True)

    async def _pace(self) -> None:
        """Wait while the token calls of the last minute are as many as may be."""
        now = self._clock.monotonic()
        while self._fetches and self._fetches[0] <= now - _MINUTE:
            self._fetches.popleft()
        if len(self._fetches) >= PER_MINUTE:
            await self._clock.sleep(self._fetches[0] + _MINUTE + _MARGIN - now)

    async def _fetch(self, attempt: int) -> _Token:
        with self._breaker.guard(f"tokens of {self._credentials.tenant_id}") as verdict:
            asked_at = self._clock.monotonic()
            self._fetches.append(asked_at)
            try:
                response = await self._send(self._request(), attempt)
                answer = self._judge(response)
            except VendorUnavailable as problem:
                verdict.failed(problem.cause)
                raise
            except RateLimited:
                raise
            except PerfectCatchError:
                verdict.succeeded()
                raise
            verdict.succeeded()
        self._refusal, self._pause = None, 0.0
        with suppress(ValueError):  # the vendor may give one again that it had refused
            self._dropped.remove(answer.access_token)
        said = USUAL_LIFETIME if answer.expires_in is None else answer.expires_in
        lifetime = min(said, LONGEST_LIFETIME) if said >= SHORTEST_LIFETIME else ASSUMED_LIFETIME
        return _Token(answer.access_token, asked_at + lifetime - min(RENEW_BEFORE, lifetime * RENEW_SHARE))

    def _request(self) -> Request:
        # The vendor refuses a JSON body here.
        form = {
            "grant_type": "client_credentials",
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret,
        }
        return Request(
            method="POST",
            url=self._auth_url,
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            body=urlencode(form).encode(),
            setting=SETTING,
            total_seconds=_DEADLINE,
        )

    def _judge(self, response: Response) -> _Answer:
        host = urlsplit(self._auth_url).netloc
        if response.status in _ANSWERED:
            try:
                return msgspec.json.decode(response.body, type=_Answer, strict=False)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                shown = redact.sample(response.body)
                raise VendorUnavailable(
                    f"{host} answered without a token; check {SETTING}: {shown}"
                ) from None
        if response.status in _REFUSED:
            raise self._rejected(response)
        if response.status == TOO_MANY:
            said = response.headers.get("Retry-After") or ""
            now = retry.http_date(response.headers.get("Date")) or self._clock.now()
            told = retry.retry_after(said, now)
            if told and not said.strip().isdigit():
                told += _MARGIN  # a date leaves out what is less than a second
            raise RateLimited(f"{host} gives no token at this rate (429)", after_seconds=told)
        raise VendorUnavailable(f"{host} gave no token ({response.status}); check {SETTING} if this stays")

    def _rejected(self, response: Response) -> CredentialsRejected:
        self._pause = min(self._pause * 2 or FIRST_PAUSE, LONGEST_PAUSE)
        self._refused_until = self._clock.monotonic() + self._pause
        problem = problem_of(response.body)
        word = (
            problem.error if problem is not None and isinstance(problem.error, str) else f"{response.status}"
        )
        self._refusal = CredentialsRejected(
            f"ServiceTitan refused SERVICE_TITAN_CLIENT_ID and SERVICE_TITAN_CLIENT_SECRET "
            f"({redact.text(word)[:60]}) for company {self._credentials.tenant_id}; {self._hint}"
        )
        return self._refusal


def environment_hint(auth_url: str, api_url: str) -> str:
    """What to look at when credentials are refused: they work in the environment they were made in alone.

    Addresses of two environments cannot work whatever the credentials: BadSetting.
    """
    auth, api = _environment(auth_url), _environment(api_url)
    if auth and api and auth != api:
        raise BadSetting(
            f"SERVICE_TITAN_AUTH_URL is the {auth} environment and SERVICE_TITAN_API_URL the {api} one: "
            "use one environment for both, the one that the credentials were made in"
        )
    if auth:
        other = "production" if auth == "integration" else "integration"
        return (
            f"these addresses are the {auth} environment, where credentials made in {other} do not work: "
            "copy both again from the app's page for this company and environment"
        )
    return "copy both again from the app's page for this company and environment"


def _environment(url: str) -> str | None:
    host = urlsplit(url).hostname or ""
    if not host.endswith(".servicetitan.io"):
        return None
    return "integration" if "integration" in host else "production"
