"""The command line: commands parse words, call one function of a lower room and print what it answers.

Heavy imports happen inside the commands, so that ``perfectcatch --help`` answers at once.
"""

import sys
from typing import Annotated

import typer

from perfectcatch import __version__
from perfectcatch.cli import (
    backfill,
    db,
    ghl,
    instances,
    key,
    original,
    proof,
    sandbox,
    serve,
    sync,
    up,
    worker,
)
from perfectcatch.cli.output import Output
from perfectcatch.cli.running import failed
from perfectcatch.cli.start import MadeUp

INTERRUPTED = 130
LOOKING = ("sync", "workflow", "key")  # commands that take --sandbox anywhere, as all take --json

app = typer.Typer(
    name="perfectcatch",
    help="An exact copy of a contractor's ServiceTitan data in PostgreSQL, with an event for every change.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("up")(up.up)
sync.app.command("gaps")(proof.gaps)
sync.app.command("customer")(proof.customer)
sync.app.command("backfill")(backfill.backfill)
sync.app.command("backfills")(backfill.backfills)
app.add_typer(sync.app, name="sync")
app.command("serve")(serve.serve)
app.add_typer(worker.app, name="worker")
app.add_typer(instances.app, name="workflow")
app.add_typer(ghl.app, name="ghl")
app.add_typer(db.app, name="db")
app.add_typer(key.app, name="key")
app.add_typer(sandbox.app, name="sandbox")


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def root(
    *,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on stdout; logs go to stderr.")
    ] = False,
    sandbox_: Annotated[
        bool,
        typer.Option("--sandbox", help="Look at the made-up company of `up --sandbox`: sync, workflow, key."),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that every command has."""
    _ = version
    if json_:
        Output.json = True
    MadeUp.chosen = sandbox_


def main() -> None:
    """Run the command line.

    Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 130 and 143 ended by Ctrl-C and SIGTERM.
    """
    words = sys.argv[1:]
    if "--json" in words:  # it may stand anywhere
        Output.json = True
        words = [word for word in words if word != "--json"]
    if words and words[0] in LOOKING and "--sandbox" in words:
        words = ["--sandbox", *(word for word in words if word != "--sandbox")]
    try:
        app(args=original.renamed(words), prog_name="perfectcatch", standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader (head, less) has gone
        sys.stderr.close()
        sys.exit(0)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - the border of the program
        sys.exit(failed(error))
