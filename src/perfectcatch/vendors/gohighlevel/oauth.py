"""The app's own tokens: an access token of about a day, and a refresh token that works once.

A refresh gives a new pair and ends the old one, so one process at a time does it, and the new pair is kept
before it is used. A company's token is exchanged for one of the location, which is held in memory only.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from perfectcatch.errors import (
    AccountInactive,
    CredentialsRejected,
    NotConnected,
    PerfectCatchError,
    RateLimited,
    Refused,
    VendorUnavailable,
)
from perfectcatch.kit import redact, retry
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.http import Http, Request, Response
from perfectcatch.kit.tally import count
from perfectcatch.model.tokens import Tokens, Vault
from perfectcatch.vendors.gohighlevel.operations import SCOPES
from perfectcatch.vendors.gohighlevel.refusals import WHO, refusal_of
from perfectcatch.vendors.gohighlevel.versions import Version

CONSENT: Final = "https://marketplace.gohighlevel.com/v2/oauth/chooselocation"
RENEW_BEFORE: Final = timedelta(minutes=5)
CALL_SECONDS: Final = 20.0
_COMPANY: Final = "Company"
_SHORTEST: Final = timedelta(seconds=60)  # a token that is refused earlier is not helped by another one
_PAUSE: Final = 60.0  # seconds in which a refusal is not asked for again
_USUAL: Final = 86_399


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Our app in the vendor's marketplace."""

    client_id: str
    client_secret: str = field(repr=False)


