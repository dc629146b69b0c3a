"""``perfectcatch sandbox``: only the simulated vendors; time can be advanced from another terminal."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from perfectcatch.cli import faults
from perfectcatch.cli.output import Output, result, say, table
from perfectcatch.cli.running import run_command
from perfectcatch.cli.talking import USUAL_URL, Url, tell

if TYPE_CHECKING:
    from perfectcatch.sandbox.servicetitan.server import Install

app = typer.Typer(help="A simulated ServiceTitan with a made-up company.", invoke_without_command=True)
app.command("fault")(faults.fault)
app.command("faults")(faults.faults)


@app.callback()
def sandbox(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 4010,
    seed: Annotated[int, typer.Option(help="The company is the same for the same seed.")] = 7,
    customers: Annotated[int, typer.Option(min=1, help="How many customers it has.")] = 1696,
    activity: Annotated[float, typer.Option(min=0, help="Business changes a minute; 0 for none.")] = 0,
    rate: Annotated[float, typer.Option(min=1, help="Requests a second before it answers 429.")] = 60,
    token_seconds: Annotated[int, typer.Option(min=1, help="How long an access token lives.")] = 900,
    tokens_per_minute: Annotated[
        int, typer.Option(min=1, help="Access tokens a minute before it answers 429.")
    ] = 10,
    page_size: Annotated[int, typer.Option(min=1, help="The most records on a page.")] = 5000,
    ago: Annotated[str, typer.Option(help="How long before now its time begins, such as 30d.")] = "0s",
    speed: Annotated[
        float | None,
        typer.Option(help="Let the company live by itself, so many simulated seconds a second."),
    ] = None,
    skip_quiet: Annotated[
        bool, typer.Option("--skip-quiet", help="At a speed above 1, jump over times when nothing happens.")
    ] = False,
    webhook_url: Annotated[
        str | None, typer.Option(help="Tell every change to this address, on this machine.")
    ] = None,
    webhook_secret: Annotated[str, typer.Option(help="Sign what is told with this text.")] = "",
) -> None:
    """Run a simulated ServiceTitan with a made-up company, and the other vendors, on this machine only.

    Prints one line of JSON with its address and credentials, then serves until it is stopped.
    """
    if context.invoked_subcommand is not None:
        return
    from perfectcatch.sandbox.servicetitan.clock import seconds_of, usable_speed
    from perfectcatch.sandbox.servicetitan.options import Options
    from perfectcatch.sandbox.servicetitan.server import run

    options = Options(
        seed=seed,
        customers=customers,
        activity=activity,
        rate=rate,
        token_seconds=token_seconds,
        tokens_per_minute=tokens_per_minute,
        export_page_size=page_size,
        ago=seconds_of(ago),
        speed=None if speed is None else usable_speed(speed),
        skip_quiet=skip_quiet,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
    )
    run(options, port=port, beside=_vendors_of_messages(seed), further=credentials_of_messages())


def _vendors_of_messages(seed: int) -> "Install":
    """Twilio, SendGrid, GoHighLevel and a model at the same address: their routes do not meet."""
    from perfectcatch.sandbox.anthropic import server as model
    from perfectcatch.sandbox.gohighlevel import server as crm
    from perfectcatch.sandbox.sendgrid import server as mails
    from perfectcatch.sandbox.servicetitan.server import SERVICE
    from perfectcatch.sandbox.twilio import server as texts

    def install(application: Any) -> None:
        texts.install(application, seed=seed)
        mails.install(application)
        model.install(application)
        crm.install(application, clock=application[SERVICE].tenant.clock, seed=seed)

    return install


def credentials_of_messages() -> dict[str, str]:
    """What opens the simulated vendors of messages and models, by the names of the settings."""
    from perfectcatch.sandbox.anthropic.server import KEY as MODEL_KEY
    from perfectcatch.sandbox.gohighlevel.server import LOCATION, PRIVATE_TOKEN
    from perfectcatch.sandbox.sendgrid.server import KEY, SENDER
    from perfectcatch.sandbox.twilio.server import ACCOUNT, NUMBER, TOKEN

    return {
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": TOKEN,
        "twilio_phone_number": NUMBER,
        "sendgrid_api_key": KEY,
        "sendgrid_from_email": SENDER,
        "anthropic_api_key": MODEL_KEY,
        "ghl_api_key": PRIVATE_TOKEN,
        "ghl_location_id": LOCATION,
    }


@app.command()
def advance(
    by: Annotated[str, typer.Argument(help="How much time passes: 90s, 15m, 8h, 3d, 1d12h.")],
    *,
    url: Url = USUAL_URL,
) -> None:
    """Let time pass in a running sandbox, with everything that a company does in that time."""
    from perfectcatch.sandbox.servicetitan.clock import seconds_of

    seconds_of(by)  # what is no span of time is told before anybody is asked
    told = run_command(tell(url, "advance", {"by": by}))
    if Output.json:
        result(told)
        return
    say(f"From {_moment(told['from'])} to {_moment(told['to'])} UTC. What happened: {told['happened']:,}")
    rows = [{"what": what.replace("_", " "), "times": times} for what, times in told["kinds"].items()]
    if rows:
        table(rows, {"times": "Times", "what": "What"})


@app.command()
def speed(
    factor: Annotated[float, typer.Argument(help="Simulated seconds a second; 0 lets time stand.")],
    *,
    url: Url = USUAL_URL,
) -> None:
    """Let the company of a running sandbox live by itself, and set how fast its time goes."""
    from perfectcatch.sandbox.servicetitan.clock import usable_speed

    told = run_command(tell(url, "speed", {"factor": usable_speed(factor)}))
    if Output.json:
        result(told)
    else:
        say(f"It is {_moment(told['now'])} UTC there; time goes {told['speed']:g} seconds a second.")


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")
