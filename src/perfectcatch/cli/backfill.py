"""``perfectcatch sync backfill``: a span of the past is read again, beside the sync."""

from dataclasses import asdict
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say, table
from perfectcatch.cli.running import run_command
from perfectcatch.errors import BadArgument, NothingKnown

if TYPE_CHECKING:
    from perfectcatch.model.entity import Entity
    from perfectcatch.settings import Settings
    from perfectcatch.store.backfills import Backfill
    from perfectcatch.store.pool import Pool

_DAY = 10  # characters of a day without a time


def backfill(
    entity: Annotated[str, typer.Argument(help="An entity, such as jobs or invoices.")],
    *,
    start: Annotated[str | None, typer.Option("--from", help="The first day, such as 2025-01-01.")] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="The last day; without it, until now.", show_default=False)
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew instead of going on where it stood.")
    ] = False,
    background: Annotated[
        bool, typer.Option("--background", help="Leave it to `perfectcatch worker sync`.")
    ] = False,
    pause: Annotated[
        bool, typer.Option("--pause", help="Let it stop after the piece it is reading.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was paused or broken off.")
    ] = False,
) -> None:
    """Read what was created in a span of time, newest first, at half the pace; goes on where it stood."""
    done = run_command(
        _backfill(entity, start, end, restart=restart, background=background, pause=pause, resume=resume)
    )
    if Output.json:
        result([as_row(each) for each in done])
    else:
        _show(done)


def backfills() -> None:
    """Show the backfills, and how far each has come."""
    done = run_command(_backfills())
    if Output.json:
        result([as_row(each) for each in done])
    elif done:
        _show(done)
    else:
        say("There was no backfill yet.")


async def _backfill(
    name: str,
    start: str | None,
    end: str | None,
    *,
    restart: bool,
    background: bool,
    pause: bool,
    resume: bool,
) -> "list[Backfill]":
    from perfectcatch.cli.start import looking, prepared
    from perfectcatch.store import backfills as kept
    from perfectcatch.sync.backfill import refuse_unless_dated
    from perfectcatch.vendors.servicetitan.entities import find
    from perfectcatch.vendors.servicetitan.listings import listing

    entity = find(name)
    refuse_unless_dated(entity, listing)
    if (start is None) != (pause or resume) or (pause and (resume or restart or background)):
        raise BadArgument("Give either --from, with --to if you like, or one of --pause and --resume.")
    if pause:
        async with looking() as (pool, tenant_id):
            if not await kept.pause(pool, tenant_id, entity.name):
                raise NothingKnown(f"There is no open backfill of {entity.name}.")
            return await kept.listed(pool, tenant_id, entity.name)
    settings = prepared(quiet=True)
    span = None if start is None else _span(start, end, settings.service_titan_timezone)
    return await _run(settings, entity, span, open_end=end is None, restart=restart, background=background)


async def _run(
    settings: "Settings",
    entity: "Entity",
    span: tuple[datetime, datetime] | None,
    *,
    open_end: bool,
    restart: bool,
    background: bool,
) -> "list[Backfill]":
    from perfectcatch.app import open_engine
    from perfectcatch.cli.watching import watching
    from perfectcatch.store import backfills as kept
    from perfectcatch.sync.backfill import go_on
    from perfectcatch.vendors.servicetitan.transport import BACKFILL

    with watching() as progress:
        async with open_engine(
            settings, application="perfectcatch sync backfill", progress=progress, lane=BACKFILL
        ) as engine:
            pool, tenant_id = engine.pool, engine.source.tenant_id
            unfinished = [
                each
                for each in await kept.listed(pool, tenant_id, entity.name)
                if each.completed_at is None and (span is None or (open_end and each.starts_at == span[0]))
            ]
            if span is None and not unfinished:
                raise NothingKnown(f"There is no open backfill of {entity.name}.")
            if span is not None and (restart or not unfinished):
                ends_at = unfinished[0].ends_at if unfinished else span[1]
                unfinished = [
                    await kept.begin(pool, tenant_id, entity.name, span[0], ends_at, restart=restart)
                ]
            if background:
                for each in unfinished:
                    await _defer(pool, each)
                return unfinished
            return [await go_on(engine, each.id) for each in unfinished]


async def _defer(pool: "Pool", state: "Backfill") -> None:
    from perfectcatch.store.jobs.queue import Order, open_jobs
    from perfectcatch.store.pool import conninfo_of
    from perfectcatch.sync.worker import BACKFILL, declare_backfill

    async def elsewhere(_: str) -> None:
        """Done by a worker, not here."""

    async with open_jobs(conninfo_of(pool)) as jobs:
        declare_backfill(jobs, elsewhere)
        arguments = {"backfill_id": str(state.id)}
        await jobs.defer(Order(name=BACKFILL, arguments=arguments, queueing_lock=f"backfill {state.id}"))


async def _backfills() -> "list[Backfill]":
    from perfectcatch.cli.start import looking
    from perfectcatch.store import backfills as kept

    async with looking() as (pool, tenant_id):
        return await kept.listed(pool, tenant_id)


def _span(start: str, end: str | None, zone: str) -> tuple[datetime, datetime]:
    """From the beginning of the first day to the end of the last, in the company's time zone."""
    from perfectcatch.kit.clock import SystemClock

    first = _moment("--from", start, zone, last=False)
    after = SystemClock().now() if end is None else _moment("--to", end, zone, last=True)
    if first >= after:
        raise BadArgument("The span is empty: --from must lie before --to.")
    return first, after


def _moment(option: str, text: str, zone: str, *, last: bool) -> datetime:
    from zoneinfo import ZoneInfo

    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise BadArgument(
            f"{option} is {text!r}, which is no day: write it like 2026-03-01 or 2026-03-01T14:00:00Z."
        ) from None
    if len(text) == _DAY and last:
        value = datetime.combine(value.date() + timedelta(days=1), time())
    return (value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def as_row(state: "Backfill") -> dict[str, Any]:
    """The public shape of ``sync backfill --json``."""
    row = asdict(state)
    del row["token"]
    return row


def _show(states: "list[Backfill]") -> None:
    table(
        [as_row(each) for each in states],
        {
            "entity": "entity",
            "starts_at": "from",
            "ends_at": "before",
            "position": "still before",
            "expected": "expected",
            "fetched": "fetched",
            "created": "created",
            "updated": "updated",
            "quarantined": "quarantined",
            "status": "status",
        },
        spare=("quarantined", "updated", "created"),
    )
    for each in states:
        if each.error:
            print(f"{each.entity}: {each.error}")
