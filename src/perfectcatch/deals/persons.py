"""What people decide: which contact a customer is, whose value stands, that something is tried again now."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from perfectcatch.deals import deciding
from perfectcatch.deals.contacts import NEW, PERSON
from perfectcatch.deals.deciding import OURS
from perfectcatch.deals.desk import Deals
from perfectcatch.deals.twins import close
from perfectcatch.errors import BadArgument, NothingKnown
from perfectcatch.model.deals import TWIN
from perfectcatch.store.deals import facts, links, queue, rows
from perfectcatch.store.deals.links import Link
from perfectcatch.store.deals.queue import Mark
from perfectcatch.store.deals.turns import turn
from perfectcatch.store.pool import Connection, transaction


async def match(deals: Deals, match_id: int, contact_id: str | None, *, by: str) -> str:
    """Say which contact a customer is; None: none of them, a new one is made."""
    if contact_id is not None:
        await deals.at_home()
        await deals.crm.contact(contact_id)  # NotFound where there is none
    decision = contact_id or NEW
    asked = await links.customer_of_match(deals.pool, deals.tenant_id, match_id)
    async with _turn_of(deals, asked), transaction(deals.pool) as connection:
        answered = await links.answer_match(connection, deals.tenant_id, match_id, decision=decision, by=by)
        if answered is None:
            raise NothingKnown(f"There is no open question {match_id}: GET /ghl/unmatched lists them.")
        customer_id, _ = answered
        reason = PERSON if contact_id is not None else NEW
        link = Link(st_customer_id=customer_id, ghl_contact_id=contact_id, reason=reason)
        await links.put(connection, deals.tenant_id, link)
        await _again(deals, connection, customer_id, "matched")
    return decision


async def decide(deals: Deals, conflict_id: int, decision: str, *, by: str) -> None:
    """Say whose value stands: ours is written again, theirs stays until something new happens."""
    asked = await rows.open_conflict(deals.pool, deals.tenant_id, conflict_id)
    if asked is None:
        raise _unknown(conflict_id)
    async with _turn_of(deals, asked.customer_id):
        asked = await rows.open_conflict(deals.pool, deals.tenant_id, conflict_id)  # as it is in our turn
        if asked is not None and (asked.field, decision) == (TWIN, OURS):
            await close(deals, asked, by=by)
        else:
            await _decided(deals, conflict_id, decision, by=by)


async def _decided(deals: Deals, conflict_id: int, decision: str, *, by: str) -> None:
    async with transaction(deals.pool) as connection:
        found = await rows.decide_conflict(connection, deals.tenant_id, conflict_id, decision=decision, by=by)
        if found is None:
            raise _unknown(conflict_id)
        customer_id, deal, field = found
        marks = (await rows.of_customers(deals.pool, deals.tenant_id, [customer_id], [deal])).get(deal)
        if decision == OURS and marks is not None and field != TWIN:
            conceded = {name: value for name, value in marks.conceded.items() if name != field}
            written = {**marks.written, field: marks.conceded.get(field)}
            if field == deciding.GONE:
                written = {}
            await rows.put(connection, deals.tenant_id, replace(marks, conceded=conceded, written=written))
            await _again(deals, connection, customer_id, "decided")


def _unknown(conflict_id: int) -> NothingKnown:
    return NothingKnown(f"There is no open conflict {conflict_id}: GET /ghl/conflicts lists them.")


@asynccontextmanager
async def _turn_of(deals: Deals, customer_id: int | None) -> AsyncIterator[None]:
    """Hold the customer meanwhile: a worker that is just at it would write over what a person decides."""
    if customer_id is None:
        yield
        return
    survivor = await facts.survivor(deals.pool, deals.tenant_id, deals.entities, customer_id)
    async with turn(deals.pool, deals.tenant_id, survivor, deals.clock):
        yield


async def retry(deals: Deals, customer_id: int) -> None:
    """Try a customer again now. Raises NothingKnown for one that is not there."""
    if not await facts.is_known(deals.pool, deals.tenant_id, deals.entities, customer_id):
        raise NothingKnown(f"The mirror holds no customer {customer_id}.")
    async with transaction(deals.pool) as connection:
        await _again(deals, connection, customer_id, "retried")


async def customer_of_job(deals: Deals, job_id: int) -> int:
    """Whose job it is."""
    async with deals.pool.connection() as connection:
        owners = await facts.owners(connection, deals.tenant_id, deals.entities, [("jobs", job_id)])
    if not owners:
        raise NothingKnown(f"The mirror holds no job {job_id} of a customer.")
    return next(iter(owners.values()))


def one_of(job_id: int | None, customer_id: int | None) -> None:
    """Refuse a question that names neither."""
    if job_id is None and customer_id is None:
        raise BadArgument("Nobody is named: send st_job_id or st_customer_id.")


async def _again(deals: Deals, connection: Connection, customer_id: int, reason: str) -> None:
    mark = Mark(customer_id=customer_id, reason=reason, looks=True)
    await queue.want(connection, deals.tenant_id, [mark])
    await queue.due_now(connection, deals.tenant_id, customer_id)
