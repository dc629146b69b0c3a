"""Every setting, once: its name, default, meaning, and what to say when it cannot be used.

A setting's name in the environment is its field's name in capitals. Values come from the environment, then
from ``.env`` in the current directory; an empty value counts as absent. Only the command line and ``app``
read this module, and no other reads the environment.

``python -m perfectcatch.settings env-example`` and ``... markdown`` write the two generated documents.
"""

import logging
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BeforeValidator,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from perfectcatch.errors import BadSetting
from perfectcatch.kit import cron
from perfectcatch.kit.log import scrub

_STORAGE, _VENDOR, _SCHEDULES, _SERVICE = "Storage", "ServiceTitan", "Schedules", "Service"
_OLD_PREFIX, _PREFIX = "SERVICETITAN_", "SERVICE_TITAN_"
_FURTHER_OLD_NAMES = {
    "DATABASE_URL": ("SERVICETITAN_DATABASE_URL",),
    "SERVICE_TITAN_APP_KEY": ("SERVICETITAN_API_KEY",),
}


def _old_names(name: str) -> tuple[str, ...]:
    """Former spellings of the setting ``name``, which are still understood."""
    prefixed = (_OLD_PREFIX + name.removeprefix(_PREFIX),) if name.startswith(_PREFIX) else ()
    return prefixed + _FURTHER_OLD_NAMES.get(name, ())


def _spellings(field: str) -> AliasChoices:
    return AliasChoices(field.upper(), *_old_names(field.upper()))


# Kinds of values -------------------------------------------------------------------------------


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


def _setting(group: str, default: Any, does: str, *, give: str, shown: str | None = None) -> Any:
    """Declare a setting. ``give`` completes "give ..."; ``shown`` is a default that has no fixed spelling."""
    return Field(default, description=does, json_schema_extra={"group": group, "give": give, "shown": shown})


_CRON = "five cron fields such as `*/5 * * * *`, six with the seconds first, or `off`"
_PORTAL = "the text that the vendor's developer portal shows"
_ADDRESS = "an address that begins with https:// or http://"


def _schedule_setting(default: str, does: str) -> Any:
    return _setting(_SCHEDULES, default, does, give=_CRON)


