"""When deals are looked through by themselves, and runs that somebody asks for over HTTP."""

from typing import Final
from zoneinfo import ZoneInfo

from perfectcatch.deals import pulling, sweeps
from perfectcatch.deals.desk import Deals
from perfectcatch.errors import BadArgument, NotConnected
from perfectcatch.kit.cron import parse
from perfectcatch.store.jobs.queue import ONCE, Jobs, Order, Run

QUEUE: Final = "deals"
ASKED: Final = "deals.asked"
ROUND: Final = "deals.round"
INSTALLS: Final = "deals.installs"
WHOLE: Final = "deals.whole"
RUNS: Final = ("round", "installs", "pull", "push-estimates", "push-customers")
_INSTALLS_CRON: Final = "*/2 * * * *"
_WHOLE_CRON: Final = "40 3 * * *"  # what no webhook told, and what is gone


def declare(jobs: Jobs, deals: Deals | None = None) -> None:
    """Make the run that somebody asks for known; without ``deals`` this process only asks."""

    async def asked(_: Run, what: str) -> None:
        if deals is None:
            raise NotConnected("No CRM is connected here: set GHL_API_KEY and GHL_LOCATION_ID.")
        await run(deals, what)

    jobs.task(ASKED, asked, queue=QUEUE, retry=ONCE)


async def ask(jobs: Jobs, what: str) -> bool:
    """Have a run done by a worker; False: one of the same kind waits already."""
    if what not in RUNS:
        raise BadArgument(f"There is no run {what!r}: {', '.join(RUNS)}.")
    order = Order(name=ASKED, arguments={"what": what}, lock=ASKED, queueing_lock=f"{ASKED} {what}")
    return await jobs.defer(order) is not None


def repeat(jobs: Jobs, deals: Deals, *, cron: str | None, zone: ZoneInfo) -> None:
    """Do the rounds: what changed at ``cron``, installations every two minutes, everything once a night."""

    async def each_round(_: Run) -> None:
        await run(deals, "round")

    async def installs(_: Run) -> None:
        await run(deals, "installs")

    async def whole(_: Run) -> None:
        await run(deals, "pull")

    if cron is not None:
        jobs.every(parse(cron), ROUND, each_round, zone=zone, queue=QUEUE, retry=ONCE)
    jobs.every(parse(_INSTALLS_CRON), INSTALLS, installs, zone=zone, queue=QUEUE, retry=ONCE)
    jobs.every(parse(_WHOLE_CRON), WHOLE, whole, zone=zone, queue=QUEUE, retry=ONCE)


async def run(deals: Deals, what: str) -> None:
    """Do a run now."""
    if what == "pull":
        await pulling.pull(deals, "all", full=True)
        return
    if not deals.enabled:
        raise NotConnected("Nothing is written to the CRM: set GHL_SYNC_ENABLED=true.")
    if what == "round":
        try:
            await pulling.pull(deals, "all", full=False)
        finally:  # what people changed is one thing, what our records say another
            await sweeps.round_(deals)
    elif what == "installs":
        await sweeps.installs(deals)
    else:
        await sweeps.push(deals, what.removeprefix("push-"))
