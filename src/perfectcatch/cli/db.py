"""``perfectcatch db``: the database's shape, its address, and a look into it."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from perfectcatch.cli.output import Output, result, say
from perfectcatch.cli.running import run_command

if TYPE_CHECKING:
    from perfectcatch.store.schema.roles import Standing

Sandbox = Annotated[bool, typer.Option("--sandbox", help="The database of `perfectcatch up --sandbox`.")]

app = typer.Typer(help="The database: its shape, its address, a look into it.", no_args_is_help=True)


@app.command()
def migrate() -> None:
    """Bring the database to the shape that this version declares; nothing is dropped."""
    run_command(_migrate())


@app.command()
def check() -> None:
    """Compare the declared shape with the live one. Exit status 1 if they differ."""
    run_command(_check())


@app.command()
def url(*, sandbox: Sandbox = False) -> None:
    """Print the database's address, password included, for psql and other programs."""
    run_command(_url(sandbox=sandbox))


@app.command()
def studio(
    *,
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 5555,
    sandbox: Sandbox = False,
) -> None:
    """Browse the tables in a browser: this machine only, read only."""
    run_command(_studio(port, sandbox=sandbox))


async def _migrate() -> None:
    from perfectcatch.app import migrated
    from perfectcatch.cli.start import prepared

    changes = await migrated(prepared())
    if Output.json:
        result({"changes": changes})
    elif changes:
        for change in changes:
            say(change)
    else:
        say("The database has the declared shape already.")


async def _check() -> None:
    from perfectcatch.app import differences
    from perfectcatch.cli.start import prepared

    differing, worker = await differences(prepared())
    found = [str(each) for each in differing]
    found += [f"the role {worker.name}: {each}" for each in worker.powers if not worker.is_login]
    found += [f"the role {worker.name} lacks rights: {each}" for each in worker.lacks]
    if Output.json:
        told = {"name": worker.name, "is_login": worker.is_login, "powers": list(worker.powers)}
        result({"differences": found, "role": told})
    else:
        for each in found:
            say(each)
        if not found:
            say("The live database has the declared shape.")
        say(_role(worker))
    if found:
        raise typer.Exit(1)


def _role(worker: "Standing") -> str:
    if not worker.powers:
        return f"Everything but `db migrate` works as {worker.name}, which cannot change the shape."
    why = "; ".join(worker.powers)
    return (
        f"Everything works as {worker.name}, which can change the shape ({why}): `db migrate` with a login "
        "that may create roles makes one that cannot."
    )


async def _url(*, sandbox: bool) -> None:
    from perfectcatch.app import open_database
    from perfectcatch.cli.start import prepared

    settings = prepared()
    async with open_database(settings, sandbox=sandbox) as database:
        if Output.json:
            result({"url": database.for_others, "embedded": database.embedded})
        else:
            say(database.for_others)
        if database.embedded and database.ours:
            print(
                "perfectcatch: the database ends with this command; it stays while `perfectcatch up` runs.",
                file=sys.stderr,
            )


async def _studio(port: int, *, sandbox: bool) -> None:
    from perfectcatch.app import open_store
    from perfectcatch.cli.start import prepared
    from perfectcatch.studio.server import serve
    from perfectcatch.vendors.servicetitan.entities import ENTITIES

    def ready(address: str) -> None:
        say(f"Open {address} in a browser; Ctrl-C ends it.")

    settings = prepared()
    async with open_store(settings, application="perfectcatch db studio", sandbox=sandbox) as pool:
        await serve(pool, port=port, ready=ready, entities=ENTITIES)
