"""``perfectcatch workflow``: see, check and rehearse what runs by itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.cli.output import Output, result, say, table
from perfectcatch.cli.running import run_command
from perfectcatch.errors import BadArgument, BadWorkflow

if TYPE_CHECKING:
    from perfectcatch.model.workflow import Definition
    from perfectcatch.workflows.rehearsal.report import Report

app = typer.Typer(help="Follow-ups that run by themselves: see, check, rehearse.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name of a workflow, such as estimate-follow-up.")]
SHOWN_TEXT = 60


@app.command("list")
def list_() -> None:
    """Show every workflow with its mode and what starts it."""
    run_command(_list())


async def _list() -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.workflows.shelf import shelf

    async with looking() as (pool, tenant_id):
        rows = [each.told() for each in (await shelf(pool, tenant_id)).values()]
    if Output.json:
        result(rows)
        return
    shown = [
        row | {"starts": row["clock"] or ", ".join(row["starts_on"]), "needs": ", ".join(row["needs"])}
        for row in rows
    ]
    columns = {
        "name": "workflow",
        "mode": "mode",
        "recipe": "recipe",
        "class": "class",
        "starts": "starts on",
    }
    table(shown, columns | {"needs": "needs"}, spare=("recipe", "class"))


@app.command()
def show(name: Name) -> None:
    """Print a workflow as it counts now, as YAML."""
    run_command(_show(name, None))


@app.command()
def export(name: Name, file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write a workflow into a file, to be changed and imported again."""
    run_command(_show(name, file))


async def _show(name: str, file: Path | None) -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.workflows.definitions import written
    from perfectcatch.workflows.shelf import definitions_of

    async with looking() as (pool, tenant_id):
        [definition] = await definitions_of(pool, tenant_id, [name])
    if file is not None:
        _write(file, written(definition))
        say(f"{name} is in {file}.")
    elif Output.json:
        result(dict(definition.document))
    else:
        print(written(definition), end="")


@app.command()
def lint(
    what: Annotated[
        list[str] | None, typer.Argument(help="Files or names of workflows; without, all of them.")
    ] = None,
) -> None:
    """Say what is wrong with workflows: dead ends, unknown fields, missing stop rules, circles."""
    run_command(_lint(what or []))


async def _lint(what: Sequence[str]) -> None:
    from dataclasses import asdict

    from perfectcatch.cli.start import looking
    from perfectcatch.vendors.servicetitan.endpoints import find
    from perfectcatch.vendors.servicetitan.entities import BY_NAME
    from perfectcatch.workflows import lint as linter
    from perfectcatch.workflows.definitions import parse
    from perfectcatch.workflows.shelf import shelf

    files = [each for each in what if Path(each).suffix in (".yaml", ".yml", ".json")]
    async with looking() as (pool, tenant_id):
        known = {
            name: each.definition
            for name, each in (await shelf(pool, tenant_id)).items()
            if each.definition is not None
        }
    missing = [each for each in what if each not in files and each not in known]
    if missing:
        raise BadArgument(f"There is no workflow {missing[0]}: `perfectcatch workflow list` shows them.")
    chosen = [parse(_read(Path(each))) for each in files]
    chosen += [known[each] for each in what if each in known] if what else list(known.values())
    beside = known | {each.name: each for each in chosen}
    found = [
        {"workflow": each.name, **asdict(finding)}
        for each in chosen
        for finding in linter.lint(each, BY_NAME, beside, operation=find)
    ]
    if Output.json:
        result(found)
    elif found:
        columns = {"workflow": "workflow", "level": "level", "place": "where", "sentence": "what"}
        table(found, columns)
    else:
        say(f"Nothing is wrong with {len(chosen)} workflows.")
    if any(each["level"] == "error" for each in found):
        raise typer.Exit(1)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A definition as YAML or JSON.")],
) -> None:
    """Take a definition from a file; what runs already goes on as it began."""
    run_command(_import(file))


async def _import(file: Path) -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.vendors.servicetitan.endpoints import find
    from perfectcatch.vendors.servicetitan.entities import BY_NAME
    from perfectcatch.workflows.definitions import parse
    from perfectcatch.workflows.shelf import one, take_in

    definition = parse(_read(file))
    async with looking() as (pool, tenant_id):
        warnings = await take_in(pool, tenant_id, BY_NAME, definition, by="command line", operation=find)
        now = await one(pool, tenant_id, definition.name)
    if Output.json:
        result(now.told() | {"warnings": [each.sentence for each in warnings]})
        return
    for each in warnings:
        say(f"{each.place}: {each.sentence}")
    say(f"{definition.name} is kept as version {definition.version}, in the mode {now.mode}.")


