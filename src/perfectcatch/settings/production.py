"""What must be right before real people's data are served: in production the server refuses to start else."""

import ipaddress
import os
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from perfectcatch.errors import BadSetting
from perfectcatch.settings.fields import Settings

_SHORTEST: Final = 32
_GUESSED: Final = frozenset({"", "postgres", "password", "perfectcatch", "secret", "admin", "changeme"})
_OURSELVES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})

Check = Callable[[Settings], str | None]
"""A sentence that names the setting and how to mend it, None when all is well."""


def refuse_unsafe(settings: Settings) -> None:
    """Raise ``BadSetting`` with every reason against serving in production; elsewhere nothing is asked."""
    if settings.environment != "production":
        return
    reasons = list(unsafe(settings))
    if reasons:
        raise BadSetting(f"ENVIRONMENT is production, but {'; '.join(reasons)}.")


def unsafe(settings: Settings) -> Iterator[str]:
    """Why this must not serve real people's data."""
    yield from filter(None, (check(settings) for check in CHECKS))


def _secret_key(settings: Settings) -> str | None:
    key = settings.secret_key.get_secret_value() if settings.secret_key else ""
    return None if len(key) >= _SHORTEST else f"SECRET_KEY has not at least {_SHORTEST} characters"


def _webhook_secret(settings: Settings) -> str | None:
    secret = settings.service_titan_webhook_secret
    if secret is not None and len(secret.get_secret_value()) >= _SHORTEST:
        return None
    return f"SERVICE_TITAN_WEBHOOK_SECRET, by which webhooks are verified, has not {_SHORTEST} characters"


def _public_address(settings: Settings) -> str | None:
    address = settings.public_base_url or ""
    return None if address.startswith("https://") else "PUBLIC_BASE_URL is not an https:// address"


def _real_vendor(settings: Settings) -> str | None:
    for name in ("service_titan_api_url", "service_titan_auth_url", "ghl_api_url"):
        if not _is_outside(getattr(settings, name)):
            return (
                f"{name.upper()} does not lead to the vendor over https: a simulated one can be told anything"
            )
    return None


def _real_carriers(settings: Settings) -> str | None:
    """What carries messages or answers questions is the vendor itself, or nobody hears anything."""
    wrong = [
        name.upper()
        for name in ("twilio_api_url", "sendgrid_api_url", "anthropic_base_url")
        if not _is_outside(getattr(settings, name))
    ]
    if not wrong:
        return None
    lead = "does not lead" if len(wrong) == 1 else "do not lead"
    return f"{' and '.join(wrong)} {lead} to the vendor over https: what goes there reaches nobody"


def _is_outside(url: str) -> bool:
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower()
    if parts.scheme != "https" or host in _OURSELVES or host.endswith(".localhost"):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return True
    return not (address.is_loopback or address.is_unspecified)


def _database_password(settings: Settings) -> str | None:
    if settings.database_url is None:
        return None
    parts = urlsplit(settings.database_url.get_secret_value())
    local = not parts.hostname or parts.hostname.startswith("/")
    if local or unquote(parts.password or "").lower() not in _GUESSED:
        return None
    return "the password in DATABASE_URL is missing or the first that anybody tries"


def _rate(settings: Settings) -> str | None:
    return None if settings.api_rate_limit > 0 else "API_RATE_LIMIT is 0, which lets one key take everything"


def _quiet_log(settings: Settings) -> str | None:
    return (
        "LOG_LEVEL is debug, which writes more than a log should hold"
        if settings.log_level == "debug"
        else None
    )


def _no_root(_: Settings) -> str | None:
    return "the server runs as root: start it as an ordinary user" if os.geteuid() == 0 else None


CHECKS: Final[tuple[Check, ...]] = (
    _secret_key,
    _webhook_secret,
    _public_address,
    _real_vendor,
    _real_carriers,
    _database_password,
    _rate,
    _quiet_log,
    _no_root,
)
