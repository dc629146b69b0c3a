"""``perfectcatch workflow``, what runs: switches, dead letters, and why somebody got a message."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, table
from perfectcatch.cli.running import run_command
from perfectcatch.cli.workflow import Name, app

__all__ = ["app"]

_BY = "command line"


@app.command()
def status() -> None:
    """How many instances each workflow has, and what waits for a person."""
    run_command(_status())


@app.command()
def enable(
    name: Name,
    shadow: Annotated[bool, typer.Option("--shadow", help="Decide everything, send nothing.")] = False,
) -> None:
    """Let a workflow start instances."""
    run_command(_switch(name, "shadow" if shadow else "live"))


@app.command()
def disable(name: Name) -> None:
    """Let a workflow start nothing more; what is under way goes on."""
    run_command(_switch(name, "disabled"))


@app.command()
def explain(customer: Annotated[int, typer.Argument(help="The customer's number in ServiceTitan.")]) -> None:
    """Why a customer got a message or did not, and what comes next."""
    run_command(_explain(customer))


@app.command()
def redrive(letter: Annotated[int, typer.Argument(help="The number of a dead letter.")]) -> None:
    """Try again what could not be dealt with."""
    run_command(_with_workshop(lambda workshop: _redrive(workshop, letter)))


@app.command()
def replay(
    days: Annotated[int, typer.Option(min=1, max=400, help="Answers of how many days until now.")] = 30,
) -> None:
    """Send recorded answers of AI models through the decision again; nobody is asked, nothing is done."""
    run_command(_replay(days))


async def _replay(days: int) -> None:
    from dataclasses import asdict
    from datetime import timedelta

    from perfectcatch.cli.start import looking
    from perfectcatch.kit.clock import SystemClock
    from perfectcatch.store.workflows import thoughts
    from perfectcatch.workflows.running import replaying

    async with looking() as (pool, tenant_id):
        calls = await thoughts.since(pool, tenant_id, SystemClock().now() - timedelta(days=days))
        found = await replaying.replay(pool, tenant_id, calls)
    differing = [each for each in found if not each.same]
    if Output.json:
        result({"replayed": len(found), "differing": [asdict(each) for each in differing]})
    for each in differing if not Output.json else ():
        print(
            f"Answer {each.id}, {each.workflow} {each.step}: {each.outcome_then}, {each.leads_to_then} then;"
            f" {each.outcome}, {each.leads_to} now."
        )
    if not Output.json:
        print(f"{len(found)} answers decide {'as they did' if not differing else 'differently in part'}.")
    if differing:
        raise typer.Exit(1)


async def _status() -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.store.workflows import definitions, instances, letters

    async with looking() as (pool, tenant_id):
        kept = {each.name: each.mode for each in await definitions.current(pool, tenant_id)}
        counts: dict[str, dict[str, int]] = {name: {} for name in kept}
        for name, state, number in await instances.counts(pool, tenant_id):
            counts.setdefault(name, {})[state] = number
        waiting = await letters.unresolved(pool, tenant_id)
    rows = [
        {"workflow": name, "mode": kept.get(name, "deleted"), "open": _open(each), **each}
        for name, each in sorted(counts.items())
    ]
    if Output.json:
        result({"workflows": rows, "dead_letters": [_letter(each) for each in waiting]})
        return
    shown = ("workflow", "mode", "open", "ended", "cancelled", "failed")
    table([{name: row.get(name, 0) for name in shown} for row in rows], {name: name for name in shown})
    for each in waiting:
        print(f"\nDead letter {each.id}, {each.workflow or each.kind} {each.step or ''}: {each.error}")
    if waiting:
        print("\n`perfectcatch workflow redrive NUMBER` tries one again.")


def _open(counts: dict[str, int]) -> int:
    return sum(number for state, number in counts.items() if state not in ("ended", "cancelled", "failed"))


def _letter(letter: Any) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in letter.__slots__}


async def _switch(name: str, mode: str) -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.errors import NothingKnown
    from perfectcatch.model.workflow import Mode
    from perfectcatch.store.pool import transaction
    from perfectcatch.store.workflows import definitions
    from perfectcatch.workflows.shelf import must_be_whole

    async with looking() as (pool, tenant_id):
        if mode == Mode.LIVE:
            await must_be_whole(pool, tenant_id, name)
        async with transaction(pool) as connection:
            if not await definitions.switch(connection, tenant_id, name, Mode(mode), by=_BY):
                raise NothingKnown(
                    f"There is no workflow called {name!r}: `perfectcatch workflow status` lists them."
                )
    if Output.json:
        result({"workflow": name, "mode": mode})
    else:
        print(f"{name} is {mode} now.")


async def _explain(customer: int) -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.store.workflows.explaining import explained

    async with looking() as (pool, tenant_id):
        lines = await explained(pool, tenant_id, customer)
    if Output.json:
        result({"customer_id": customer, "lines": [line.as_row() for line in lines]})
        return
    if not lines:
        print(f"Nothing was ever decided about customer {customer}.")
    for line in lines:
        what = f"{line.kind} {line.workflow or ''} {line.step or ''}".strip()
        shadow = " (shadow)" if line.shadow else ""
        print(f"{line.at:%Y-%m-%d %H:%M} UTC  {what}: {line.outcome}{shadow}. {line.sentence or ''}")


async def _redrive(workshop: Any, letter: int) -> None:
    from perfectcatch.workflows.running import persons

    await persons.redrive(workshop, letter, by=_BY)
    if Output.json:
        result({"letter": letter})
    else:
        print("It is being tried again.")


async def _with_workshop(act: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    from perfectcatch.app import open_workshop
    from perfectcatch.cli.start import prepared

    async with open_workshop(prepared(), application="perfectcatch workflow") as workshop:
        await act(workshop)
