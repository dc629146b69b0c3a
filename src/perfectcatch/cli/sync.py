"""``perfectcatch sync``: runs by hand, and how the last ones went."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from perfectcatch.cli.output import Output, result, say, table
from perfectcatch.cli.report import show, show_errors
from perfectcatch.cli.running import run_command
from perfectcatch.errors import BadArgument, NothingKnown

if TYPE_CHECKING:
    from perfectcatch.sync.engine import Engine
    from perfectcatch.sync.report import RunReport

app = typer.Typer(help="Read ServiceTitan into the mirror, now.", no_args_is_help=True)

SHOWN_IDS = 10


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
    names: Annotated[
        list[str],
        typer.Argument(metavar="ENTITY...", help="Entities, such as customers, jobs or invoices."),
    ],
    *,
    full: Annotated[bool, typer.Option("--full", help="Read every record, not only changed ones.")] = False,
    allow_deletions: Annotated[
        bool, typer.Option("--allow-deletions", help="Delete also what was held for a person.")
    ] = False,
) -> None:
    """Read one entity, or several side by side."""
    from perfectcatch.vendors.servicetitan.entities import find

    chosen = list({entity.name: entity for entity in map(find, names)}.values())
    if allow_deletions and not full:
        raise BadArgument(
            "--allow-deletions needs --full: only a read of everything can tell what is no longer there."
        )
    _run(lambda engine: engine.run_entities(chosen, full=full, allow_deletions=allow_deletions))


@app.command()
def status() -> None:
    """Show the last run and the age of the data, for each entity."""
    run_command(_status())


@app.command()
def holds() -> None:
    """Show deletions that looked too many to be right and wait for a person."""
    run_command(_holds())


@app.command()
def quarantine(
    entity: Annotated[str | None, typer.Argument(help="Only this entity.")] = None,
    *,
    redrive: Annotated[bool, typer.Option("--redrive", help="Try to store them again.")] = False,
) -> None:
    """Show the records that could not be stored, with the reason."""
    run_command(_quarantine(entity, redrive=redrive))


@app.command()
def drift() -> None:
    """Show fields that the vendor sends and its documents do not name, or that changed their kind."""
    run_command(_drift())


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
    run_command(_record(entity, st_id, as_of))


# Running ---------------------------------------------------------------------------------------


def _run(work: "Callable[[Engine], Awaitable[RunReport]]") -> None:
    report = run_command(_ended(work))
    show(report)
    if report.exit_status:
        raise typer.Exit(report.exit_status)


async def _ended(work: "Callable[[Engine], Awaitable[RunReport]]") -> "RunReport":
    from perfectcatch.app import open_engine
    from perfectcatch.cli.start import prepared
    from perfectcatch.cli.watching import watching

    settings = prepared(quiet=True)
    with watching() as progress:
        async with open_engine(settings, application="perfectcatch sync", progress=progress) as engine:
            return await work(engine)


# Looking ---------------------------------------------------------------------------------------


async def _status() -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.store import runs
    from perfectcatch.store.gaps import latest as proven
    from perfectcatch.store.holds import Waiting, waiting

    async with looking() as (pool, tenant_id):
        lines = await runs.latest(pool, tenant_id)
        held = await waiting(pool, tenant_id)
        proofs = await proven(pool, tenant_id)
    rows = []
    for line in lines:
        row = {name: getattr(line, name) for name in line.__dataclass_fields__}
        waits = held.get(line.entity, Waiting(line.entity, 0, 0))
        proof = proofs.get(line.entity)
        rows.append(
            row
            | {"in_quarantine": waits.quarantined, "holds": waits.holds}
            | {"proof": proof.verdict if proof else None, "proof_sure": proof.sure if proof else None}
            | {"proof_at": proof.finished_at if proof else None}
        )
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
        "in_quarantine": "in quarantine",
        "holds": "holds",
        "started_at": "started",
        "age": "age",
        "proof": "proof",
    }
    shown = [row | {"age": _span(row["age_seconds"])} for row in rows]
    table(shown, columns, spare=("started_at", "mode", "updated"))
    show_errors([(row["entity"], row["error"], row["error"]) for row in rows if row["error"]], of=len(rows))
    for number, what, command in (
        (sum(row["in_quarantine"] for row in rows), "in quarantine", "quarantine"),
        (sum(row["holds"] for row in rows), "held for a person", "holds"),
        (
            sum(row["proof"] in ("lost", "held", "unsure", "failed") for row in rows),
            "not proven equal to the vendor",
            "gaps",
        ),
    ):
        if number:
            print(f"\n{number:,} {what}: see `perfectcatch sync {command}`.")


def _span(seconds: float | None) -> str | None:
    """A length of time for a person."""
    if seconds is None:
        return None
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


async def _holds() -> None:
    from dataclasses import asdict

    from perfectcatch.cli.start import looking
    from perfectcatch.store.holds import open_holds

    async with looking() as (pool, tenant_id):
        rows = [asdict(hold) for hold in await open_holds(pool, tenant_id)]
    if Output.json:
        result(rows)
    elif rows:
        columns = {"entity": "entity", "found": "absent", "total": "of", "created_at": "when", "ids": "ids"}
        table([row | {"ids": _some(row["first_ids"])} for row in rows], columns)
        print("\nTo delete them after all: `perfectcatch sync run ENTITY --full --allow-deletions`.")
    else:
        say("Nothing is held for a person.")


def _some(ids: list[int]) -> str:
    """The first few of many."""
    return ", ".join(map(str, ids[:SHOWN_IDS])) + (" ..." if len(ids) > SHOWN_IDS else "")


async def _quarantine(entity_name: str | None, *, redrive: bool) -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.store.merging import quarantine as held
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
    from perfectcatch.store.merging import drift as seen

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
    from perfectcatch.store.merging import history
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
        raise NothingKnown(f"No version of {entity.name} {st_id}{when} is known.")
    result([asdict(version) for version in versions])
