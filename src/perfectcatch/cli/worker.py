"""``perfectcatch worker``: one worker process; start as many as you like, on as many machines."""

import sys

import typer

from perfectcatch.cli.running import run_command

app = typer.Typer(help="Run one worker process.", no_args_is_help=True)


@app.callback()
def which() -> None:
    """Run one worker process."""


@app.command()
def sync() -> None:
    """Do the scheduled reads of ServiceTitan, and look for events that time causes."""
    run_command(_sync())


@app.command()
def workflows() -> None:
    """Turn events into workflows and deals: follow-ups, messages, the CRM; start as many as you like."""
    run_command(_workflows())


async def _workflows() -> None:
    from zoneinfo import ZoneInfo

    from perfectcatch.app import open_workshop
    from perfectcatch.cli.start import prepared
    from perfectcatch.connections import at_work, open_deals, post_room_of
    from perfectcatch.deals import schedule, working
    from perfectcatch.workflows.running.shipping import ship
    from perfectcatch.workflows.running.worker import work

    settings = prepared()
    poll = settings.event_poll_interval_ms / 1000
    async with (
        open_workshop(settings) as workshop,
        open_deals(settings, workshop.pool, workshop.clock) as deals,
        at_work(post_room_of(settings, workshop.desk)),  # as the server does: one of them may be away
        working.at_work(deals, poll_seconds=poll),
    ):
        await ship(workshop.pool, workshop.tenant_id, connected=workshop.connected)
        zone = ZoneInfo(settings.service_titan_timezone)
        schedule.declare(workshop.jobs, deals)
        if deals is not None and deals.enabled:
            schedule.repeat(workshop.jobs, deals, cron=settings.ghl_sync_cron, zone=zone)
        await work(
            workshop,
            poll_seconds=poll,
            heartbeat_file=settings.heartbeat_file.with_name(f"{settings.heartbeat_file.name}-workflows"),
            queues=[schedule.QUEUE],
        )
    sys.stderr.flush()


async def _sync() -> None:
    import asyncio
    from dataclasses import replace
    from uuid import UUID
    from zoneinfo import ZoneInfo

    from perfectcatch.app import open_engine
    from perfectcatch.cli.start import crons, prepared
    from perfectcatch.connections import open_source
    from perfectcatch.errors import VendorUnavailable
    from perfectcatch.kit.clock import SystemClock
    from perfectcatch.store.jobs.queue import open_jobs
    from perfectcatch.store.pool import conninfo_of
    from perfectcatch.sync import requests
    from perfectcatch.sync.backfill import go_on
    from perfectcatch.sync.gaps.prove import prove
    from perfectcatch.sync.hints import follow
    from perfectcatch.sync.schedule import CLOCK_RULES, GAPS, schedule
    from perfectcatch.sync.worker import work
    from perfectcatch.vendors.servicetitan.entities import ENTITIES
    from perfectcatch.vendors.servicetitan.transport import BACKFILL

    settings = prepared()
    rows = schedule(crons(settings))
    async with (
        open_engine(settings, application="perfectcatch worker sync") as engine,
        open_source(settings, engine.pool, engine.clock, lane=BACKFILL) as slow,
    ):

        async def run(mode: str, trigger: str, run_id: UUID | None = None) -> None:
            report = await engine.run(mode, trigger=trigger, run_id=run_id)
            if report.status == "failed":
                raise VendorUnavailable(f"Nothing could be read: {report.failures[0].error}")

        async def once(mode: str) -> None:
            if mode == CLOCK_RULES:
                await engine.clock_rules()
            elif mode == GAPS:
                await prove(engine, ENTITIES, repair=True, trigger="schedule")
            else:
                await run(mode, "schedule")

        async def further(backfill_id: str) -> None:
            await go_on(replace(engine, source=slow), UUID(backfill_id), trigger="queue")

        async with open_jobs(conninfo_of(engine.pool)) as jobs, asyncio.TaskGroup() as group:
            requests.declare(jobs, lambda mode, run_id: run(mode, requests.TRIGGER, run_id))
            following = group.create_task(follow(engine), name="webhooks")
            await work(
                jobs,
                rows,
                once,
                backfill=further,
                zone=ZoneInfo(settings.service_titan_timezone),
                clock=SystemClock(),
                heartbeat_file=settings.heartbeat_file,
            )
            following.cancel()
    sys.stderr.flush()
