"""``perfectcatch sync gaps``: is the mirror equal to the vendor; ``sync customer``: one record anew."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say, table
from perfectcatch.cli.running import run_command

if TYPE_CHECKING:
    from perfectcatch.store.gaps import Gap
    from perfectcatch.sync.gaps.prove import Proof
    from perfectcatch.sync.one import Whole

COLUMNS = {
    "entity": "entity",
    "vendor": "vendor",
    "mirror": "mirror",
    "missing": "missing here",
    "gone": "gone there",
    "differing": "differing",
    "compared": "compared",
    "sure": "how sure",
    "verdict": "verdict",
}


def gaps(
    entity: Annotated[str | None, typer.Argument(help="Only this entity.")] = None,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Read again what is missing or differs, and store it.")
    ] = False,
    requests: Annotated[
        int | None, typer.Option("--requests", help="So many requests at most; more make it surer.", min=1)
    ] = None,
) -> None:
    """Compare the mirror with ServiceTitan by counts and sampled records, and explain what differs."""
    proof = run_command(_gaps(entity, repair=repair, requests=requests))
    _show(proof)
    if not proof.well:
        raise typer.Exit(1)


async def _gaps(entity_name: str | None, *, repair: bool, requests: int | None) -> "Proof":
    from perfectcatch.app import open_engine
    from perfectcatch.cli.start import prepared
    from perfectcatch.sync.gaps.prove import REQUESTS, prove
    from perfectcatch.vendors.servicetitan.entities import ENTITIES, find

    chosen = [find(entity_name)] if entity_name else list(ENTITIES)
    settings = prepared(quiet=True)
    async with open_engine(settings, application="perfectcatch sync gaps") as engine:
        return await prove(engine, chosen, repair=repair, requests=requests or REQUESTS)


def customer(
    st_id: Annotated[int, typer.Argument(help="The customer's id at ServiceTitan.")],
) -> None:
    """Read one customer now, with contacts, locations, jobs, visits, estimates, invoices and payments."""
    whole = run_command(_customer(st_id))
    rows = [part.as_row() for part in whole.parts]
    if Output.json:
        result(rows)
    else:
        shown = ("entity", "fetched", "created", "updated", "unchanged", "quarantined", "age")
        table(
            [row | {"age": _age(row["age_seconds"])} for row in rows],
            {name: name for name in shown},
        )
        for row in rows:
            if row["error"]:
                print(f"{row['entity']}: {row['error']}")
    if not whole.well:
        raise typer.Exit(1)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "never read"
    return "now" if seconds < 1 else f"{seconds / 60:,.0f} minutes"


async def _customer(st_id: int) -> "Whole":
    from perfectcatch.app import open_engine
    from perfectcatch.cli.start import prepared
    from perfectcatch.sync.one import read_whole
    from perfectcatch.vendors.servicetitan.entities import BY_NAME
    from perfectcatch.vendors.servicetitan.related import OF_CUSTOMER

    settings = prepared(quiet=True)
    async with open_engine(settings, application="perfectcatch sync customer") as engine:
        return await read_whole(engine, BY_NAME["customers"], st_id, OF_CUSTOMER)


def as_row(gap: "Gap") -> dict[str, Any]:
    """The public shape of ``sync gaps --json``."""
    return {
        "entity": gap.entity,
        "vendor": gap.vendor_count,
        "mirror": gap.mirror_count,
        "missing": gap.missing,
        "gone": gap.gone,
        "differing": gap.differing,
        "unexplained": gap.unexplained,
        "repaired": gap.repaired,
        "compared": gap.compared,
        "requests": gap.requests,
        "sure": gap.sure,
        "at_most": gap.at_most,
        "verdict": gap.verdict,
        "differences": gap.details,
    }


def _show(proof: "Proof") -> None:
    rows = [as_row(gap) for gap in proof.gaps]
    if Output.json:
        result(rows)
        return
    table(rows, COLUMNS, spare=("compared", "gone", "differing"))
    for row in rows:
        for kind, found in row["differences"].items():
            ids = ", ".join(map(str, found["ids"]))
            more = " ..." if found["number"] > len(found["ids"]) else ""
            print(f"\n{row['entity']}: {found['number']:,} {kind.replace('_', ' ')}: {found['meaning']}")
            print(f"  {ids}{more}")
    requests = sum(row["requests"] for row in rows)
    wrong = sum(row["unexplained"] for row in rows)
    end = f"{wrong:,} records are not as they should be" if wrong else "nothing is lost"
    say(f"\n{requests:,} requests: {end}.")
    if wrong:
        say("`perfectcatch sync gaps --repair` reads them again.")