class Settings(BaseSettings):
    """What a person can set, from explicit values; ``load_settings`` takes them from the environment."""

    model_config = SettingsConfigDict(
        alias_generator=AliasGenerator(validation_alias=_spellings),
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        dotenv_filtering="only_existing",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
    )

    database_url: DatabaseAddress | None = _setting(
        _STORAGE,
        None,
        "The PostgreSQL database, version 15 or newer.",
        give="an address such as `postgresql://user:password@host:5432/database`",
        shown="embedded PostgreSQL in the data directory",
    )
    database_max_connections: Annotated[int, Field(ge=5, le=1000)] = _setting(
        _STORAGE, 20, "How many connections one process may open.", give="a whole number from 5 to 1000"
    )
    perfectcatch_data_dir: Path = _setting(
        _STORAGE,
        Path(".perfectcatch"),
        "The directory of the embedded database and of what else stays on this machine.",
        give="the path of a directory",
    )

    service_titan_client_id: SecretStr | None = _setting(
        _VENDOR, None, "The client id of your app for this tenant and environment.", give=_PORTAL
    )
    service_titan_client_secret: SecretStr | None = _setting(
        _VENDOR, None, "The client secret that belongs to the client id.", give=_PORTAL
    )
    service_titan_tenant_id: PositiveInt | None = _setting(
        _VENDOR, None, "The number of your company at ServiceTitan.", give="a whole number above 0"
    )
    service_titan_app_key: SecretStr | None = _setting(
        _VENDOR, None, "The key of your app, the same for all its tenants.", give=_PORTAL
    )
    service_titan_api_url: WebAddress = _setting(
        _VENDOR,
        "https://api.servicetitan.io",
        "Where the API answers; the vendor's test environment and a local sandbox have other addresses.",
        give=_ADDRESS,
    )
    service_titan_auth_url: WebAddress = _setting(
        _VENDOR,
        "https://auth.servicetitan.io/connect/token",
        "Where an access token is asked for.",
        give=_ADDRESS,
    )
    service_titan_rate_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] = _setting(
        _VENDOR,
        50.0,
        "How many requests a second we allow ourselves; the vendor allows 60 for an app and a tenant.",
        give="a number above 0",
    )
    service_titan_timezone: TimeZone = _setting(
        _VENDOR,
        "America/New_York",
        "The company's time zone, in which a due date ends; the vendor's answers do not tell it.",
        give="a name of the time zone database, such as America/Chicago",
    )

    sync_incremental_cron: Schedule = _schedule_setting("*/5 * * * *", "When changes are read.")
    sync_full_cron: Schedule = _schedule_setting("0 2 * * *", "When everything is read and compared.")
    contacts_incremental_cron: Schedule = _schedule_setting("0 */4 * * *", "When changed contacts are read.")
    contacts_full_cron: Schedule = _schedule_setting("0 3 * * *", "When all contacts are read.")
    sync_scheduling_cron: Schedule = _schedule_setting("0 3 * * *", "When shifts and zones are read.")
    sync_pricebook_cron: Schedule = _schedule_setting("0 4 * * *", "When the price book is read.")
    clock_rules_cron: Schedule = _schedule_setting(
        "*/5 * * * *", "When events that time causes are looked for, such as an invoice that becomes overdue."
    )

    environment: Annotated[Literal["development", "production"], Word] = _setting(
        _SERVICE, "development", "What this installation is for.", give="development or production"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Word] = _setting(
        _SERVICE, "info", "How much is logged.", give="debug, info, warning or error"
    )
    log_format: Annotated[Literal["console", "json"] | None, Word] = _setting(
        _SERVICE,
        None,
        "How a log line looks: for a person, or one JSON object a line.",
        give="console or json",
        shown="console in development, json in production",
    )
    heartbeat_file: Path = _setting(
        _SERVICE,
        Path(tempfile.gettempdir()) / "worker-heartbeat",
        "The file that a worker touches while it is alive, for a container's health check.",
        give="the path of a file",
        shown="worker-heartbeat in the temporary directory",
    )

    @property
    def log_style(self) -> Literal["console", "json"]:
        """``log_format``, or what suits the environment."""
        return self.log_format or ("json" if self.environment == "production" else "console")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never be shown: every secret value, and of an address its password."""
        values = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        if self.database_url is not None:
            address = self.database_url.get_secret_value()
            values.remove(address)
            password = urlsplit(address).password or ""
            values += [password, unquote(password)]
        return tuple(filter(None, values))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take explicit values only, so that what a test builds does not depend on the machine."""
        _ = settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


# Reading ---------------------------------------------------------------------------------------


def load_settings(env_file: Path | None = Path(".env"), **overrides: object) -> Settings:
    """Read the settings; ``overrides`` (field names) come from the command line and win.

    An old name is understood and logged as a warning. Raises ``BadSetting`` with one sentence.
    """
    environment = EnvSettingsSource(Settings)
    try:
        file = DotEnvSettingsSource(Settings, env_file=env_file)
    except (OSError, UnicodeError) as error:
        raise BadSetting(
            f"The file {env_file} cannot be read ({error}): make it readable UTF-8 text."
        ) from error
    values = {**file(), **environment(), **{name.upper(): value for name, value in overrides.items()}}
    _warn_of_old_names({name.upper() for source in (file, environment) for name in source.env_vars})
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise _refusal(error, values) from None


def child_environment(**overrides: object) -> dict[str, str]:
    """Make the environment of a process that we start: ours with ``overrides``; None removes a field."""
    values = {name.upper(): value for name, value in overrides.items()}
    kept = {name: text for name, text in os.environ.items() if name.upper() not in values}
    return kept | {name: str(value) for name, value in values.items() if value is not None}


def _warn_of_old_names(given: set[str]) -> None:
    for setting in described():
        for old in setting.old_names:
            if old in given:
                logging.getLogger(__name__).warning("%s is the old name of %s: rename it.", old, setting.name)


