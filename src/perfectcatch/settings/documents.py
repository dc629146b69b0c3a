"""The two generated documents about settings: ``.env.example`` and the reference page."""

import textwrap
from itertools import groupby

from perfectcatch.settings.descriptions import Described, described
from perfectcatch.settings.kinds import CRON, SCHEDULES


def env_example() -> str:
    """Write the text of ``.env.example``: every setting with its sentence, each line switched off."""
    lines = ["# Copy to .env and fill in what you need: all but the ServiceTitan credentials have a default."]
    for group, settings in groupby(described(), key=lambda each: each.group):
        lines += ["", f"# {group} {'-' * (97 - len(group))}"]
        if group == SCHEDULES:
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
        lines += ["", f"## {group}", "", *([_ABOUT_SCHEDULES, ""] if group == SCHEDULES else [])]
        lines += ["| Setting | Default | Meaning |", "|---|---|---|"]
        for setting in settings:
            default = setting.shown or (f"`{setting.default}`" if setting.default else "none")
            old = ", ".join(f"`{name}`" for name in setting.old_names)
            notes = (" Secret." if setting.secret else "") + (f" Old: {old}." if old else "")
            lines += [f"| `{setting.name}` | {default} | {setting.does}{_hint(setting)}{notes} |"]
    return "\n".join(lines) + "\n"


_ABOUT_SCHEDULES = f"Give {CRON}, which switches that run off. Times are those of the company's time zone."
_TITLE = """\
# Settings

Values come from the environment, then from `.env` in the current directory. An empty value counts as
absent. A wrong value stops the program with one sentence and exit status 2. Old names are understood and
warned about; where one place sets both, the new name wins."""


def _hint(setting: Described) -> str:
    return "" if setting.group == SCHEDULES else f" Give {setting.give}."


def _comment(text: str) -> list[str]:
    plain = text.replace("`", "")
    return textwrap.wrap(plain, 100, initial_indent="# ", subsequent_indent="# ", break_long_words=False)
