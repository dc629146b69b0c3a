"""Writes the generated documents: settings, commands, events, tables. ``make docs`` runs it.

Each page follows from the one place that declares its facts. A test fails when a page is out of date.
"""

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from perfectcatch import settings
from perfectcatch.cli import app
from perfectcatch.model.entity import Child, Column, Entity, Link, Local, LookedUp, Source
from perfectcatch.model.event import (
    Above,
    All,
    AtMost,
    ClockRule,
    Condition,
    Exists,
    Is,
    Present,
    Refers,
    Transition,
)
from perfectcatch.vendors.servicetitan.entities import ENTITIES

ROOT = Path(__file__).parent.parent


def pages() -> dict[str, str]:
    """Text of every generated document by its path in the repository."""
    return {
        ".env.example": settings.env_example(),
        "docs/reference/settings.md": settings.markdown(),
        "docs/reference/commands.md": commands_page(),
        "docs/reference/events.md": events_page(),
        "docs/reference/tables.md": tables_page(),
    }


def _page(title: str, introduction: str, body: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", introduction.strip(), *body]) + "\n"


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in cells)} |"


def _table(*heads: str) -> list[str]:
    return ["", _row(*heads), "|" + "---|" * len(heads)]


# Commands --------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something: its words, and the command of the command line's library."""
    yield from _commands(typer.main.get_command(app), "perfectcatch")


