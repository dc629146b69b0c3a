"""Writes the generated documents: settings, commands, events, entities, endpoints. ``make docs`` runs it.

Each page follows from the one place that declares its facts. A test fails when a page is out of date.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from perfectcatch.cli import app
from perfectcatch.model.endpoint import Endpoint
from perfectcatch.model.event import (
    OURS,
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
from perfectcatch.model.passing import Route
from perfectcatch.settings import documents
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE
from perfectcatch.vendors.servicetitan.entities import BY_NAME, ENTITIES
from perfectcatch.vendors.servicetitan.entities.describe import describe
from perfectcatch.vendors.servicetitan.routes import offer
from perfectcatch.workflows.shapes import listed, sample

ROOT = Path(__file__).parent.parent


def pages() -> dict[str, str]:
    """Text of every generated document by its path in the repository."""
    return {
        ".env.example": documents.env_example(),
        "docs/reference/settings.md": documents.markdown(),
        "docs/reference/commands.md": commands_page(),
        "docs/reference/events.md": events_page(),
        "docs/reference/entities.md": describe(ENTITIES),
        "docs/reference/endpoints.md": endpoints_page(),
        "docs/reference/routes.md": routes_page(),
        "docs/reference/workflow-records.md": records_page(),
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
    if not hasattr(command, "commands") or command.invoke_without_command:
        yield words, command
    for name, part in getattr(command, "commands", {}).items():
        if not part.hidden:
            yield from _commands(part, f"{words} {name}")


def commands_page() -> str:
    """Each command with its arguments and options."""
    body: list[str] = []
    for words, command in commands():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
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
    return switch if option.is_flag else f"{switch} {option.metavar or option.name.strip('_').upper()}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    silent = default is None or isinstance(default, bool | list | tuple) or callable(default)
    return "" if silent else f"`{default}`"


# Events ----------------------------------------------------------------------------------------


def events_page() -> str:
    """Each business event, with the rule that causes it."""
    body = []
    for entity in ENTITIES:
        if entity.events:
            body += [
                "",
                f"## [{entity.name}](entities.md#{entity.name})",
                *_table("Event", "Meaning", "Fires when", "Moment"),
            ]
            for event in sorted(entity.events, key=lambda each: isinstance(each, ClockRule)):
                body.append(_row(f"`{event.event_type}`", event.does, _cause(event), _moment(event)))
    body += [
        "",
        "## Events of our own",
        "",
        "They are about a customer (`entity` is `customers`), as far as one is known.",
    ]
    body += _table("Event", "Meaning")
    body += [_row(f"`{name}`", does) for name, does in OURS.items()]
    introduction = """
An event is a row of `automation.events`: one for each entity, id, version and type. A *transition* compares a
record before and after a change, so a record that is touched again without it fires nothing. A *clock rule*
fires when a moment passes, once for each record and stage. What a first load or a backfill brings is marked
`historical`. Columns are those of the [entities](entities.md).
"""
    return _page("Business events", introduction, body)


def _cause(event: Transition | ClockRule) -> str:
    if isinstance(event, ClockRule):
        condition = "" if event.holds == Exists() else f" while {_words(event.holds)}"
        return f"{' and '.join(map(_stage, event.stages))} `{event.column}`{condition}"
    if event.changes:
        guard = "" if event.enters == Exists() else f" while {_words(event.enters)}"
        return f"{_listed(event.changes)} of a known record changes{guard}"
    before = f", and before that {_words(event.leaves)}" if event.leaves else ""
    return _begins(event.enters) + before


def _begins(condition: Condition) -> str:
    match condition:
        case Exists():
            return "the record appears"
        case Is(column, values):
            return f"`{column}` becomes {_either(values)}"
        case Present(column):
            return f"`{column}` gets a value"
    return f"it begins to hold that {_words(condition)}"


def _words(condition: Condition) -> str:
    match condition:
        case Exists():
            return "the record is there"
        case Is(column, values):
            return f"`{column}` is {_either(values)}"
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


def _either(values: Iterable[object]) -> str:
    return " or ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in values)


def _listed(columns: Iterable[str]) -> str:
    return " or ".join(f"`{column}`" for column in columns)


def _stage(stage: int) -> str:
    if not stage:
        return "at"
    return f"{abs(stage)} days {'after' if stage > 0 else 'before'}"


def _moment(event: Transition | ClockRule) -> str:
    return "when the stage is due" if isinstance(event, ClockRule) else f"`{event.at}`"


# Endpoints -------------------------------------------------------------------------------------


def endpoints_page() -> str:
    """Each operation of the vendor, by module."""
    body: list[str] = []
    rows = sorted(CATALOGUE.values(), key=lambda row: row.name)
    for module, operations in groupby(rows, key=lambda row: row.module):
        body += ["", f"## {module}", *_table("Operation", "Kind", "Request", "Meaning", "Query")]
        body += [_operation(row) for row in operations]
    current = sum(row.current for row in rows)
    introduction = f"""
{len(rows)} operations of ServiceTitan: {current} are in the vendor's current documents, {len(rows) - current}
were withdrawn from them and may still answer. In *Query*, a parameter that the vendor demands is bold.
"""
    return _page("Endpoints", introduction, body)


def _operation(row: Endpoint) -> str:
    query = [f"**{each.name}**" if each.required else each.name for each in row.query]
    withdrawn = "" if row.current else " (withdrawn)"
    request = f"`{row.method} {row.path}`"
    return _row(f"`{row.name}`", row.kind, request, row.does + withdrawn, ", ".join(query))


# Routes ----------------------------------------------------------------------------------------


def routes_page() -> str:
    """Each route to the vendor, by its first words."""
    routes = offer().routes
    body: list[str] = []
    for group, found in groupby(sorted(routes, key=_place), key=_group):
        body += ["", f"## {group}", *_table("Route", "Operation", "Scope", "Cached")]
        body += [_route(route) for route in found]
    introduction = f"""
{len(routes)} routes of the API server that are passed through to ServiceTitan: under `/st` each operation in
the vendor's own words, without version and company, and below other names what habits know. What an operation
takes: [endpoints](endpoints.md), or `/docs` of a running server. How they are used:
[the gateway](../how-to/use-the-gateway.md).
"""
    return _page("Routes to ServiceTitan", introduction, body)


def _group(route: Route) -> str:
    words = route.path.split("/")
    return f"/{words[1]}" if route.alias else f"/st/{words[2]}"


def _place(route: Route) -> tuple[bool, str, str, str]:
    return route.alias, _group(route), route.path, route.method


def _route(route: Route) -> str:
    scope = "write" if route.endpoint.writes else "read"
    kept = f"{route.endpoint.fresh_seconds:g} s" if route.endpoint.fresh_seconds else ""
    return _row(f"`{route.key}`", f"`{route.endpoint.name}`", scope, kept)


def records_page() -> str:
    """What expressions and templates of workflows can name."""
    names = sorted(listed(sample(BY_NAME)))
    lines = [*_table("Name", "Kind"), *(_row(f"`{name}`", kind) for name, kind in names)]
    introduction = (
        "What conditions and texts of [workflows](../how-to/write-a-workflow.md) can name. A record that a "
        "start does not lead to is null. Columns mean what they mean in the [entities](entities.md)."
    )
    return _page("Records at hand in workflows", introduction, lines)


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
