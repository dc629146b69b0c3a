"""Who may ask: the token of a private integration, and the app's tokens, whose refresh tokens work once."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perfectcatch.kit.clock import Clock
from perfectcatch.sandbox.gohighlevel.shapes import THIRD, RefusedError

PRIVATE_TOKEN: Final = "pit-00000000-made-up-0000-000000000000"  # noqa: S105 - opens nothing but this sandbox
CLIENT_ID: Final = "made-up-client-id"
CLIENT_SECRET: Final = "made-up-client-secret"  # noqa: S105 - opens nothing but this sandbox
COMPANY: Final = "made0up0company00000"
_CAMEL: Final = {
    "access_token": "accessToken",
    "token_type": "tokenType",
    "expires_in": "expiresIn",
    "refresh_token": "refreshToken",
}


@dataclass(slots=True)
class _Held:
    """A token that was given out. ``scopes`` None: every one."""

    kind: str  # Location or Company
    until: float
    scopes: frozenset[str] | None = None


@dataclass(slots=True)
class TokenDesk:
    """Gives tokens out. ``seconds``: how long an access token works, by the machine's time."""

    clock: Clock
    location_id: str
    seconds: float = 86_399.0
    scopes: frozenset[str] | None = None  # what the tokens may; None: everything
    active: bool = True  # whether the location is
    private_token: str = PRIVATE_TOKEN
    refreshes: int = 0  # how many refresh tokens were used
    codes: dict[str, str] = field(default_factory=dict)  # code: kind of user
    _access: dict[str, _Held] = field(default_factory=dict)
    _refresh: dict[str, str] = field(default_factory=dict)  # token: kind of user

    def admit(self, header: str, scope: str) -> None:
        """Refuse who has no token for this."""
        token = header.removeprefix("Bearer ").strip()
        held = self._access.get(token)
        if not self.active:
            raise RefusedError(401, "Location is not active")
        if token != self.private_token and (held is None or held.until <= self.clock.monotonic()):
            raise RefusedError(401, "Invalid JWT")
        if held is not None and held.kind == "Company":
            raise RefusedError(403, "The token does not have access to this location.")
        if self.scopes is not None and scope not in self.scopes:
            raise RefusedError(401, "The token is not authorized for this scope.")

    def authorize(self, kind: str = "Location") -> str:
        """What the owner's consent gives: a code for a pair of tokens."""
        code = secrets.token_hex(20)
        self.codes[code] = kind
        return code

    def revoke(self) -> None:
        """Every access token ends now; refresh tokens stay."""
        self._access.clear()

    def token(self, version: str | None, form: Mapping[str, Any]) -> dict[str, Any]:
        """``POST /oauth/token``: a code or a refresh token, each once, for a new pair."""
        camel = version == THIRD
        names = {
            word: _camel(word) if camel else word
            for word in ("client_id", "client_secret", "grant_type", "code", "refresh_token", "user_type")
        }
        wrong = [f"property {name} should not exist" for name in form if name not in self._known(camel)]
        wrong += [
            f"{names[word]} should not be empty"
            for word in ("client_id", "client_secret", "grant_type")
            if not form.get(names[word])
        ]
        if wrong:
            raise RefusedError(422, wrong)
        if (form[names["client_id"]], form[names["client_secret"]]) != (CLIENT_ID, CLIENT_SECRET):
            raise RefusedError(401, "Invalid client credentials!")
        if not self.active:
            raise RefusedError(400, "Location is not active")
        match form[names["grant_type"]]:
            case "authorization_code":
                kind = self.codes.pop(str(form.get(names["code"])), None)
            case "refresh_token":
                kind = self._refresh.pop(str(form.get(names["refresh_token"])), None)
                self.refreshes += kind is not None
            case _:
                kind = None
        if kind is None:
            raise RefusedError(400, "Invalid grant: the code or refresh token is invalid")
        return self._pair(kind, camel=camel)

    def for_location(self, version: str, header: str, form: Mapping[str, Any]) -> dict[str, Any]:
        """A company's token becomes one of the location."""
        held = self._access.get(header.removeprefix("Bearer ").strip())
        if held is None or held.kind != "Company" or held.until <= self.clock.monotonic():
            raise RefusedError(401, "Invalid JWT")
        if (form.get("companyId"), form.get("locationId")) != (COMPANY, self.location_id):
            raise RefusedError(400, "The location was not found in the company")
        pair = self._pair("Location", camel=version == THIRD)
        return {name: value for name, value in pair.items() if "efresh" not in name}

    @staticmethod
    def _known(camel: bool) -> set[str]:
        words = ("client_id", "client_secret", "grant_type", "code", "refresh_token", "user_type")
        return {_camel(each) if camel else each for each in (*words, "redirect_uri")}

    def _pair(self, kind: str, *, camel: bool) -> dict[str, Any]:
        access, refresh = secrets.token_urlsafe(40), secrets.token_urlsafe(40)
        self._access[access] = _Held(kind, self.clock.monotonic() + self.seconds)
        self._refresh[refresh] = kind
        said: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": round(self.seconds),
            "refresh_token": refresh,
        }
        if camel:
            said = {_CAMEL[name]: value for name, value in said.items()}
        said |= {"scope": " ".join(sorted(self.scopes or ())), "userType": kind, "companyId": COMPANY}
        if kind == "Location":
            said["locationId"] = self.location_id
        return said | {"userId": "made0up0user00000000"}


def _camel(word: str) -> str:
    first, *others = word.split("_")
    return first + "".join(each.title() for each in others)
