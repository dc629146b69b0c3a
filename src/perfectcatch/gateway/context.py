"""What every route works with, composed once per process by ``app``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from perfectcatch.gateway.access import Door
from perfectcatch.kit.clock import Clock
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import RecordSource
from perfectcatch.store.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Everything that a route needs. ``zone`` is the company's time zone."""

    pool: Pool
    source: RecordSource
    entities: Mapping[str, Entity]
    tenant_id: int
    clock: Clock
    zone: str
    door: Door


def gateway_of(connection: HTTPConnection) -> Gateway:
    """The gateway that answers this request."""
    return cast(Gateway, connection.app.state.gateway)