@app.command("set")
def set_(
    name: Name,
    values: Annotated[
        list[str],
        typer.Argument(metavar="SETTING=VALUE...", help="Such as review_link=https://example.com/r"),
    ],
) -> None:
    """Give settings of a workflow other values; what runs already goes on as it began."""
    run_command(_set(name, values))


async def _set(name: str, values: Sequence[str]) -> None:
    from perfectcatch.cli.start import looking
    from perfectcatch.vendors.servicetitan.endpoints import find
    from perfectcatch.vendors.servicetitan.entities import BY_NAME
    from perfectcatch.workflows.definitions import blank_settings, with_settings
    from perfectcatch.workflows.shelf import definitions_of, take_in

    wrong = [each for each in values if "=" not in each]
    if wrong:
        raise BadArgument(f"{wrong[0]!r} gives nothing a value: write SETTING=VALUE.")
    async with looking() as (pool, tenant_id):
        [before] = await definitions_of(pool, tenant_id, [name])
        after = with_settings(before, dict(each.split("=", 1) for each in values))
        await take_in(pool, tenant_id, BY_NAME, after, by="command line", operation=find, before=before)
    if Output.json:
        result({"workflow": name, "version": after.version, "settings": dict(after.settings)})
        return
    table(
        [{"name": key, "value": value} for key, value in after.settings.items()],
        {"name": "setting", "value": "value"},
    )
    if blank := blank_settings(after):
        say(f"Without a value: {', '.join(blank)}.")


@app.command("dry-run")
def dry_run(
    name: Name,
    *,
    days: Annotated[int, typer.Option(min=1, max=400, help="Over how many days until now.")] = 90,
    beside: Annotated[
        list[str] | None, typer.Option(help="Other workflows to replay with it, to see overlaps.")
    ] = None,
    assume_consent: Annotated[
        bool, typer.Option("--assume-consent", help="As if everybody had agreed to marketing.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="How many lines to show.")] = 40,
) -> None:
    """List what a workflow would have sent in the last days, with reasons; nothing is sent or written."""
    run_command(_dry_run(name, days, beside or [], limit, assume_consent=assume_consent))


async def _dry_run(name: str, days: int, beside: Sequence[str], limit: int, *, assume_consent: bool) -> None:
    from perfectcatch.app import company_of
    from perfectcatch.cli.start import looking, prepared
    from perfectcatch.kit.clock import SystemClock
    from perfectcatch.vendors.servicetitan.entities import BY_NAME
    from perfectcatch.workflows.rehearsal.dry_run import dry_run as rehearse
    from perfectcatch.workflows.shelf import definitions_of

    settings = prepared(looks=True)
    company = company_of(settings)
    async with looking() as (pool, tenant_id):
        chosen: list[Definition] = await definitions_of(pool, tenant_id, [name, *beside])
        report = await rehearse(
            pool,
            tenant_id,
            BY_NAME,
            chosen,
            now=SystemClock().now(),
            days=days,
            company=company,
            assume_consent=assume_consent,
            public_url=(settings.public_base_url or "") if settings.secret_key else "",
        )
    if Output.json:
        from dataclasses import asdict

        result({**report.summary(name), "would": [asdict(each) for each in report.of(name)]})
    else:
        _tell(report, name, limit)


def _tell(report: "Report", name: str, limit: int) -> None:
    figures = report.summary(name)
    mine = report.of(name)
    rows: list[dict[str, Any]] = [
        {
            "at": each.at,
            "step": each.step,
            "kind": each.kind,
            "who": each.customer or each.to,
            "status": each.status,
            "why": each.reason if each.status != "sent" else "; ".join(each.overlaps),
            "text": (each.text or each.sentence)[:SHOWN_TEXT],
        }
        for each in mine[:limit]
    ]
    columns = {"at": "when", "step": "step", "kind": "kind", "who": "who", "status": "would be"}
    if rows:
        table(rows, columns | {"why": "why, or beside what", "text": "words"}, spare=("kind",))
    if len(mine) > limit:
        say(f"... and {len(mine) - limit} more: --limit shows them, --json all.")
    kept_back = ", ".join(f"{number} {reason}" for reason, number in figures["not_sent"].items())
    say(
        f"\n{figures['started']} starts, {figures['sent']} messages"
        f" to {figures['customers_written_to']} customers"
        f" ({figures['segments']} segments, about ${figures['cost']:.2f}),"
        f" {figures['overlapping']} of them within a day of another."
    )
    if kept_back:
        say(f"Kept back: {kept_back}.")
    if figures["approximate"]:
        say(
            f"{figures['approximate']} actions rest on records that are older than what is known of them:"
            " their state was told from their own dates."
        )


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text)
    except OSError as error:
        raise BadArgument(f"{file} cannot be written: {error.strerror or error}.") from None


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise BadWorkflow(f"{file} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise BadWorkflow(f"{file} cannot be read: it is no text in UTF-8.") from None
