"""Two opportunities of one deal: the CRM carried out a creation that we had given up. One of them goes on.

No list of the CRM tells for certain that nothing was created, so what comes too late is found afterwards, by
the deal's name that we wrote into it, and closed. What a person has taken on is left to people, and listed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from perfectcatch.deals import deciding
from perfectcatch.deals.desk import Deals
from perfectcatch.deals.visit import Visit, all_wanted
from perfectcatch.errors import NotFound
from perfectcatch.model.crm import DealStatus, Opportunity, OpportunityChange
from perfectcatch.model.deals import Marks
from perfectcatch.store.deals import copies, rows
from perfectcatch.store.pool import transaction

TWIN: Final = "twin"  # a field of conflicts: ``theirs`` is the opportunity that came too late


async def close(deals: Deals, opportunity_id: str) -> Opportunity:
    """Close an opportunity that another one stands for."""
    return await deals.crm.update_opportunity(opportunity_id, OpportunityChange(status=DealStatus.ABANDONED))


async def close_twins(visit: Visit) -> None:
    """Close what carries one of our deals' names and is no deal's, as far as copies tell of it."""
    deals = visit.deals
    field_id = visit.account.of_opportunities.get(deciding.DEAL_FIELD)
    if field_id is None:
        return
    marks = await rows.of_customers(deals.pool, deals.tenant_id, visit.facts.family, [])
    contacts = {visit.contact_id, *(each.contact_id for each in marks.values() if each.contact_id)}
    for its_id, key, name in await copies.open_and_nobodys(
        deals.pool, deals.tenant_id, sorted(contacts), field_id
    ):
        if key is None and name not in {each.written.get(deciding.NAME) for each in marks.values()}:
            continue
        try:
            seen = await deals.crm.opportunity(its_id)  # a list may leave out the field that tells
        except NotFound:
            continue
        said = seen.custom.get(field_id)
        if not said or seen.status is not DealStatus.OPEN:
            continue
        # The only one of a deal is no second one, though it may have ended too long ago.
        mine = marks.get(str(said)) or await _heir(visit, marks, str(said))
        if mine is not None and mine.opportunity_id is not None and not _is_awaited(marks, str(said)):
            await _close(visit, seen, mine)


async def _heir(visit: Visit, marks: Mapping[str, Marks], key: str) -> Marks | None:
    """The deal that has another name by now, as a lead that became a job; None: that deal is there still."""
    now = visit.deals.clock.now()
    if key in {each.key for each in await all_wanted(visit.facts, visit.deals.rules, now)}:
        return None
    return next((each for each in marks.values() if each.opportunity_id is not None), None)


def _is_awaited(marks: Mapping[str, Marks], key: str) -> bool:
    """Whether a creation is under way that it may be."""
    awaited = {
        name
        for each in marks.values()
        if each.opportunity_id is None and each.creating_at is not None
        for name in (each.deal, (each.pending or {}).get(deciding.DEAL_FIELD))
    }
    return key in awaited


async def _close(visit: Visit, seen: Opportunity, mine: Marks) -> None:
    deals = visit.deals
    theirs = bool(seen.assigned_to)
    if not theirs:
        seen = await close(deals, seen.id)
        visit.placed.updated += 1
    what = (
        "it has an owner, so whether it is closed, a person has to say"
        if theirs
        else f"it was closed as abandoned, and {mine.opportunity_id} goes on"
    )
    place = visit.account.stages.stage(seen.stage_id)
    names = (place[0].name, place[1].name) if place is not None else (None, None)
    async with transaction(deals.pool) as connection:
        await copies.put_opportunity(connection, deals.tenant_id, seen, names=names)
        await rows.note_conflict(
            connection,
            deals.tenant_id,
            replace(mine, opportunity_id=seen.id),
            field=TWIN,
            ours=mine.opportunity_id,
            theirs=seen.id,
            kept=deciding.THEIRS if theirs else deciding.OURS,
            sentence=f"The CRM has a second opportunity of this deal, {seen.id}: {what}.",
        )
    visit.placed.conflicts += 1
