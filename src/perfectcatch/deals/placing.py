"""Bring the deals of one customer to the CRM: read what is there, write what differs, and nothing twice.

The function is idempotent and runs for one customer at a time, in whatever process. What is about to be
created or written is kept first; after an answer that never came, the CRM is read before anything else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from perfectcatch.deals import deciding
from perfectcatch.deals.contacts import Deleted, contact_of
from perfectcatch.deals.desk import Deals
from perfectcatch.deals.journey import one_of, shared_key, sharing
from perfectcatch.deals.seeing import present
from perfectcatch.deals.twins import look_for_twins
from perfectcatch.deals.visit import ABANDONED, Placed, Visit, all_wanted, mark_customer
from perfectcatch.deals.writing import abandon, create, gone, note, write
from perfectcatch.errors import AskPerson, NotFound, VendorRefused
from perfectcatch.model.deals import Facts, Marks, Wanted
from perfectcatch.store.deals import facts, rows
from perfectcatch.store.deals.turns import turn
from perfectcatch.store.pool import transaction


async def place(
    deals: Deals, customer_id: int, *, looks: bool = False, late: bool = False, event_id: int | None = None
) -> Placed:
    """Bring a customer's deals to the CRM.

    ``looks``: read the CRM even where nothing of ours has changed. ``late``: also journeys that ended long
    ago. Raises Retry, ``Ambiguous`` where a person has to say who the contact is, AskPerson, and
    VendorRefused with the CRM's words after everything else of the customer was done.
    """
    async with turn(deals.pool, deals.tenant_id, customer_id, deals.clock):
        known = await facts.facts_of(deals.pool, deals.tenant_id, deals.entities, customer_id)
        if known is None:
            return Placed()
        if known.customer.st_id == customer_id:
            return await _place(deals, known, looks=looks, late=late, event_id=event_id)
    # Who was merged is done as the survivor, under the survivor's lock.
    return await place(deals, known.customer.st_id, looks=looks, late=late, event_id=event_id)


async def _place(deals: Deals, known: Facts, *, looks: bool, late: bool, event_id: int | None) -> Placed:
    now = deals.clock.now()
    everything = await all_wanted(known, deals.rules, now, deals.parts)
    marks = await rows.of_customers(
        deals.pool, deals.tenant_id, known.family, [each.key for each in everything]
    )
    placed = Placed()
    asked = [each for each in everything if late or each.key in marks or not _long_over(each, deals)]
    if not asked and not marks:
        return placed
    units = (each.unit for each in everything if each.unit is not None)
    account = await deals.account_with(each.pipeline_id for each in units if each.pipeline_id)
    if account.one_a_contact and shared_key(known.customer.st_id) in marks:
        asked = list(everything)
    try:
        link, said = await contact_of(deals, account, known, looks=looks, news=event_id is not None)
    except Deleted:
        return placed  # it is listed for a person, and no error: somebody wanted it so
    placed.contact_id = link.ghl_contact_id
    placed.refusals += [said] if said else []
    assert link.ghl_contact_id is not None
    visit = Visit(
        deals=deals,
        account=account,
        facts=known,
        contact_id=link.ghl_contact_id,
        looks=looks,
        event_id=event_id,
        placed=placed,
    )
    await _all(visit, asked, marks)
    if looks or visit.adopts:
        await look_for_twins(visit)
    await mark_customer(visit)
    if placed.refusals:
        raise VendorRefused(placed.refusals[0], status=422, cause="The CRM refused a part of it.")
    return placed


def _shared(visit: Visit) -> str:
    return shared_key(visit.facts.customer.st_id)


def _long_over(each: Wanted, deals: Deals) -> bool:
    if not each.over or each.moved_at is None:
        return False
    return deals.clock.now() - each.moved_at > timedelta(days=deals.rules.late_days)


async def _all(visit: Visit, asked: Sequence[Wanted], marks: dict[str, Marks]) -> None:
    beside: Sequence[str] = ()
    yielding: str | None = None
    if visit.account.one_a_contact and asked:
        own, deleted = deciding.showing(marks)
        asked, beside, yielding = sharing(asked, own, _shared(visit), deleted)
    orphans = sorted(await _orphans(visit, asked, marks), key=lambda key: key != yielding)
    await _adopt(visit, asked, marks, orphans)
    for each in asked:
        await _carefully(visit, each, marks.get(each.key), beside)
    for key in orphans:
        if key not in marks:
            continue
        try:
            await abandon(visit, marks[key])
        except VendorRefused as error:
            visit.placed.refusals.append(f"{key}: {error}")


async def _orphans(visit: Visit, asked: Sequence[Wanted], marks: Mapping[str, Marks]) -> list[str]:
    """Deals whose records are gone; what is only switched off is still there."""
    now = visit.deals.clock.now()
    there = {each.key for each in asked}
    if not visit.account.one_a_contact:
        there |= {each.key for each in await all_wanted(visit.facts, visit.deals.rules, now)}
    found = [
        key
        for key, mark in marks.items()
        if key not in there
        and (mark.opportunity_id is not None or mark.creating_at is not None)
        and mark.written.get(deciding.STATUS) != ABANDONED
    ]
    return sorted(found, key=lambda key: marks[key].opportunity_id is None)


async def _adopt(
    visit: Visit, asked: Sequence[Wanted], marks: dict[str, Marks], orphans: Sequence[str]
) -> None:
    """Opportunities whose deal is no more go on as those of deals that have none: a lead becomes its job.

    One that may just have been created goes on as well, with what it is known by. What several deals shared
    goes on as the one that it showed. A deal of which the account took none, and no more is known, has none.
    """
    without = [each for each in asked if each.key not in marks or deciding.is_blank(marks[each.key])]
    for old in orphans[: len(without)]:
        heir = one_of(without) if old == _shared(visit) else without[0]
        without.remove(heir)
        new = heir.key
        async with transaction(visit.deals.pool) as connection:
            await rows.rename(connection, visit.deals.tenant_id, old, new, instead=new in marks)
        marks[new] = replace(marks.pop(old), deal=new)


async def _carefully(visit: Visit, want: Wanted, mark: Marks | None, beside: Sequence[str]) -> None:
    """One deal; that the CRM refuses it keeps no other from being written."""
    try:
        await _one(visit, want, mark or Marks(deal=want.key, customer_id=visit.facts.customer.st_id), beside)
    except VendorRefused as error:
        visit.placed.refusals.append(f"{want.name}: {error}")


async def _is_there(visit: Visit, contact_id: str) -> bool:
    """Whether the contact is there still that an opportunity was moved to: it did not go with it then."""
    try:
        await visit.deals.crm.contact(contact_id)
    except NotFound:
        return False
    return True


async def _one(visit: Visit, want: Wanted, marks: Marks, beside: Sequence[str]) -> None:
    deals, before = visit.deals, marks.opportunity_id
    spot = visit.account.stages.spot(want.step, want.unit)
    if spot is None:
        raise AskPerson(f"The account has no stage for {want.step}: run `perfectcatch ghl check`.")
    said = deciding.texts_wanted(want, spot)
    marks = replace(
        marks, customer_id=visit.facts.customer.st_id, job_id=want.job_id, estimate_id=want.estimate_id
    )
    if not visit.looks and deciding.is_written(said, marks):
        visit.placed.unchanged += 1
        visit.placed.opportunities[want.key] = str(marks.opportunity_id)
        return
    if deciding.GONE in marks.conceded and deciding.is_said(said, marks):
        visit.placed.unchanged += 1  # a person deleted it, and nothing new has happened
        return
    seen = await present(visit, marks, said)
    if seen is None and marks.opportunity_id is not None:
        # An opportunity without a contact is read as one of "".
        if marks.contact_id in (None, "", visit.contact_id) or await _is_there(visit, marks.contact_id):
            await gone(visit, marks, said)
            return
        # It went with its contact, and the customer has another one by now.
        marks = replace(marks, opportunity_id=None, written={}, conceded={}, pending=None)
        seen = await present(visit, marks, said)
    if seen is None:
        marks, created = await create(visit, want, marks, said, spot)
        if created:
            return
        seen = await deals.crm.opportunity(str(marks.opportunity_id))
    visit.adopts = visit.adopts or seen.id != before
    marks = replace(marks, opportunity_id=seen.id, contact_id=seen.contact_id, creating_at=None)
    decided = deciding.decide(
        said,
        deciding.texts_seen(seen, visit.account.of_opportunities),
        marks,
        visit.account.stages,
        deals.rules.forward,
    )
    await write(visit, want, decided, marks, seen, spot)
    await note(visit, want, decided.marks, beside)
