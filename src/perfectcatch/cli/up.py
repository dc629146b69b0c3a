"""``perfectcatch up``: everything on one machine, under one supervisor."""

import asyncio
import contextlib
import io
import json
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say
from perfectcatch.cli.ports import usable_port
from perfectcatch.cli.running import run_command
from perfectcatch.errors import DatabaseUnavailable, VendorUnavailable

if TYPE_CHECKING:
    from perfectcatch.app import Database
    from perfectcatch.settings import Settings
    from perfectcatch.store.events import Event
    from perfectcatch.sync.engine import Engine
    from perfectcatch.sync.report import RunReport
    from perfectcatch.workflows.running.workshop import Workshop

# The simulated company lives up to now, not beyond it: what happens in it is dated as with a real vendor.
DEMO_DAYS = 3  # that pass between the two reads of --once
DEMO_SALES_PEOPLE = 12  # what they do in the CRM by themselves on a simulated day
EVERY_FIVE_SECONDS = "*/5 * * * * *"
READY_SECONDS = 300.0


def up(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Use simulated vendors with a made-up company.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="Do one whole cycle, print a summary and end.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the embedded database lies (PERFECTCATCH_DATA_DIR).")
    ] = None,
    port: Annotated[int | None, typer.Option(help="The API's port (PORT); 0 takes a free one.")] = None,
    customers: Annotated[int, typer.Option(min=1, help="How many customers the made-up company has.")] = 1696,
    seed: Annotated[int, typer.Option(help="The made-up company is the same for the same seed.")] = 7,
) -> None:
    """Start everything on this machine: database, first read, workers, API; show changes as they arrive."""
    given: dict[str, Any] = {"perfectcatch_data_dir": data_dir} if data_dir else {}
    if port is not None:
        given["port"] = port
    run_command(_up(given, sandbox=sandbox, once=once, customers=customers, seed=seed))


async def _up(given: dict[str, Any], *, sandbox: bool, once: bool, customers: int, seed: int) -> None:
    from perfectcatch.app import alone, open_database
    from perfectcatch.cli.start import MadeUp, prepared
    from perfectcatch.connections import CREDENTIALS
    from perfectcatch.settings import require

    settings = prepared(quiet=True, **given)
    if not sandbox:
        require(settings, *CREDENTIALS)  # before a database is started for nothing
    if not once:
        given["port"] = usable_port(settings.listen_host, settings.port)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))
        if sandbox or database.embedded:
            database = await stack.enter_async_context(alone(database, sandbox=sandbox))
        if sandbox:
            life = ["--ago", f"{DEMO_DAYS}d"]
            if not once:
                life = MadeUp.life()
            say(f"A made-up company with {customers:,} customers is being thought up ...")
            given |= await stack.enter_async_context(_sandbox(customers=customers, seed=seed, life=life))
            given["service_titan_webhook_secret"] = secrets.token_hex(24)
            given |= {
                "public_base_url": f"http://127.0.0.1:{given.get('port', settings.port)}",
                "secret_key": secrets.token_hex(32),
                **MadeUp.company(settings),
            }
        settings = prepared(quiet=True, **given, database_url=database.url)
        await _work(settings, database, sandbox=sandbox, once=once)


async def _work(settings: "Settings", database: "Database", *, sandbox: bool, once: bool) -> None:
    from perfectcatch.app import migrated, open_engine
    from perfectcatch.cli.watching import watching
    from perfectcatch.sync.report import FAILED, SUCCEEDED

    await migrated(settings)
    await _workflows_are_there(settings, sandbox=sandbox)
    with watching() as progress:
        async with open_engine(settings, application="perfectcatch up", progress=progress) as engine:
            reports = [await engine.run(await _first_mode(engine))]
    if once and sandbox and reports[0].status != FAILED:
        await _something_happens(settings)
        async with open_engine(settings, application="perfectcatch up") as engine:
            reports.append(await engine.run("incremental"))
    followed = await _follow_ups(settings) if once else []
    _summary(reports, database, followed, sandbox=sandbox, once=once)
    statuses = {report.status for report in reports}
    if FAILED in statuses or (once and statuses != {SUCCEEDED}):
        raise typer.Exit(next(report.exit_status for report in reports if report.exit_status))
    if not once:
        await _stay(settings, sandbox=sandbox)


