"""Two opportunities of one deal: the CRM carried out a creation that we had given up. A person closes one.

No list of the CRM tells for certain that nothing was created, so what comes too late is found afterwards, by
the deal's name that we wrote into it. It is listed, once, and never closed by itself: by then somebody may
work with the one or the other, and nothing that can be read tells with which.
"""

from collections.abc import Mapping
from typing import Final

from perfectcatch.deals import deciding
from perfectcatch.deals.desk import Deals
from perfectcatch.deals.journey import LEAD, shared_key
from perfectcatch.deals.mapping import Stages
from perfectcatch.deals.visit import Visit, all_wanted
from perfectcatch.errors import BadArgument, NotConnected, NotFound, NothingKnown
from perfectcatch.model.crm import DealStatus, Opportunity, OpportunityChange
from perfectcatch.model.deals import TWIN, Marks
from perfectcatch.store.deals import copies, facts, rows
from perfectcatch.store.deals.rows import Conflict
from perfectcatch.store.names import CRM_OPPORTUNITIES
from perfectcatch.store.pool import Connection, transaction

_CLOSED: Final = OpportunityChange(status=DealStatus.ABANDONED)


async def look_for_twins(visit: Visit) -> None:
    """List what carries the name of one of our deals, and is no deal's though that deal has another one.

    What was listed and is a deal's own by now, or open no longer, asks nobody any more.
    """
    deals = visit.deals
    field_id = visit.account.of_opportunities.get(deciding.DEAL_FIELD)
    if field_id is None:
        return
    marks = await rows.of_customers(deals.pool, deals.tenant_id, visit.facts.family, [])
    keys = _keys(visit, marks)
    async with transaction(deals.pool) as connection:
        await rows.settle_twins(connection, deals.tenant_id, sorted(keys))
    contacts = {visit.contact_id, *(each.contact_id for each in marks.values() if each.contact_id)}
    names = {each.written.get(deciding.NAME) for each in marks.values()}
    found = await copies.open_and_nobodys(
        deals.pool, deals.tenant_id, sorted(contacts), field_id, sorted(keys)
    )
    for its_id, key, name in found:
        if key not in keys if key is not None else name not in names:
            continue
        seen = await _read(deals, its_id)  # a list may leave out the field that tells
        said = str((seen.custom.get(field_id) if seen is not None else None) or "")
        if seen is None or said not in keys or seen.status is not DealStatus.OPEN:
            continue
        if beside := await _beside(visit, marks, said):
            await _list(visit, seen, said, beside)


def _keys(visit: Visit, marks: Mapping[str, Marks]) -> set[str]:
    """Names that deals of this customer have or had: contacts that customers share have others' as well."""
    known = visit.facts
    return {
        *marks,
        *(f"{LEAD}-{each}" for each in known.family),
        *(shared_key(each) for each in known.family),
        *(f"job-{each.st_id}" for each in known.jobs),
        *(f"estimate-{each.st_id}" for each in known.estimates),
    }


async def _read(deals: Deals, its_id: str) -> Opportunity | None:
    """An opportunity as it is now; None: it is gone."""
    try:
        return await deals.crm.opportunity(its_id)
    except NotFound:
        async with transaction(deals.pool) as connection:
            await copies.gone(connection, deals.tenant_id, CRM_OPPORTUNITIES, [its_id])
        return None


async def _beside(visit: Visit, marks: Mapping[str, Marks], key: str) -> list[str]:
    """Opportunities that the deal goes on with; none: this may be its only one, or it is being created.

    A deal may have another name by now, as a lead that became a job, and nobody knows which. One that ended
    too long ago to be written is there, under its own.
    """
    deals = visit.deals
    if key in marks:
        own = [marks[key]]
    elif key in {each.key for each in await all_wanted(visit.facts, deals.rules, deals.clock.now())}:
        own = []
    else:
        own = list(marks.values())
    found = [each.opportunity_id for each in own if each.opportunity_id is not None]
    but = key if key in marks else None
    if found and await rows.is_named(deals.pool, deals.tenant_id, key, field=deciding.DEAL_FIELD, but=but):
        return []  # it may be the other deal's
    return found


async def _list(visit: Visit, seen: Opportunity, key: str, beside: list[str]) -> None:
    deals = visit.deals
    async with transaction(deals.pool) as connection:
        await _keep(connection, deals, visit.account.stages, seen)
        await rows.note_conflict(
            connection,
            deals.tenant_id,
            Marks(deal=key, customer_id=visit.facts.customer.st_id, opportunity_id=seen.id),
            field=TWIN,
            ours=beside[0] if len(beside) == 1 else None,
            theirs=seen.id,
            kept=deciding.THEIRS,
            sentence=(
                f"The CRM has a second opportunity of the deal {key}, {seen.id}, beside {', '.join(beside)}: "
                "`ours` closes it, `theirs` leaves it open."
            ),
        )
    visit.placed.conflicts += 1


async def _keep(connection: Connection, deals: Deals, stages: Stages, seen: Opportunity) -> None:
    names = stages.names(seen.stage_id)
    await copies.put_opportunity(connection, deals.tenant_id, seen, names=names)


async def close(deals: Deals, asked: Conflict, *, by: str) -> None:
    """Close the second opportunity, as a person says; the caller holds the customer.

    Raises NotConnected where nothing may be written, NothingKnown where it is a deal's own by now, and
    BadArgument where the deal has no other one any more.
    """
    if not deals.enabled:
        raise NotConnected(
            "Nothing is written to the CRM while GHL_SYNC_ENABLED is not true: set it, or close the "
            f"opportunity {asked.theirs} there."
        )
    await deals.at_home()
    stages, its_id = await deals.stages(), str(asked.theirs)
    owner = (await rows.with_opportunities(deals.pool, deals.tenant_id, [its_id])).get(its_id)
    if owner is not None:
        async with transaction(deals.pool) as connection:
            await rows.settle_twins(connection, deals.tenant_id, [asked.deal])
        raise NothingKnown(f"The opportunity {its_id} is the deal {owner.deal}'s own by now: it stays.")
    survivor = await facts.survivor(deals.pool, deals.tenant_id, deals.entities, asked.customer_id)
    family = [asked.customer_id, survivor]
    found = await rows.of_customers(deals.pool, deals.tenant_id, family, [asked.deal])
    own = [found[asked.deal]] if asked.deal in found else list(found.values())
    if not any(each.opportunity_id for each in own):
        raise BadArgument(f"The opportunity {its_id} is the only one of its deal by now: choose `theirs`.")
    seen = await _read(deals, its_id)
    closes = seen is not None and seen.status is DealStatus.OPEN
    if closes:
        seen = await deals.crm.update_opportunity(its_id, _CLOSED)
    marks = Marks(deal=asked.deal, customer_id=asked.customer_id, opportunity_id=its_id)
    async with transaction(deals.pool) as connection:
        await rows.decide_conflict(connection, deals.tenant_id, asked.id, decision=deciding.OURS, by=by)
        if seen is not None:
            await _keep(connection, deals, stages, seen)
        if closes:
            await rows.note_closed(connection, deals.tenant_id, marks, event_id=None)
