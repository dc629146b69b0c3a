"""How each part of the product is, a sentence each; what cannot be asked right now fails nothing."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, Field

from perfectcatch.errors import PerfectCatchError
from perfectcatch.gateway.context import Gateway
from perfectcatch.kit.breaker import State as Circuit
from perfectcatch.store import holds, runs
from perfectcatch.store.deals import queue as deals
from perfectcatch.store.deals.copies import last_success
from perfectcatch.store.holds import Waiting
from perfectcatch.store.jobs.heartbeats import Heartbeat, heartbeats
from perfectcatch.store.reading.wellbeing import Queue, queues
from perfectcatch.store.runs import LastRun
from perfectcatch.workflows.running.workshop import PLACE

LATE_SECONDS: Final = 60.0  # that what is done at once has waited before it is told
SILENT_SECONDS: Final = 3600.0  # without a round with the CRM that succeeded
_NOTHING: Final = Queue(0, None)

State = Literal["well", "ailing", "down", "unknown", "not configured"]
ORDER: Final[tuple[State, ...]] = ("down", "ailing", "well")


class Part(BaseModel):
    """One part of the product."""

    name: str
    state: State
    detail: str = Field("", description="One sentence.")
    since: datetime | None = Field(None, description="When it was last seen well, or since when it waits.")


async def parts_of(gateway: Gateway) -> list[Part]:
    """Every part, as it is now."""
    parts = [*_vendor(gateway), *_senders(gateway)]
    try:
        return [*await _in_the_database(gateway), *parts]
    except PerfectCatchError as error:
        unseen = "Nobody knows while the database does not answer."
        names = ("sync", "holds", "workers", "workflows", "webhooks", "messages")
        return [
            Part(name="database", state="down", detail=str(error)),
            *(Part(name=name, state="unknown", detail=unseen) for name in names),
            *parts,
        ]


# What this process knows -------------------------------------------------------------------------


def _vendor(gateway: Gateway) -> Iterator[Part]:
    met = gateway.passage.met()
    match met.accepted:
        case None:
            yield Part(
                name="credentials", state="unknown", detail="This process has not asked the vendor yet."
            )
        case False:
            yield Part(name="credentials", state="down", detail=met.refusal)
        case True:
            yield Part(name="credentials", state="well")
    for name, circuit in sorted(met.circuits.items()):
        if circuit.state is Circuit.CLOSED:
            yield Part(name=f"vendor {name}", state="well")
            continue
        wait = f"; the next try is in {circuit.opens_again_in:.0f} s" if circuit.opens_again_in else ""
        yield Part(name=f"vendor {name}", state="down", detail=f"{circuit.last_failure}{wait}")


def _senders(gateway: Gateway) -> Iterator[Part]:
    for name, sender in (("texts", gateway.desk.messenger), ("email", gateway.desk.mailer)):
        if sender is None:
            yield Part(name=name, state="not configured", detail=f"No vendor of {name} is connected.")
        else:
            yield Part(name=name, state="well")


# What the database tells -------------------------------------------------------------------------


async def _in_the_database(gateway: Gateway) -> list[Part]:
    pool, tenant_id = gateway.reads.pool, gateway.tenant_id
    latest = await runs.latest(pool, tenant_id)
    held = await holds.waiting(pool, tenant_id)
    waiting = await queues(gateway.reads, tenant_id, PLACE)
    found, jobs = await heartbeats(pool)
    now = gateway.clock.now()
    return [
        Part(name="database", state="well"),
        *(_run(each) for each in latest),
        _holds(held),
        _workers(found, jobs),
        _workflows(waiting, now),
        _webhooks(waiting, now),
        _messages(waiting, now),
        *([await crm_of(gateway)] if gateway.deals is not None else []),
    ]


def _run(run: LastRun) -> Part:
    state: State = "ailing" if run.status in ("failed", "held") else "well"
    return Part(name=f"sync {run.entity}", state=state, detail=run.error or "", since=run.completed_at)


def _holds(held: Mapping[str, Waiting]) -> Part:
    """What waits for a person: deletions that look too large, and records that cannot be stored."""
    said = [
        f"{number} {what} of {entity}"
        for entity, each in held.items()
        for number, what in ((each.holds, "held deletions"), (each.quarantined, "records in quarantine"))
        if number
    ]
    if not said:
        return Part(name="holds", state="well")
    return Part(name="holds", state="ailing", detail=f"A person should look at {', '.join(said)}.")


def _workers(found: list[Heartbeat], jobs: int) -> Part:
    alive = [each for each in found if each.alive]
    newest = max((each.last_heartbeat for each in found), default=None)
    if alive:
        return Part(
            name="workers", state="well", detail=f"{len(alive)} live, {jobs} jobs wait.", since=newest
        )
    detail = f"No worker was heard of in the last seconds; {jobs} jobs wait."
    return Part(name="workers", state="down", detail=detail, since=newest)


def _workflows(waiting: Mapping[str, Queue], now: datetime) -> Part:
    events, timers = waiting.get("events", _NOTHING), waiting.get("timers", _NOTHING)
    letters = waiting.get("dead letters", _NOTHING)
    since = min((each.since for each in (events, timers) if each.since), default=None)
    behind = _seconds(since, now)
    detail = f"{events.number} events and {timers.number} timers wait, the oldest for {behind:.0f} s."
    if letters.number:
        detail += f" {letters.number} dead letters wait for a person."
    state: State = "ailing" if behind > LATE_SECONDS or letters.number else "well"
    return Part(name="workflows", state=state, detail=detail, since=since)


def _webhooks(waiting: Mapping[str, Queue], now: datetime) -> Part:
    queue = waiting.get("webhooks", _NOTHING)
    behind = _seconds(queue.since, now)
    state: State = "ailing" if behind > LATE_SECONDS else "well"
    detail = f"{queue.number} wait, the oldest for {behind:.0f} s." if queue.number else ""
    return Part(name="webhooks", state=state, detail=detail, since=queue.since)


def _messages(waiting: Mapping[str, Queue], now: datetime) -> Part:
    """Holds of workflows and channels, and messages of which nobody knows whether the vendor has them."""
    held = waiting.get("message holds", _NOTHING)
    unknown = {name: each for name, each in waiting.items() if name.startswith("unknown ")}
    late = {name: each for name, each in unknown.items() if _seconds(each.since, now) > LATE_SECONDS}
    said = [f"{held.number} holds wait for a person"] if held.number else []
    said += [f"the outcome of {each.number} messages by {name[8:]} is unknown" for name, each in late.items()]
    detail = "; ".join(said).capitalize() + "." if said else ""
    return Part(name="messages", state="ailing" if said else "well", detail=detail, since=held.since)


async def crm_of(gateway: Gateway) -> Part:
    """What waits for the CRM and what it refused; the CRM itself is not asked."""
    if gateway.deals is None:
        return Part(name="crm", state="not configured", detail="No CRM is connected.")
    if not gateway.deals.enabled:
        return Part(name="crm", state="not configured", detail="GHL_SYNC_ENABLED is off: nothing is written.")
    waiting = await deals.waiting(gateway.pool, gateway.tenant_id)
    since = await last_success(gateway.pool, gateway.tenant_id)
    if waiting.refused:
        detail = f"{waiting.refused} customers are refused or wait for a person: GET /ghl/errors tells why."
        return Part(name="crm", state="ailing", detail=detail, since=since)
    # Where no round was ever made, what waits tells for how long nobody has come.
    if _seconds(since or waiting.oldest, gateway.clock.now()) > SILENT_SECONDS:
        detail = "No round has succeeded for an hour: is `perfectcatch worker workflows` running?"
        return Part(name="crm", state="ailing", detail=detail, since=since)
    because = await gateway.deals.one_a_contact()
    count = "1 customer waits." if waiting.total == 1 else f"{waiting.total} customers wait."
    detail = " ".join(filter(None, (count, because)))
    return Part(name="crm", state="well", detail=detail, since=since)


def _seconds(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