async def _workflows_are_there(settings: "Settings", *, sandbox: bool) -> None:
    """The recipes that come with the product, and the place in the events from which they start something."""
    from perfectcatch.app import open_workshop
    from perfectcatch.workflows.running.shipping import ship
    from perfectcatch.workflows.running.worker import settle

    async with open_workshop(settings, application="perfectcatch up") as workshop:
        await ship(workshop.pool, workshop.tenant_id, connected=workshop.connected, live=sandbox)
        if sandbox:
            await _links_are_set(workshop)
        await settle(workshop)


async def _links_are_set(workshop: "Workshop") -> None:
    """A made-up company has its links, so that its messages are whole."""
    from perfectcatch.workflows.definitions import blank_settings, with_settings
    from perfectcatch.workflows.shelf import shelf, take_in

    for definition in [each.definition for each in (await shelf(workshop.pool, workshop.tenant_id)).values()]:
        links = [name for name in blank_settings(definition) if name.endswith("_link")] if definition else []
        if definition and links:
            values = {name: f"https://perfectcatch.example/{name.removesuffix('_link')}" for name in links}
            filled = with_settings(definition, values)
            await take_in(workshop.pool, workshop.tenant_id, workshop.entities, filled, by="perfectcatch")


async def _follow_ups(settings: "Settings") -> list[dict[str, object]]:
    """One cycle of the workflows: what events start goes on as far as it can now. A row for each state."""
    from perfectcatch.app import open_workshop
    from perfectcatch.store.workflows import instances
    from perfectcatch.workflows.running.worker import cycle

    async with open_workshop(settings, application="perfectcatch up") as workshop:
        await cycle(workshop)
        counts = await instances.counts(workshop.pool, workshop.tenant_id)
    return [{"workflow": name, "status": status, "instances": number} for name, status, number in counts]


async def _first_mode(engine: "Engine") -> str:
    """Everything, if something has never been read completely; else what has changed since."""
    from perfectcatch.store import state

    keys = [f"{name}_first_load" for name in engine.entities]
    loaded = await state.get(engine.pool, engine.source.tenant_id, *keys)
    return "incremental" if len(loaded) == len(keys) else "full"


# The simulated vendor --------------------------------------------------------------------------


@asynccontextmanager
async def _sandbox(*, customers: int, seed: int, life: list[str]) -> AsyncIterator[dict[str, object]]:
    """A sandbox in a process of its own; yields the settings that point to it."""
    from perfectcatch.cli.sandbox import credentials_of_messages
    from perfectcatch.kit.clock import SystemClock
    from perfectcatch.kit.supervisor import Program, Supervisor
    from perfectcatch.sandbox.servicetitan.options import Options

    port = usable_port("127.0.0.1", 0)
    words = ["sandbox", "--port", str(port), "--customers", str(customers), "--seed", str(seed)]
    words += life
    program = Program(name="sandbox", argv=[sys.executable, "-m", "perfectcatch", *words])
    stop = asyncio.Event()
    supervisor = Supervisor([program], SystemClock(), lines=_Words())
    running = asyncio.create_task(supervisor.run(stop))
    try:
        await _until_answering(port, running)
        known = Options()
        url = f"http://127.0.0.1:{port}"
        # All of them: made-up people have telephone numbers of real ones.
        yield {
            **credentials_of_messages(),
            "twilio_messaging_service_sid": None,
            "twilio_api_url": url,
            "anthropic_base_url": url,
            "anthropic_model": "claude-sonnet-5-5",  # whichever is set: the simulated vendor knows it
            "sendgrid_api_url": url,
            "sendgrid_webhook_public_key": await _ask_sandbox(url, "sendgrid/key", "public_key"),
            "ghl_api_url": url,
            "ghl_sync_enabled": True,
            "ghl_webhook_public_key": await _ask_sandbox(url, "ghl/key", "public_key"),
            "service_titan_api_url": f"http://127.0.0.1:{port}",
            "service_titan_auth_url": f"http://127.0.0.1:{port}/connect/token",
            "service_titan_client_id": known.client_id,
            "service_titan_client_secret": known.client_secret,
            "service_titan_app_key": known.app_key,
            "service_titan_tenant_id": known.tenant_id,
        }
    finally:
        stop.set()
        await running