def _commands(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    for name, part in getattr(command, "commands", {}).items():
        if not part.hidden:
            yield from _commands(part, f"{words} {name}")
    if not hasattr(command, "commands"):
        yield words, command


def commands_page() -> str:
    """Each command with its arguments and options."""
    body: list[str] = []
    for words, command in commands():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option"]
        shown = [each.name.upper() if each.required else f"[{each.name.upper()}]" for each in arguments]
        body += ["", f"## {' '.join([words, *shown])}", "", " ".join((command.help or "").split())]
        if arguments or options:
            body += _table("Argument or option", "Meaning", "Default")
            body += [_row(f"`{each.name.upper()}`", each.help, _default(each)) for each in arguments]
            body += [_row(f"`{_spelled(each)}`", each.help, _default(each)) for each in options]
    introduction = """
`--json` may stand anywhere and gives a machine-readable result on stdout; logs go to stderr. `--help` works
everywhere. Exit status: 0 done, 1 failed, 2 wrong usage or configuration, with one sentence that says how to
mend it.
"""
    return _page("Commands", introduction, body)


def _spelled(option: Any) -> str:
    switch = " / ".join([*option.opts, *option.secondary_opts])
    return switch if option.is_flag else f"{switch} {option.type.name.upper()}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if callable(default) or default in (None, False, ()):
        return ""
    return f"`{default}`"


# Events ----------------------------------------------------------------------------------------


def events_page() -> str:
    """Each business event, with the rule that causes it."""
    body = []
    for entity in ENTITIES:
        if entity.events:
            body += ["", f"## {_title(entity.name)}", *_table("Event", "Meaning", "Fires when", "Moment")]
            for event in sorted(entity.events, key=lambda each: isinstance(each, ClockRule)):
                body.append(_row(f"`{event.event_type}`", event.does, _cause(event), _moment(event)))
    introduction = """
An event is a row of `automation.events`: one for each entity, id, version and type. A *transition* compares a
record before and after a change, so a record that is touched again without it fires nothing. A *clock rule*
fires when a moment passes, once for each record and stage. What a first load or a backfill brings is marked
`historical`. Columns are those of the [tables](tables.md).
"""
    return _page("Business events", introduction, body)


def _cause(event: Transition | ClockRule) -> str:
    if isinstance(event, ClockRule):
        condition = "" if event.holds == Exists() else f" while {_words(event.holds)}"
        return f"{' and '.join(map(_stage, event.stages))} `{event.column}`{condition}"
    if event.changes:
        guard = "" if event.enters == Exists() else f" while {_words(event.enters)}"
        return f"{_listed(event.changes)} of a known record changes{guard}"
    before = f", and before, {_words(event.leaves)}" if event.leaves else ""
    begins = "the record appears" if event.enters == Exists() else f"{_words(event.enters)} becomes true"
    return begins + before


def _words(condition: Condition) -> str:
    match condition:
        case Exists():
            return "the record is there"
        case Is(column, values):
            return f"`{column}` is {' or '.join(f'`{value}`' for value in values)}"
        case Present(column):
            return f"`{column}` has a value"
        case Above(column, limit):
            return f"`{column}` is above {limit}"
        case AtMost(column, limit):
            return f"`{column}` is at most {limit}"
        case Refers(column, entity, text_column, word):
            return f"`{column}` refers to one of {entity} whose `{text_column}` contains {word}"
        case All(conditions):
            return " and ".join(map(_words, conditions))
    raise TypeError(condition)


def _listed(columns: Iterable[str]) -> str:
    return " or ".join(f"`{column}`" for column in columns)


def _stage(stage: timedelta) -> str:
    if not stage:
        return "at"
    return f"{abs(stage.days)} days {'after' if stage.days > 0 else 'before'}"


def _moment(event: Transition | ClockRule) -> str:
    return "when the stage is due" if isinstance(event, ClockRule) else f"`{event.at}`"


# Tables ----------------------------------------------------------------------------------------


def tables_page() -> str:
    """Each mirror table, with where its columns come from."""
    body: list[str] = []
    for entity in ENTITIES:
        body += ["", f"## {_title(entity.name)}", "", f"`{entity.table}`: {entity.does} {_source(entity)}"]
        body += _table("Column", "Type", "From")
        body += [_column(column) for column in entity.columns]
        for child in entity.children:
            body += ["", f"### `{child.table}`", "", _about_child(child), *_table("Column", "Type", "From")]
            body += [_column(column) for column in child.columns]
        body += [line for link in entity.links for line in _link(link)]
    introduction = """
Every mirror table has `id`, `tenant_id` and `st_id` (the vendor's id, unique in a tenant), `st_created_on`,
`st_modified_on`, `active`, `deleted_at`, `revision`, `content_hash`, `local_synced_at` and `full_data`, the
vendor's whole record. *From* is the path in that record. There are no foreign keys between mirror tables,
because the vendor's references may dangle.
"""
    return _page("Mirror tables", introduction, body)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


_READ = {
    Source.EXPORT: "export feed",
    Source.CHANGED: "list, asked for changes",
    Source.WHOLE: "list, read whole",
}


def _source(entity: Entity) -> str:
    feeds = [f"`{feed.endpoint}` ({_READ[feed.source]})" for feed in entity.feeds]
    return f"Read from {' and '.join(feeds)}."


def _column(column: Column | Local | LookedUp) -> str:
    match column:
        case Local():
            return _row(f"`{column.name}`", column.type, f"ours: {column.does}")
        case LookedUp():
            origin = f"`{column.column}` of {column.entity}. {column.does}".strip()
            return _row(f"`{column.name}`", column.type, f"looked up: {origin}")
    refers = f", an id of {column.references}" if column.references else ""
    does = f". {column.does}" if column.does else ""
    return _row(f"`{column.name}`", column.type, f"`{column.at}`{refers}{does}")


def _about_child(child: Child) -> str:
    return f"{child.does} Key: tenant, `{child.parent_column}`, `position`; from `{child.at}`."


def _link(link: Link) -> list[str]:
    return ["", f"### `{link.table}`", "", f"{link.does} Key: tenant, `{link.left}`, `{link.right}`."]


def main() -> int:
    """Write the pages that have changed; the exit status says nothing about that."""
    for path, text in pages().items():
        target = ROOT / path
        if not target.exists() or target.read_text() != text:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            sys.stdout.write(f"wrote {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
