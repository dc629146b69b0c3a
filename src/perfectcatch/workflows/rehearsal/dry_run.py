"""The dry run as one call: read the history, play it, count."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from perfectcatch.errors import BadArgument
from perfectcatch.kit import collector
from perfectcatch.messaging.rules import Rules
from perfectcatch.model.entity import Entity
from perfectcatch.model.workflow import Definition
from perfectcatch.store.pool import Pool
from perfectcatch.workflows.records import Company
from perfectcatch.workflows.rehearsal import history
from perfectcatch.workflows.rehearsal.play import Player
from perfectcatch.workflows.rehearsal.report import Report

LONGEST_DAYS = 400


async def dry_run(
    pool: Pool,
    tenant_id: int,
    entities: Mapping[str, Entity],
    definitions: Sequence[Definition],
    *,
    now: datetime,
    days: int,
    company: Company,
    rules: Rules | None = None,
    assume_consent: bool = False,
    public_url: str = "",
) -> Report:
    """What ``definitions`` would have done together in the ``days`` before ``now``; nothing is written.

    ``assume_consent``: as if everybody had agreed to marketing, to see beyond what the gate keeps back.
    ``public_url``: where short links would lead; empty where messages have none.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise BadArgument(f"A dry run goes over 1 to {LONGEST_DAYS} days, not {days}.")
    with collector.RARELY:
        read = await history.load(
            pool, tenant_id, entities, definitions, since=now - timedelta(days=days), until=now
        )
        player = Player(
            read,
            definitions,
            company=company,
            rules=rules,
            assume_consent=assume_consent,
            public_url=public_url,
        )
        return player.run()
