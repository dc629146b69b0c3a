"""``perfectcatch sync``: runs by hand, and how the last ones went."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say, table

if TYPE_CHECKING:
    from perfectcatch.sync.engine import Engine
    from perfectcatch.sync.report import RunReport

app = typer.Typer(help="Read ServiceTitan into the mirror, now.", no_args_is_help=True)

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


@app.command()
def full() -> None:
    """Read every record of every entity again, and find what was deleted."""
    _run(lambda engine: engine.run("full"))


@app.command()
def incremental() -> None:
    """Read what changed since the last run."""
    _run(lambda engine: engine.run("incremental"))


@app.command()
def reference() -> None:
    """Read the lists that other records refer to: business units, job types, technicians, campaigns ..."""
    _run(lambda engine: engine.run("reference"))


@app.command()
def pricebook() -> None:
    """Read price book categories, services, materials and equipment again."""
    _run(lambda engine: engine.run("pricebook"))


@app.command()
def scheduling() -> None:
    """Read teams, zones, shifts, arrival windows and other time of technicians again."""
    _run(lambda engine: engine.run("scheduling"))


@app.command()
def contacts(
    *, full: Annotated[bool, typer.Option("--full", help="Read all of them, not only changed ones.")] = False
) -> None:
    """Read telephone numbers and e-mail addresses of customers and locations."""
    _run(lambda engine: engine.run("contacts-full" if full else "contacts"))


@app.command()
def run(
    entity: Annotated[str, typer.Argument(help="An entity, such as customers, jobs or invoices.")],
    *,
    full: Annotated[bool, typer.Option("--full", help="Read every record, not only changed ones.")] = False,
    allow_deletions: Annotated[
        bool, typer.Option("--allow-deletions", help="Delete also what was held for a person.")
    ] = False,
) -> None:
    """Read one entity."""
    from perfectcatch.vendors.servicetitan.entities import find

    chosen = find(entity)
    _run(lambda engine: engine.run_entities([chosen], full=full, allow_deletions=allow_deletions))


@app.command()
def status() -> None:
    """Show the last run and the age of the data, for each entity."""
    asyncio.run(_status())


@app.command()
def quarantine(
    entity: Annotated[str | None, typer.Argument(help="Only this entity.")] = None,
    *,
    redrive: Annotated[bool, typer.Option("--redrive", help="Try to store them again.")] = False,
) -> None:
    """Show the records that could not be stored, with the reason."""
    asyncio.run(_quarantine(entity, redrive=redrive))


@app.command()
def drift() -> None:
    """Show fields that the vendor sends and its documents do not name, or that changed their kind."""
    asyncio.run(_drift())


@app.command()
def record(
    entity: Annotated[str, typer.Argument(help="An entity, such as customers.")],
    st_id: Annotated[int, typer.Argument(help="The record's id at ServiceTitan.")],
    *,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="A moment such as 2026-03-01 or 2026-03-01T14:00:00Z.")
    ] = None,
) -> None:
    """Show every version of a record that we know, or the one that was true at a moment."""
    asyncio.run(_record(entity, st_id, as_of))


# Running ---------------------------------------------------------------------------------------


def _run(work: "Callable[[Engine], Awaitable[RunReport]]") -> None:
    report = asyncio.run(_ended(work))
    show(report)
    if report.status != "succeeded":
        raise typer.Exit(1)


async def _ended(work: "Callable[[Engine], Awaitable[RunReport]]") -> "RunReport":
    from perfectcatch.app import open_engine
    from perfectcatch.cli.start import prepared
    from perfectcatch.cli.watching import watching

    settings = prepared(quiet=True)
    with watching() as progress:
        async with open_engine(settings, application="perfectcatch sync", progress=progress) as engine:
            return await work(engine)


def show(report: "RunReport") -> None:
    """Print a run: a row for each entity, then events by type."""
    rows = [each.as_row() for each in report.entities]
    if Output.json:
        result(rows)
        return
    table([row | {"seconds": row["duration_ms"] / 1000} for row in rows], COLUMNS)
    for row in rows:
        if row["error"]:
            print(f"\n{row['entity']}: {row['error']}")
    show_events(report.events, report.past_events)
    totals = report.totals()
    print(
        f"\n{totals['fetched']:,} records, {totals['requests']:,} requests, "
        f"{report.duration_ms / 1000:,.1f} seconds: {report.status}."
    )


def show_events(live: "dict[str, int]", past: "dict[str, int]") -> None:
    """Print events by type; those of a first load tell the past and reach nobody."""
    names = sorted({*live, *past})
    if names:
        rows: list[dict[str, Any]] = [
            {"event": name, "new": live.get(name, 0), "historical": past.get(name, 0)} for name in names
        ]
        print()
        table(rows, {"event": "event", "new": "new", "historical": "historical"})


# Looking ---------------------------------------------------------------------------------------


async def _status() -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.store import runs

    async with looking() as (pool, tenant_id):
        lines = await runs.latest(pool, tenant_id)
    rows = [
        {name: getattr(line, name) for name in line.__dataclass_fields__} | {"age_seconds": line.age_seconds}
        for line in lines
    ]
    if Output.json:
        result(rows)
        return
    if not rows:
        say("Nothing has been read yet: run `perfectcatch sync full`.")
        return
    columns = {
        "entity": "entity",
        "mode": "mode",
        "status": "status",
        "fetched": "fetched",
        "updated": "updated",
        "quarantined": "quarantined",
        "started_at": "started",
        "age": "age",
        "error": "error",
    }
    table([row | {"age": _span(row["age_seconds"])} for row in rows], columns)


def _span(seconds: float | None) -> str | None:
    """A length of time for a person."""
    if seconds is None:
        return None
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


async def _quarantine(entity_name: str | None, *, redrive: bool) -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.store import quarantine as held
    from perfectcatch.sync.redrive import redrive as try_again
    from perfectcatch.vendors.servicetitan.entities import BY_NAME, find

    name = find(entity_name).name if entity_name else None
    async with looking() as (pool, tenant_id):
        if redrive:
            counts = await try_again(pool, tenant_id, BY_NAME, name)
            if Output.json:
                result(counts)
            else:
                say(f"{counts['stored']} stored, {counts['still_held']} still in quarantine.")
            return
        waiting = await held.waiting(pool, tenant_id, name)
    rows = [
        {
            "entity": each.entity,
            "st_id": each.st_id,
            "reason": each.reason,
            "times": each.times,
            "first_seen_at": each.first_seen_at,
            "last_seen_at": each.last_seen_at,
        }
        for each in waiting
    ]
    if Output.json:
        result(rows)
    elif rows:
        table(
            rows,
            {"entity": "entity", "st_id": "id", "times": "times", "last_seen_at": "seen", "reason": "reason"},
        )
    else:
        say("No record is in quarantine.")


async def _drift() -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.store import drift as seen

    async with looking() as (pool, tenant_id):
        rows = await seen.reported(pool, tenant_id)
    if Output.json:
        result(rows)
    elif rows:
        table(
            rows,
            {"entity": "entity", "path": "field", "detail": "what", "example": "example", "times": "times"},
        )
    else:
        say("Everything that was read agrees with the vendor's documents.")


async def _record(entity_name: str, st_id: int, as_of: str | None) -> None:
    from dataclasses import asdict

    from perfectcatch.cli.start import looking, moment
    from perfectcatch.errors import BadArgument
    from perfectcatch.store import history
    from perfectcatch.vendors.servicetitan.entities import find

    entity = find(entity_name)
    at = moment(as_of) if as_of else None
    async with looking() as (pool, tenant_id):
        if at is None:
            versions = await history.versions(pool, tenant_id, entity, st_id)
        else:
            version = await history.as_of(pool, tenant_id, entity, st_id, at)
            versions = [version] if version else []
    if not versions:
        when = f" at {as_of}" if as_of else ""
        raise BadArgument(f"No version of {entity.name} {st_id}{when} is known.")
    result([asdict(version) for version in versions])