class _Words(io.StringIO):
    """What the sandbox says goes to stderr, but for the line of JSON that is meant for programs."""

    def write(self, text: str) -> int:
        if '"client_secret"' not in text:
            sys.stderr.write(text)
        return len(text)


async def _until_answering(port: int, running: "asyncio.Task[None]") -> None:
    """Wait until somebody listens at ``port``."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            while True:
                if running.done():
                    raise VendorUnavailable("The sandbox ended before it answered; its words are above.")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise VendorUnavailable(
            f"The sandbox did not answer within {READY_SECONDS:.0f} seconds: ask for fewer customers."
        ) from None


async def _something_happens(settings: "Settings") -> None:
    """Let the made-up company live for some days, so that there is something to notice."""
    await _tell_sandbox(settings, "advance", by=f"{DEMO_DAYS}d")


async def _ask_sandbox(url: str, what: str, name: str) -> object:
    from perfectcatch.kit.http import Http, Request

    async with Http() as http:
        answer = await http.send(Request(method="GET", url=f"{url}/_sandbox/{what}"))
    return json.loads(answer.body)[name]


async def _tell_sandbox(settings: "Settings", what: str, **facts: object) -> None:
    from perfectcatch.kit.http import Http, Request

    async with Http() as http:
        await http.send(
            Request(
                method="POST",
                url=f"{settings.service_titan_api_url.rstrip('/')}/_sandbox/{what}",
                headers={"Content-Type": "application/json"},
                body=json.dumps(facts).encode(),
            )
        )


# What a person sees ----------------------------------------------------------------------------


def _summary(
    reports: "list[RunReport]",
    database: "Database",
    followed: list[dict[str, object]],
    *,
    sandbox: bool,
    once: bool,
) -> None:
    from perfectcatch.cli.output import table
    from perfectcatch.cli.report import show_entities, show_events, tell_single_cause

    rows = [each.as_row() | {"run": report.mode} for report in reports for each in report.entities]
    live = sum((report.events for report in reports), start=type(reports[0].events)())
    past = sum((report.past_events for report in reports), start=type(reports[0].events)())
    if Output.json:
        result(
            {
                "entities": rows,
                "events": dict(live),
                "historical_events": dict(past),
                "workflows": followed,
                "database": database.shown,
            }
        )
        return
    if tell_single_cause(reports[0]):
        return
    for report in reports:
        show_entities(
            report, title=f"\nRead ServiceTitan ({report.mode}, {report.duration_ms / 1000:.1f} seconds):"
        )
    show_events(live, past)
    if followed:
        print("\nWorkflows that began:")
        table(followed, {"workflow": "workflow", "status": "status", "instances": "instances"})
    print(f"\nThe database: {database.shown}")
    if database.embedded and once:
        print("It was started for this cycle and has ended with it; without --once it stays up.")
        return
    option = " --sandbox" if sandbox else ""
    print(f"`perfectcatch db url{option}` prints it with the password, for psql and other programs;")
    print(f"`perfectcatch db studio{option}` shows it in a browser.")


async def _stay(settings: "Settings", *, sandbox: bool) -> None:
    """Keep a worker and the API running and show events as they arrive, until Ctrl-C."""
    from perfectcatch.app import open_engine
    from perfectcatch.kit.clock import SystemClock
    from perfectcatch.kit.signals import until_told
    from perfectcatch.kit.supervisor import Program, Supervisor
    from perfectcatch.settings import child_environment

    quick = sandbox and "sync_incremental_cron" not in settings.model_fields_set
    cron = EVERY_FIVE_SECONDS if quick else settings.sync_incremental_cron
    level = settings.log_level if "log_level" in settings.model_fields_set else "warning"
    environment = child_environment(**_shared(settings), sync_incremental_cron=cron or "off", log_level=level)
    ours = [sys.executable, "-m", "perfectcatch"]
    programs = [
        Program(name="worker sync", argv=[*ours, "worker", "sync"], env=environment),
        Program(name="worker workflows", argv=[*ours, "worker", "workflows"], env=environment),
        Program(name="serve", argv=[*ours, "serve"], env=environment),
    ]
    supervisor = Supervisor(programs, SystemClock(), lines=sys.stderr)
    async with until_told() as stop, open_engine(settings, application="perfectcatch up") as engine:
        await _show_api(settings, engine, sandbox=sandbox)
        say("\nWatching for changes. Ctrl-C ends it.\n")
        shown = asyncio.create_task(_show_events(engine))
        try:
            await supervisor.run(stop)
        finally:
            shown.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await shown


async def _show_api(settings: "Settings", engine: "Engine", *, sandbox: bool) -> None:
    """Say where the API will be; for a made-up company also a key, and let it send its webhooks there."""
    from perfectcatch.store import keys

    url = f"http://127.0.0.1:{settings.port}"
    say(f"\nThe API: {url}; {url}/docs describes it.")
    if not sandbox:
        say("`perfectcatch key create --scope read` makes a key for a program.")
        return
    _, text = await keys.create(
        engine.pool, engine.source.tenant_id, name="for trying it", scopes=["admin"], per_second=0
    )
    say(f"A key for trying it, which may everything: {text}")
    secret = settings.service_titan_webhook_secret
    assert secret is not None
    hook = f"{url}/webhooks/servicetitan"
    await _tell_sandbox(settings, "webhooks", url=hook, secret=secret.get_secret_value())
    await _tell_sandbox(settings, "twilio/settings", sms_url=f"{url}/webhooks/twilio/sms")
    await _tell_sandbox(settings, "sendgrid/settings", webhook_url=f"{url}/webhooks/sendgrid")
    await _tell_sandbox(
        settings, "ghl/settings", webhook_url=f"{url}/webhooks/ghl", people_a_day=DEMO_SALES_PEOPLE
    )


def _shared(settings: "Settings") -> dict[str, object]:
    """The settings that the worker and the API must have as we have them."""
    from pydantic import SecretStr

    vendors = ("service_titan_", "twilio_", "sendgrid_", "anthropic_", "ghl_", "company_")
    names = [name for name in type(settings).model_fields if name.startswith(vendors)]
    names += ["database_url", "perfectcatch_data_dir", "port", "public_base_url", "secret_key"]
    values = {name: getattr(settings, name) for name in names}
    values["ghl_sync_cron"] = settings.ghl_sync_cron or "off"  # left out, it would be the default again
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
    }


async def _show_events(engine: "Engine") -> None:
    from perfectcatch.store.events import listen

    while True:
        # Who listens sees nothing of the moments in which the database is away; nothing is lost by that.
        with contextlib.suppress(DatabaseUnavailable):
            async with contextlib.aclosing(listen(engine.pool, engine.source.tenant_id)) as events:
                async for event in events:
                    _show(event)
        await asyncio.sleep(1)


def _show(event: "Event") -> None:
    if Output.json:
        line = json.dumps({"event": event.event_type, "entity": event.entity, "st_id": event.st_id})
    else:
        moment = event.recorded_at.astimezone().strftime("%H:%M:%S")
        line = f"{moment}  {event.event_type:<26} {event.entity:<24} {event.st_id}"
    print(line, flush=True)
