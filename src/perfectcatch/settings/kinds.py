"""Kinds of values that a setting can have, and how one is declared."""

from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

from perfectcatch.kit import cron

STORAGE: Final = "Storage"
VENDOR: Final = "ServiceTitan"
SCHEDULES: Final = "Schedules"
TEXTS: Final = "Twilio"
EMAIL: Final = "SendGrid"
CRM: Final = "GoHighLevel"
AI: Final = "AI"
SERVICE: Final = "Service"

# What completes "give ..." for several settings.
CRON: Final = "five cron fields such as `*/5 * * * *`, six with the seconds first, or `off`"
PORTAL: Final = "the text that the vendor's developer portal shows"
CONSOLE: Final = "the text that the vendor's console shows"
ADDRESS: Final = "an address that begins with https:// or http://"


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError
    return text.rstrip("/")


def _database_address(secret: SecretStr) -> SecretStr:
    parts = urlsplit(secret.get_secret_value())
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError
    _ = parts.port  # raises ValueError when it is no number
    return secret


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (LookupError, OSError) as error:  # a folder of the database, such as "America", is an OSError
        raise ValueError from error
    return text


def _schedule(text: str, about: ValidationInfo) -> str | None:
    if text.lower() == "off":
        return None
    cron.parse(text, str(about.field_name).upper())  # its refusal names the field of the expression
    return text


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


WebAddress = Annotated[str, AfterValidator(_web_address)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database_address)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Schedule = Annotated[str, AfterValidator(_schedule)] | None
Word = BeforeValidator(_lower)


def setting(group: str, default: Any, does: str, *, give: str, shown: str | None = None) -> Any:
    """Declare a setting. ``give`` completes "give ..."; ``shown`` is a default that has no fixed spelling."""
    return Field(default, description=does, json_schema_extra={"group": group, "give": give, "shown": shown})


def schedule_setting(default: str, does: str) -> Any:
    """Declare when something runs."""
    return setting(SCHEDULES, default, does, give=CRON)
