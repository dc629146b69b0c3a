"""``perfectcatch ghl``: the CRM by hand, and whether all is there as it should be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say, table
from perfectcatch.cli.running import run_command

if TYPE_CHECKING:
    from perfectcatch.deals.checking import Checked
    from perfectcatch.deals.desk import Deals

app = typer.Typer(help="The CRM: read it, write deals there, check it.", no_args_is_help=True)

_SHOWN = 40


@app.command()
def pull(
    what: Annotated[str, typer.Argument(help="contacts, opportunities or all.")] = "all",
    *,
    new: Annotated[bool, typer.Option("--new", help="Only what changed since the last pull.")] = False,
) -> None:
    """Read contacts and opportunities into integrations.ghl_contacts and ghl_opportunities."""
    run_command(_pull(what, new=new))


@app.command()
def push(
    what: Annotated[str, typer.Argument(help="estimates or customers.")],
) -> None:
    """Write the deals of every customer, or of all who have an estimate, however old these are."""
    run_command(_push(what))


@app.command()
def check(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what is wrong.")] = False,
    requests: Annotated[
        int | None,
        typer.Option("--requests", help="So many requests at most (1000); more make it surer.", min=1),
    ] = None,
) -> None:
    """Compare stages, fields and permissions with what deals need, and opportunities with our records.

    A location whose opportunities are more than that is compared in parts: each check goes on behind the one
    before, and says how sure it is of the others.
    """
    run_command(_check(repair=repair, requests=requests))


@app.command()
def pipelines() -> None:
    """List pipelines and stages of the account, and which pipeline each business unit uses."""
    run_command(_pipelines())


@app.command()
def pipeline_of(
    business_unit: Annotated[str, typer.Argument(help="Its id or its name.")],
    pipeline: Annotated[str | None, typer.Argument(help="The id or the name of a pipeline.")] = None,
    *,
    everybodys: Annotated[
        bool, typer.Option("--everybodys", help="Use SALES and INSTALL again, as without any.")
    ] = False,
) -> None:
    """Say which pipeline the deals of a business unit use; they move there."""
    if (pipeline is None) is not everybodys:
        raise typer.BadParameter("Give a pipeline, or --everybodys.")
    run_command(_pipeline_of(business_unit, pipeline))


async def _pipelines() -> None:
    from perfectcatch.deals.units import chosen, missing, shown, told

    async with _deals() as deals:
        stages = await deals.stages()
        units = [told(each) for each in await chosen(deals)]
    lines, lacking = shown(stages), missing(stages)
    if Output.json:
        result({"pipelines": lines, "missing": lacking, "business_units": units})
        return
    rows = [
        {
            "pipeline": each["name"],
            "stage": stage["name"],
            "stands_for": stage["stands_for"],
            "id": stage["id"],
        }
        for each in lines
        for stage in each["stages"]
    ]
    table(rows, {"pipeline": "pipeline", "stage": "stage", "stands_for": "stands for", "id": "id of stage"})
    say("")
    table(units, {name: name.replace("_", " ") for name in ("business_unit_id", "name", "pipeline_name")})
    if lacking:
        say(f"No stage stands for {', '.join(lacking)}.")


async def _pipeline_of(unit: str, pipeline: str | None) -> None:
    from perfectcatch.deals import units

    async with _deals() as deals:
        told = await units.choose(deals, unit, pipeline)
    if Output.json:
        result(units.told(told) | {"customers": told.customers})
        return
    uses = f"the pipeline {told.pipeline_name}" if told.pipeline_id else "the pipelines of everybody"
    say(f"Deals of {told.name} use {uses}; those of {told.customers} customers are looked at.")


async def _pull(what: str, *, new: bool) -> None:
    from perfectcatch.deals.pulling import pull as read

    async with _deals() as deals:
        found = await read(deals, what, full=not new)
    rows = [{"what": name, **counts.as_row()} for name, counts in found.items()]
    _tell(rows, "what")


async def _push(what: str) -> None:
    from perfectcatch.deals.sweeps import push as write
    from perfectcatch.store.deals import queue

    async with _deals(writes=True) as deals:
        counts = await write(deals, what)
        waiting = await queue.waiting(deals.pool, deals.tenant_id)
    _tell([{"what": what, **counts.as_row()}], "what")
    if waiting.refused:
        say(f"{waiting.refused} customers were refused or wait for a person: GET /ghl/errors tells why.")


async def _check(*, repair: bool, requests: int | None) -> None:
    from perfectcatch.deals.checking import check as look
    from perfectcatch.deals.comparing import REQUESTS

    async with _deals(writes=repair) as deals:
        found = await look(deals, repair=repair, requests=requests or REQUESTS)
    if Output.json:
        result(_document(found))
    else:
        _show(found)
    if not found.is_well:
        raise typer.Exit(1)


def _document(found: "Checked") -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__slots__} | {"is_well": found.is_well}


def _show(found: "Checked") -> None:
    for sentence in (*found.account, *found.notes):
        say(sentence)
    if found.drift:
        columns = {
            name: name.replace("_", " ") for name in ("customer_id", "deal", "field", "is", "should_be")
        }
        table(found.drift[:_SHOWN], columns)
        if len(found.drift) > _SHOWN:
            say(f"... and {len(found.drift) - _SHOWN} more.")
    if found.account:
        say("Nothing was compared: mend the account first.")
    else:
        repaired = f", {found.repaired} repaired" if found.repaired else ""
        say(f"{found.looked_at} customers, {len(found.drift)} differences{repaired}.")
        say(f"How sure: {found.sure} ({found.requests:,} requests).")


def _tell(rows: list[dict[str, Any]], first: str) -> None:
    if Output.json:
        result(rows)
    else:
        names = (first, "created", "updated", "unchanged", "failed")
        table(rows, {name: name for name in names})


@asynccontextmanager
async def _deals(*, writes: bool = False) -> "AsyncIterator[Deals]":
    """What deals are written with. Raises where no CRM is set, or nothing may be written."""
    from perfectcatch.app import open_store
    from perfectcatch.cli.start import prepared
    from perfectcatch.connections import open_deals
    from perfectcatch.errors import BadSetting
    from perfectcatch.settings import require

    settings = prepared()
    require(settings, "GHL_LOCATION_ID")
    async with (
        open_store(settings, application="perfectcatch ghl") as pool,
        open_deals(settings, pool) as deals,
    ):
        if deals is None:
            raise BadSetting("No CRM is connected: set GHL_API_KEY, or GHL_CLIENT_ID and GHL_CLIENT_SECRET.")
        if writes and not deals.enabled:
            raise BadSetting("Nothing is written to the CRM: set GHL_SYNC_ENABLED=true.")
        yield deals
