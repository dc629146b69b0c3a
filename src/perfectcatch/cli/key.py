"""``perfectcatch key``: keys for programs that ask the API server."""

from datetime import datetime
from typing import Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say, table
from perfectcatch.cli.running import run_command
from perfectcatch.errors import BadArgument, NothingKnown

app = typer.Typer(help="Keys for programs that ask the API server.", no_args_is_help=True)
SCOPES = ("read", "write", "send", "workflow", "admin")


@app.command()
def create(
    *,
    scope: Annotated[list[str], typer.Option(help=f"What it may do: {', '.join(SCOPES)}; give several.")],
    name: Annotated[str, typer.Option(help="Whose key it is.")] = "unnamed",
    expires: Annotated[str | None, typer.Option(help="A moment such as 2027-03-01.")] = None,
    per_second: Annotated[
        float | None, typer.Option(min=0, help="Requests a second (API_RATE_LIMIT); 0 for no limit.")
    ] = None,
) -> None:
    """Make a key; it is shown once."""
    wanted = [word for each in scope for word in each.replace(",", " ").split()]
    unknown = sorted(set(wanted) - set(SCOPES))
    if unknown or not wanted:
        raise BadArgument(f"There is no scope {', '.join(unknown)!r}; choose of {', '.join(SCOPES)}.")
    run_command(_create(wanted, name, expires, per_second))


async def _create(scopes: list[str], name: str, expires: str | None, per_second: float | None) -> None:
    from perfectcatch.cli.start import looking, moment
    from perfectcatch.store import keys

    until = moment(expires) if expires else None
    async with looking() as (pool, tenant_id):
        key, text = await keys.create(
            pool, tenant_id, name=name, scopes=scopes, expires_at=until, per_second=per_second
        )
    if Output.json:
        result({"key": text, "prefix": key.prefix, "scopes": key.scopes, "expires_at": key.expires_at})
        return
    print(text)  # alone on stdout, for `KEY=$(perfectcatch key create ...)`
    typer.echo("It is not shown again. Programs send it as `Authorization: Bearer <key>`.", err=True)


@app.command("list")
def list_() -> None:
    """Show the keys, without their secret part."""
    run_command(_list())


async def _list() -> None:
    from dataclasses import asdict

    from perfectcatch.cli.start import looking
    from perfectcatch.store import keys

    async with looking() as (pool, tenant_id):
        rows: list[dict[str, Any]] = [asdict(key) for key in await keys.listed(pool, tenant_id)]
    if Output.json:
        result(rows)
    elif rows:
        shown = [row | {"scopes": " ".join(row["scopes"]), "state": _state(row)} for row in rows]
        heads = ("name", "prefix", "scopes", "state", "created_at", "last_used_at", "expires_at")
        table(shown, {head: head.removesuffix("_at").replace("_", " ") for head in heads})
    else:
        say("There is no key yet: `perfectcatch key create --scope read` makes one.")


def _state(row: dict[str, Any]) -> str:
    if row["revoked_at"]:
        return "revoked"
    expires: datetime | None = row["expires_at"]
    return "valid" if expires is None else "expires"


@app.command()
def revoke(prefix: Annotated[str, typer.Argument(help="The key's prefix, as `key list` shows it.")]) -> None:
    """Close the door for a key; servers follow within two seconds."""
    run_command(_revoke(prefix))


async def _revoke(prefix: str) -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.store import keys

    async with looking() as (pool, tenant_id):
        key = await keys.revoke(pool, tenant_id, prefix)
    if key is None:
        raise NothingKnown(f"There is no valid key {prefix}: `perfectcatch key list` shows them.")
    say(f"The key {key.name!r} ({key.prefix}) opens nothing any more.")
