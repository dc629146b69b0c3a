"""What the CRM has of a deal: ours by id, one that we may have created, or a person's that becomes ours."""

from datetime import timedelta
from typing import Final

from perfectcatch.deals import deciding
from perfectcatch.deals.deciding import Texts
from perfectcatch.deals.visit import Visit
from perfectcatch.errors import NotFound, Retry
from perfectcatch.model.crm import DealStatus, Opportunity
from perfectcatch.model.deals import Marks
from perfectcatch.store.deals import rows

_SKEW: Final = timedelta(minutes=5)  # between our clock and the CRM's


async def present(visit: Visit, marks: Marks, said: Texts) -> Opportunity | None:
    """The deal's opportunity as it is now: ours by id, one that we may have created, or a person's."""
    deals = visit.deals
    if marks.opportunity_id is not None:
        try:
            return await deals.crm.opportunity(marks.opportunity_id)
        except NotFound:
            return None
    if marks.creating_at is not None:
        wait = timedelta(seconds=deals.rules.settle_seconds) - (deals.clock.now() - marks.creating_at)
        if wait > timedelta(0):
            raise Retry(
                "An opportunity may just have been created: it is looked for in a moment.",
                after_seconds=wait.total_seconds(),
            )
    free = await _free(visit)
    if marks.creating_at is not None:
        since = marks.creating_at - _SKEW
        # What was being created may have said something else than what is to be said now.
        names = {said[deciding.NAME], (marks.pending or {}).get(deciding.NAME)}
        ours = [
            each for each in free if each.name in names and (each.added_at is None or each.added_at >= since)
        ]
        if ours:
            return min(ours, key=lambda each: each.id)
    pipeline = (said[deciding.STAGE] or "").partition("/")[0]
    if deals.rules.reuse == "open":
        usable = [each for each in free if each.status is DealStatus.OPEN and each.pipeline_id == pipeline]
        if usable:
            return min(usable, key=lambda each: (each.added_at is None, each.added_at, each.id))
    return None


async def _free(visit: Visit) -> list[Opportunity]:
    """Opportunities of the contact that are no deal's."""
    if visit.there is None:
        found = await visit.deals.crm.opportunities_of(visit.contact_id)
        visit.there = {each.id: each for each in found}
    taken = await rows.with_opportunities(visit.deals.pool, visit.deals.tenant_id, list(visit.there))
    return [each for each in visit.there.values() if each.id not in taken]
