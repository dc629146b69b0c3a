"""``perfectcatch sandbox fault`` and ``faults``: what goes wrong at a simulated vendor that is running."""

import json
from typing import Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say, table
from perfectcatch.cli.running import run_command
from perfectcatch.cli.talking import USUAL_URL, Url, tell
from perfectcatch.errors import BadArgument

_COLUMNS = {
    "id": "id",
    "kind": "kind",
    "on": "on",
    "how_often": "how often",
    "with": "with",
    "struck": "struck",
}
_KIND_COLUMNS = {"kind": "kind", "does": "what it does", "parameters": "parameters"}
_RULE = ("share", "every", "after", "times")


def fault(
    kind: Annotated[
        str, typer.Argument(help="A kind of `perfectcatch sandbox faults --kinds`, such as 5xx.")
    ],
    *,
    share: Annotated[float | None, typer.Option(min=0, max=1, help="Strike this share, by lot.")] = None,
    on: Annotated[
        str | None, typer.Option(help="Only requests of this collection, operation or path, such as crm.*")
    ] = None,
    times: Annotated[int | None, typer.Option(min=1, help="Strike so often, then no more.")] = None,
    after: Annotated[int | None, typer.Option(min=0, help="Leave so many requests alone first.")] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Strike each so-manieth request.")] = None,
    seed: Annotated[int | None, typer.Option(help="Lots are the same for the same seed.")] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter, such as status=502.")
    ] = None,
    url: Url = USUAL_URL,
) -> None:
    """Let a running sandbox fail from now on, until `perfectcatch sandbox faults --clear`."""
    rule = {"share": share, "on": on, "times": times, "after": after, "every": every, "seed": seed}
    given = {name: value for name, value in rule.items() if value is not None}
    added = run_command(tell(url, "faults", {"kind": kind, **given, **_parsed(parameters or [])}))
    if Output.json:
        result(added)
    else:
        say(f"Fault {added['id']}: {added['does']} Struck are {_how_often(added)} of {added['on'] or 'all'}.")


def faults(
    *,
    clear: Annotated[bool, typer.Option("--clear", help="End all of them.")] = False,
    kinds: Annotated[bool, typer.Option("--kinds", help="Show what can be made to go wrong.")] = False,
    url: Url = USUAL_URL,
) -> None:
    """Show what goes wrong at a running sandbox, and how often it struck."""
    if kinds:
        _show_kinds()
    elif clear:
        cleared = run_command(tell(url, "faults/clear", {}))
        if Output.json:
            result(cleared)
        say(f"{cleared['cleared']} faults ended.")
    else:
        _show(run_command(tell(url, "faults", None))["faults"])


def _show(rows: list[dict[str, Any]]) -> None:
    if Output.json:
        result(rows)
    elif not rows:
        say("Nothing goes wrong.")
    else:
        shown = [
            row | {"on": row["on"] or "all", "how_often": _how_often(row), "with": _with(row)} for row in rows
        ]
        table(shown, _COLUMNS)


def _show_kinds() -> None:
    from perfectcatch.sandbox.servicetitan.faults.kinds import KINDS

    rows: list[dict[str, Any]] = [
        {"kind": kind.name, "does": kind.does, "parameters": dict(kind.parameters)} for kind in KINDS.values()
    ]
    if Output.json:
        result(rows)
    else:
        told = [row | {"parameters": _words(row["parameters"])} for row in rows]
        table(told, _KIND_COLUMNS)


def _how_often(row: dict[str, Any]) -> str:
    words = ["all requests" if row["share"] == 1 else f"{row['share']:.0%} of the requests"]
    if row["every"] > 1:
        words.append(f"every {row['every']}th")
    if row["after"]:
        words.append(f"after {row['after']}")
    if row["times"] is not None:
        words.append(f"at most {row['times']}")
    return ", ".join(words)


def _with(row: dict[str, Any]) -> str:
    from perfectcatch.sandbox.servicetitan.faults.kinds import KINDS

    return _words({name: row[name] for name in KINDS[row["kind"]].parameters})


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _parsed(words: list[str]) -> dict[str, Any]:
    """``NAME=VALUE`` as JSON where it is that, else as text."""
    parsed: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise BadArgument(f"--set takes NAME=VALUE, such as --set status=502, not {word!r}.")
        try:
            parsed[name] = json.loads(text)
        except ValueError:
            parsed[name] = text
    return parsed
