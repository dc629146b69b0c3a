"""Reading the settings from the environment and from a file; the only module that knows either."""

import logging
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from perfectcatch.errors import BadSetting
from perfectcatch.kit.log import scrub
from perfectcatch.settings.descriptions import described
from perfectcatch.settings.fields import Settings


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
