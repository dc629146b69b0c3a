"""What a run did, for a person: a row for each entity, what went wrong, events by type."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from perfectcatch.cli.output import Output, one_line, result, table
from perfectcatch.errors import ScopeMissing

if TYPE_CHECKING:
    from perfectcatch.sync.report import RunReport

COLUMNS = {
    "entity": "entity",
    "mode": "mode",
    "fetched": "fetched",
    "created": "created",
    "updated": "updated",
    "unchanged": "unchanged",
    "deactivated": "deactivated",
    "quarantined": "quarantined",
    "requests": "requests",
    "seconds": "seconds",
    "status": "status",
}
SPARE = ("mode", "requests", "seconds", "unchanged")  # left out of a narrow terminal, in this order
CHANGES = ("created", "updated", "deactivated", "quarantined")
NAMED = 3  # entities with the same trouble that are named one by one


def show(report: "RunReport") -> None:
    """Print a run of `perfectcatch sync`."""
    if Output.json:
        result([each.as_row() for each in report.entities])
        return
    if tell_single_cause(report):
        return
    show_entities(report)
    show_events(report.events, report.past_events)
    totals = report.totals()
    print(
        f"\n{totals['fetched']:,} records, {totals['requests']:,} requests, "
        f"{report.duration_ms / 1000:,.1f} seconds: {report.status}."
    )


def tell_single_cause(report: "RunReport") -> bool:
    """Say in one sentence on stderr why nothing could be read; False where that is not how the run went."""
    cause = report.single_cause
    if cause is None:
        return False
    [first, *others] = report.entities
    told = f"nothing could be read: {cause}" if others else f"{first.entity} could not be read: {first.error}"
    print(f"perfectcatch: {one_line(told)}", file=sys.stderr)
    return True


def show_entities(report: "RunReport", *, title: str | None = None) -> None:
    """Print the entities of a run, those to which nothing happened in one line, and what is wrong."""
    rows = [each.as_row() | {"seconds": each.duration_ms / 1000} for each in report.entities]
    busy = [row for row in rows if row["mode"] == "full" or row["error"] or any(row[key] for key in CHANGES)]
    if title:
        print(title)
    if busy:
        table(busy, COLUMNS, spare=SPARE)
    if quiet := len(rows) - len(busy):
        more = "1 more entity" if quiet == 1 else f"{quiet} more entities"
        print(f"{more}: nothing has changed." if busy else "Nothing has changed.")
    wrong = []
    for each in report.entities:
        if each.error:  # scopes are granted one by one, so each is named
            alone = each.cause is None or isinstance(each.failure, ScopeMissing)
            wrong.append((each.entity, each.error, each.error if alone else str(each.cause)))
    show_errors(wrong, of=len(rows))


def show_errors(wrong: Sequence[tuple[str, str, str]], *, of: int) -> None:
    """Print what is wrong (entity, error, cause) of so many entities, a line for each cause."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for entity, error, cause in wrong:
        groups.setdefault(cause, []).append((entity, error))
    if groups:
        print()
    for cause, members in groups.items():
        errors = {error for _, error in members}
        said = errors.pop() if len(errors) == 1 else cause
        print(f"{_named([entity for entity, _ in members], of)}: {one_line(said)}")


def _named(entities: Sequence[str], of: int) -> str:
    if len(entities) <= NAMED:
        return ", ".join(entities)
    if len(entities) == of:
        return f"all {of} entities"
    return f"{', '.join(entities[:NAMED])} and {len(entities) - NAMED} more"


def show_events(live: Mapping[str, int], past: Mapping[str, int]) -> None:
    """Print events by type; those of a first load tell the past and reach nobody."""
    names = sorted({*live, *past})
    if names:
        rows: list[dict[str, Any]] = [
            {"event": name, "new": live.get(name, 0), "historical": past.get(name, 0)} for name in names
        ]
        print()
        table(rows, {"event": "event", "new": "new", "historical": "historical"})