class AppTokens:
    """Fulfils ``Access`` with the tokens that ``vault`` keeps, for one location."""

    def __init__(
        self,
        *,
        http: Http,
        vault: Vault,
        app: App,
        location_id: str,
        api_url: str,
        version: Version,
        clock: Clock,
    ) -> None:
        self._http = http
        self._vault = vault
        self._app = app
        self._location = location_id
        self._origin = api_url.rstrip("/")
        self._version = version
        self._clock = clock
        self._tokens: Tokens | None = None
        self._of_location: Tokens | None = None  # out of a company's
        self._one = asyncio.Lock()
        self._refusal: PerfectCatchError | None = None
        self._refused_until = float("-inf")

    @property
    def setting(self) -> str:
        """What a person mends."""
        return "let an owner of the location consent again, as `GET /crm/connect` shows"

    async def get(self) -> str:
        """A token that is valid now. Raises NotConnected before anybody has consented."""
        tokens = self._tokens or await self._vault.read()
        if tokens is None:
            raise NotConnected(f"{WHO} is not connected: {self.setting}, or set GHL_API_KEY.")
        self._tokens = tokens
        if self._ends_soon(tokens):
            tokens = await self._renewed(tokens.access)
        if tokens.holder != _COMPANY:
            return tokens.access
        return await self._for_location(tokens)

    async def refused(self, token: str) -> bool:
        """Get another token, unless this one is so new that another one would be refused as well."""
        now = self._clock.now()
        place = self._of_location
        if place is not None and place.access == token:
            self._of_location = None
            return now - place.made_at >= _SHORTEST
        tokens = self._tokens
        if tokens is not None and tokens.access == token:
            kept = await self._vault.read()
            if kept is not None and kept.access != token:
                self._tokens = kept  # another process has renewed it
                return True
            if now - tokens.made_at < _SHORTEST:
                return False
            await self._renewed(token)
        return True

    @property
    def account(self) -> str:
        """The location."""
        return self._location

    def consent_url(self, redirect_uri: str, state: str) -> str:
        """Where an owner of the location lets our app in."""
        words = {
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "client_id": self._app.client_id,
            "scope": " ".join(SCOPES),
            "state": state,
        }
        return f"{CONSENT}?{urlencode(words)}"

    async def connect(self, code: str, redirect_uri: str) -> None:
        """Turn a consent into tokens, and keep them. Raises Refused for another location's."""
        words = {"code": code, "user_type": "Location", "redirect_uri": redirect_uri}
        tokens, said = await self._ask("authorization_code", words)
        place = said.get("locationId")
        if tokens.holder != _COMPANY and place != self._location:
            raise Refused(
                f"The consent is for another location than GHL_LOCATION_ID ({self._location}): choose it."
            )
        async with self._vault.alone() as turn:
            await turn.keep(tokens)
        self._tokens, self._of_location, self._refusal = tokens, None, None

    async def _renewed(self, old: str) -> Tokens:
        """The pair after the one with the access token ``old``, whoever renews it.

        Whoever waits for it may be told to end; the pair is kept all the same.
        """
        return await asyncio.shield(self._renew(old))

    async def _renew(self, old: str) -> Tokens:
        async with self._one, self._vault.alone() as turn:
            tokens = turn.tokens
            if tokens is None:
                raise NotConnected(f"{WHO} is not connected: {self.setting}.")
            if tokens.access == old:
                before = tokens
                said, _ = await self._ask("refresh_token", {"refresh_token": before.refresh or ""})
                tokens = replace(  # what the answer leaves out stays as it was
                    said,
                    refresh=said.refresh or before.refresh,
                    holder=said.holder or before.holder,
                    organization=said.organization or before.organization,
                )
                await turn.keep(tokens)
            self._tokens, self._of_location = tokens, None
            return tokens

    async def _for_location(self, company: Tokens) -> str:
        async with self._one:
            place = self._of_location
            if place is None or self._ends_soon(place):
                form = {"companyId": company.organization, "locationId": self._location}
                headers = {"Authorization": f"Bearer {company.access}", "Version": self._version.header}
                said = await self._send(self._version.location_token, form, headers)
                place = self._of_location = self._read(said)
            return place.access

    async def _ask(self, grant: str, words: Mapping[str, str]) -> tuple[Tokens, Mapping[str, Any]]:
        """Ask the token endpoint. What it refused is not asked again for a minute."""
        if grant == "refresh_token" and self._refusal and self._clock.monotonic() < self._refused_until:
            raise self._refusal
        known = {
            "client_id": self._app.client_id,
            "client_secret": self._app.client_secret,
            "grant_type": grant,
            **words,
        }
        form = {self._version.token[name]: value for name, value in known.items()}
        headers = {"Version": self._version.header} if self._version.token_is_versioned else {}
        try:
            said = await self._send("/oauth/token", form, headers)
        except (CredentialsRejected, AccountInactive) as refused:
            self._refusal, self._refused_until = refused, self._clock.monotonic() + _PAUSE
            raise
        self._refusal = None
        return self._read(said), said

    async def _send(self, path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        request = Request(
            method="POST",
            url=self._origin + path,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                **headers,
            },
            body=urlencode(form).encode(),
            setting="GHL_API_URL",
            total_seconds=CALL_SECONDS,
            alone=True,  # a refresh token is good for one call, and nobody would know whether it was that one
        )
        count()
        response = await self._http.send(request)
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise self._refused_by(response)
        try:
            said = msgspec.json.decode(response.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise VendorUnavailable(f"{WHO} gave no token: {redact.sample(response.body)}")
        return said

    def _read(self, said: Mapping[str, Any]) -> Tokens:
        names = self._version.token
        # The old endpoint's spelling is understood of the new one too, and the other way round.
        access = said.get(names["access_token"]) or said.get("access_token") or said.get("accessToken")
        refresh = said.get(names["refresh_token"]) or said.get("refresh_token") or said.get("refreshToken")
        seconds = said.get(names["expires_in"]) or said.get("expires_in") or said.get("expiresIn")
        if not isinstance(access, str) or not access:
            raise VendorUnavailable(f"{WHO} answered without a token.")
        now = self._clock.now()
        lifetime = seconds if isinstance(seconds, int | float) and seconds > 0 else _USUAL
        return Tokens(
            access=access,
            refresh=refresh if isinstance(refresh, str) else None,
            expires_at=now + timedelta(seconds=lifetime),
            made_at=now,
            holder=str(said.get("userType") or ""),
            organization=str(said.get("companyId") or ""),
        )

    def _refused_by(self, response: Response) -> PerfectCatchError:
        status = response.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            told = retry.retry_after(response.headers.get("Retry-After"), self._clock.now())
            return RateLimited(f"{WHO} gives no token at this rate.", after_seconds=told)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return VendorUnavailable(f"{WHO} gave no token ({status}).")
        words = redact.text("; ".join(refusal_of(response).sentences) or f"status {status}")
        if "location is not active" in words.casefold():
            return AccountInactive(f"{WHO} says that the location is suspended or closed there ({words}).")
        if status == HTTPStatus.UNAUTHORIZED and "client" in words.casefold():
            return CredentialsRejected(f"{WHO} refuses GHL_CLIENT_ID and GHL_CLIENT_SECRET: {words}")
        return CredentialsRejected(f"{WHO} gives no token: {self.setting} ({words}).")

    def _ends_soon(self, tokens: Tokens) -> bool:
        lifetime = tokens.expires_at - tokens.made_at
        return tokens.expires_at - self._clock.now() <= min(RENEW_BEFORE, lifetime / 10)