def _refusal(error: ValidationError, values: dict[str, Any]) -> BadSetting:
    place = str(error.errors()[0]["loc"][0]).upper()
    setting = next((each for each in described() if place in (each.name, *each.old_names)), None)
    if setting is None:
        return BadSetting(f"{place} is no setting: leave it out.")
    problem = "cannot be used" if setting.secret else f'is "{scrub(str(values.get(place)))}"'
    return BadSetting(f"{setting.name} {problem}: give {setting.give}.")


def require(settings: Settings, *names: str) -> None:
    """Raise ``BadSetting`` that names each of ``names`` (as in the environment) which has no value."""
    missing = [name for name in names if getattr(settings, name.lower()) is None]
    if missing:
        *others, last = missing
        subject = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        raise BadSetting(f"{subject} missing: set what is named in the environment or in .env.")


# Documents -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as a person reads about it."""

    name: str
    group: str
    does: str
    give: str
    default: str  # as it would be written; "" for none
    shown: str | None  # the default in words, where it has no fixed spelling
    secret: bool
    old_names: tuple[str, ...]


def described() -> Iterator[Described]:
    """Every setting, in the order of the groups."""
    for field, about in Settings.model_fields.items():
        extra = about.json_schema_extra
        assert isinstance(extra, dict)
        shown = extra["shown"]
        default = "" if about.default is None or shown else str(about.default)
        yield Described(
            name=field.upper(),
            group=str(extra["group"]),
            does=str(about.description),
            give=str(extra["give"]),
            default=re.sub(r"\.0$", "", default),
            shown=str(shown) if shown else None,
            secret="SecretStr" in str(about.annotation),
            old_names=_old_names(field.upper()),
        )


def env_example() -> str:
    """Write the text of ``.env.example``: every setting with its sentence, each line switched off."""
    lines = ["# Copy to .env and fill in what you need: all but the ServiceTitan credentials have a default."]
    for group, settings in groupby(described(), key=lambda each: each.group):
        lines += ["", f"# {group} {'-' * (97 - len(group))}"]
        if group == _SCHEDULES:
            lines += _comment(_ABOUT_SCHEDULES)
        for setting in settings:
            absent = f" Absent: {setting.shown}." if setting.shown else ""
            lines += ["", *_comment(f"{setting.does}{absent}{_hint(setting)}")]
            lines += [f"# {setting.name}={setting.default}"]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """Write the text of the settings' reference page."""
    lines = [_TITLE]
    for group, settings in groupby(described(), key=lambda each: each.group):
        lines += ["", f"## {group}", "", *([_ABOUT_SCHEDULES, ""] if group == _SCHEDULES else [])]
        lines += ["| Setting | Default | Meaning |", "|---|---|---|"]
        for setting in settings:
            default = setting.shown or (f"`{setting.default}`" if setting.default else "none")
            old = ", ".join(f"`{name}`" for name in setting.old_names)
            notes = (" Secret." if setting.secret else "") + (f" Old: {old}." if old else "")
            lines += [f"| `{setting.name}` | {default} | {setting.does}{_hint(setting)}{notes} |"]
    return "\n".join(lines) + "\n"


_ABOUT_SCHEDULES = f"Give {_CRON}, which switches that run off. Times are those of the company's time zone."
_TITLE = """\
# Settings

Values come from the environment, then from `.env` in the current directory. An empty value counts as
absent. A wrong value stops the program with one sentence and exit status 2. Old names are understood and
warned about; where one place sets both, the new name wins."""


def _hint(setting: Described) -> str:
    return "" if setting.group == _SCHEDULES else f" Give {setting.give}."


def _comment(text: str) -> list[str]:
    plain = text.replace("`", "")
    return textwrap.wrap(plain, 100, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _main(arguments: list[str]) -> int:
    documents = {"env-example": env_example, "markdown": markdown}
    if len(arguments) != 1 or arguments[0] not in documents:
        sys.stderr.write("usage: python -m perfectcatch.settings env-example|markdown\n")
        return BadSetting.exit_status
    sys.stdout.write(documents[arguments[0]]())
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
