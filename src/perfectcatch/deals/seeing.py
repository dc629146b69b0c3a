"""What the CRM has of a deal: ours by id, one that we may have created, or a person's that becomes ours."""

from datetime import timedelta
from typing import Final

from perfectcatch.deals import deciding
from perfectcatch.deals.attempts import CREATE_SECONDS, left, wait_for
from perfectcatch.deals.deciding import Texts
from perfectcatch.deals.visit import Visit
from perfectcatch.errors import NotFound
from perfectcatch.model.crm import DealStatus, Opportunity
from perfectcatch.model.deals import Marks
from perfectcatch.store.deals import copies, rows

_SKEW: Final = timedelta(minutes=5)  # between our clock and the CRM's


async def present(visit: Visit, marks: Marks, said: Texts) -> Opportunity | None:
    """The deal's opportunity as it is now: ours by id, one that we may have created, or a person's."""
    deals = visit.deals
    if marks.opportunity_id is not None:
        try:
            return await deals.crm.opportunity(marks.opportunity_id)
        except NotFound:
            return None
    if marks.creating_at is not None and (ours := await made(visit, marks)) is not None:
        return ours
    pipeline = (said[deciding.STAGE] or "").partition("/")[0]
    if deals.rules.reuse == "open":
        usable = [
            each
            for each in await _free(visit)
            if each.status is DealStatus.OPEN and each.pipeline_id == pipeline
        ]
        for each in sorted(usable, key=lambda each: (each.added_at is None, each.added_at, each.id)):
            if (persons := await _persons(visit, marks, each.id)) is not None:
                return persons
    return None


async def _persons(visit: Visit, marks: Marks, its_id: str) -> Opportunity | None:
    """The opportunity, unless another deal of ours made it, whose worker has not kept it yet.

    It is read by itself, because a list may leave out the field that tells.
    """
    try:
        each = await visit.deals.crm.opportunity(its_id)
    except NotFound:
        return None
    return each if _key(visit, each) in (None, marks.deal) else None


async def made(visit: Visit, marks: Marks) -> Opportunity | None:
    """What a creation of unknown outcome has made; None: nothing. Raises Retry while nobody can tell.

    It is known by the deal's name that we wrote into it, and looked for in the list of the contact, which is
    a search and behind, and among what pulls and webhooks have brought, each read by its id.
    """
    assert marks.creating_at is not None
    seconds = left(visit.deals, marks.creating_at)
    visit.there = None
    since = marks.creating_at - timedelta(seconds=CREATE_SECONDS) - _SKEW
    found = await _free(visit)
    if marks.contact_id not in (None, visit.contact_id):
        found += await _free_of(visit, str(marks.contact_id))
    known = {each.id for each in found}
    contacts = [visit.contact_id, *filter(None, [marks.contact_id])]
    told = await copies.of_contacts(visit.deals.pool, visit.deals.tenant_id, contacts)
    recent = [each.id for each in found if each.added_at is None or each.added_at >= since]
    ours = [each for each in found if _is_made(visit, marks, each)]
    # A list may leave out custom fields: what is recent, or not listed yet, is read by itself.
    for its_id in () if ours else (*recent, *(each for each in told if each not in known)):
        try:
            each = await visit.deals.crm.opportunity(its_id)
        except NotFound:
            continue
        if _is_made(visit, marks, each) or (its_id in recent and _may_be(visit, marks, each)):
            ours.append(each)
    if ours:
        return min(ours, key=lambda each: (each.added_at is None, each.added_at, each.id))
    wait_for(seconds, "An opportunity")
    return None


def _is_made(visit: Visit, marks: Marks, each: Opportunity) -> bool:
    key = (marks.pending or {}).get(deciding.DEAL_FIELD) or marks.deal
    return _key(visit, each) == key


def _may_be(visit: Visit, marks: Marks, each: Opportunity) -> bool:
    """Where the CRM kept no name of a deal, what is called as it was to be called counts."""
    return _key(visit, each) is None and each.name == (marks.pending or {}).get(deciding.NAME)


def _key(visit: Visit, each: Opportunity) -> str | None:
    said = each.custom.get(visit.account.of_opportunities.get(deciding.DEAL_FIELD, ""))
    return str(said) if said else None


async def _free(visit: Visit) -> list[Opportunity]:
    """Opportunities of the contact that are no deal's."""
    if visit.there is None:
        found = await visit.deals.crm.opportunities_of(visit.contact_id)
        visit.there = {each.id: each for each in found}
    return await _untaken(visit, list(visit.there.values()))


async def _free_of(visit: Visit, contact_id: str) -> list[Opportunity]:
    """The same of the contact that it was being created for, who may be another one by now."""
    try:
        return await _untaken(visit, list(await visit.deals.crm.opportunities_of(contact_id)))
    except NotFound:
        return []


async def _untaken(visit: Visit, found: list[Opportunity]) -> list[Opportunity]:
    ids = [each.id for each in found]
    taken = await rows.with_opportunities(visit.deals.pool, visit.deals.tenant_id, ids)
    return [each for each in found if each.id not in taken]
