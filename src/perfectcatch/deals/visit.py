"""A customer whose deals are being written: what is known, what became of it, and what is kept of a write."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from perfectcatch.deals import deciding
from perfectcatch.deals.deciding import Decided, Texts
from perfectcatch.deals.desk import Account, Deals
from perfectcatch.deals.journey import wanted
from perfectcatch.deals.journeys import ALL_PARTS
from perfectcatch.deals.rules import Rules
from perfectcatch.model.crm import Opportunity
from perfectcatch.model.deals import Facts, Marks, Part, Spot, Wanted
from perfectcatch.store.deals import copies, facts, rows
from perfectcatch.store.pool import Connection, transaction

ABANDONED: Final = "abandoned"
_MANY: Final = 1000  # records of a customer


@dataclass(slots=True, kw_only=True)
class Placed:
    """What became of a customer's deals; ``opportunities`` by the names of deals."""

    contact_id: str | None = None
    opportunities: dict[str, str] = field(default_factory=dict)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    conflicts: int = 0
    refusals: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Visit:
    """One customer, now."""

    deals: Deals
    account: Account
    facts: Facts
    contact_id: str
    looks: bool
    event_id: int | None
    placed: Placed
    adopts: bool = False  # a deal has an opportunity by now that it did not have
    there: dict[str, Opportunity] | None = None  # of the contact, by id, once they were read


async def all_wanted(
    known: Facts, rules: Rules, now: datetime, parts: frozenset[Part] = ALL_PARTS
) -> tuple[Wanted, ...]:
    """What every opportunity of a customer should say; of very many records in a thread of its own.

    Ten thousand records of each kind take a second, in which nobody else's deals would go on.
    """
    records = len(known.jobs) + len(known.visits) + len(known.estimates) + len(known.bills)
    if records < _MANY:
        return wanted(known, rules, now, parts)
    return await asyncio.to_thread(wanted, known, rules, now, parts)


async def keep(
    visit: Visit,
    want: Wanted,
    marks: Marks,
    seen: Opportunity,
    *,
    kind: str,
    changes: Texts,
    spot: Spot,
    decided: Decided | None = None,
) -> None:
    """Marks, copy, conflicts, the move, and the mirror's own columns, together."""
    deals = visit.deals
    stages = visit.account.stages
    names = stages.names(seen.stage_id)
    visit.placed.opportunities[want.key] = seen.id
    async with transaction(deals.pool) as connection:
        await rows.put(connection, deals.tenant_id, marks)
        await copies.put_opportunity(connection, deals.tenant_id, seen, names=names)
        if kind == "created":
            await rows.agree(connection, deals.tenant_id, marks.deal, [deciding.GONE])
        if decided is not None:
            await rows.agree(connection, deals.tenant_id, marks.deal, decided.agreed)
            await list_conflicts(visit, connection, marks, decided)
        if changes:
            await rows.note_move(
                connection,
                deals.tenant_id,
                marks,
                kind=kind,
                pipeline=spot.pipeline_name if deciding.STAGE in changes else None,
                stage=spot.stage.name if deciding.STAGE in changes else None,
                changes=changes,
                event_id=visit.event_id,
            )
        if want.job_ids:
            await facts.mark_jobs(connection, deals.tenant_id, deals.entities, want.job_ids, seen.id)


async def list_conflicts(visit: Visit, connection: Connection, marks: Marks, decided: Decided) -> None:
    """List where a person changed what follows from our records."""
    visit.placed.conflicts += len(decided.conflicts)
    for each in decided.conflicts:
        await rows.note_conflict(
            connection,
            visit.deals.tenant_id,
            marks,
            field=each.field,
            ours=each.ours,
            theirs=each.theirs,
            kept=each.kept,
            sentence=each.sentence,
        )


async def mark_customer(visit: Visit) -> None:
    """The customer's own columns in the mirror: its contact, and that it is there."""
    if not (visit.placed.created or visit.placed.updated):
        return
    async with transaction(visit.deals.pool) as connection:
        await facts.mark_customer(
            connection,
            visit.deals.tenant_id,
            visit.deals.entities,
            visit.facts.customer.st_id,
            "failed" if visit.placed.refusals else "synced",
            ghl_contact_id=visit.contact_id,
        )
