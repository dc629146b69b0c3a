"""``perfectcatch sandbox``: only the simulated vendor."""

from typing import Annotated

import typer


def sandbox(
    *,
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 4010,
    seed: Annotated[int, typer.Option(help="The company is the same for the same seed.")] = 7,
    customers: Annotated[int, typer.Option(min=1, help="How many customers it has.")] = 1696,
    activity: Annotated[float, typer.Option(min=0, help="Business changes a minute; 0 for none.")] = 0,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second before it answers 429.")] = 60,
    token_seconds: Annotated[int, typer.Option(min=1, help="How long an access token lives.")] = 900,
    page_size: Annotated[int, typer.Option(min=1, help="Records on a page of an export feed.")] = 5000,
) -> None:
    """Run a simulated ServiceTitan with a made-up company, on this machine only.

    Prints one line of JSON with its address and credentials, then serves until it is stopped.
    """
    from perfectcatch.sandbox.servicetitan.server import run

    run(
        port=port,
        seed=seed,
        customers=customers,
        activity=activity,
        rate=rate,
        token_seconds=token_seconds,
        page_size=page_size,
    )
