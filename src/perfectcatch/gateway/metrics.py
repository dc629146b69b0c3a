"""``GET /metrics`` for Prometheus: what the server answered, and how fresh the mirror is."""

import time
from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from perfectcatch.errors import PerfectCatchError
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.gateway.counting import Tally
from perfectcatch.store import holds, runs
from perfectcatch.store.jobs.heartbeats import heartbeats

_UNKNOWN: Final = "none"  # a path that is no route: not a label of its own, or strangers could make millions

router = APIRouter(tags=["health"])


class Measured:
    """Counts answers and measures the time until they begin; ASGI, because it stands before every route."""

    def __init__(self, app: ASGIApp, tally: Tally) -> None:
        self._app = app
        self._count = tally.count

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass on, and note the status when it is sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", _UNKNOWN)
                self._count(scope["method"], route, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, noting)


@router.get(
    "/metrics",
    summary="Measurements for Prometheus.",
    response_class=Response,
    **scoped(Scope.READ, answers={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}),
)
async def metrics(request: Request) -> Response:
    """What all processes of this server answered since it began, and the state of the mirror now."""
    tally: Tally = request.app.state.tally
    state = await _state(gateway_of(request), tally)
    text = generate_latest(tally.everybody().registry()) + generate_latest(state)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def _state(gateway: Gateway, tally: Tally) -> CollectorRegistry:
    registry = CollectorRegistry()

    def gauge(name: str, does: str, *labels: str) -> Gauge:
        return Gauge(f"perfectcatch_{name}", does, labels, registry=registry)

    up = gauge("database_up", "Whether the database answers.")
    age = gauge("sync_age_seconds", "Seconds since an entity was last read completely.", "entity")
    failing = gauge("sync_failing", "Whether the last read of an entity failed.", "entity")
    quarantined = gauge("sync_quarantined", "Records in quarantine.", "entity")
    held = gauge("sync_held", "Deletions that wait for a person.", "entity")
    listeners = tally.listeners(gateway.hub.listeners, gateway.clock.monotonic())
    gauge("stream_listeners", "Who listens to the live stream.").set(listeners)
    living = gauge("workers_alive", "Workers that were heard of within fifteen seconds.")
    waiting = gauge("jobs_waiting", "Jobs that could begin and have not.")
    try:
        for run in await runs.latest(gateway.pool, gateway.tenant_id):
            failing.labels(run.entity).set(run.status == "failed")
            if run.age_seconds is not None:
                age.labels(run.entity).set(run.age_seconds)
        for entity, each in (await holds.waiting(gateway.pool, gateway.tenant_id)).items():
            quarantined.labels(entity).set(each.quarantined)
            held.labels(entity).set(each.holds)
        found, jobs = await heartbeats(gateway.pool)
        living.set(sum(each.alive for each in found))
        waiting.set(jobs)
        up.set(1)
    except PerfectCatchError:
        up.set(0)
    return registry
