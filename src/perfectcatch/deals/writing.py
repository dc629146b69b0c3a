"""Opportunities are created, changed and closed; what is about to be done is kept before it is done."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from perfectcatch.deals import deciding
from perfectcatch.deals.attempts import deadline, in_time
from perfectcatch.deals.deciding import Decided, Texts
from perfectcatch.deals.seeing import made
from perfectcatch.deals.visit import ABANDONED, Visit, keep, list_conflicts
from perfectcatch.errors import NotFound, PerfectCatchError, Retry, VendorRefused
from perfectcatch.model.crm import AlreadyThere, DealStatus, Opportunity
from perfectcatch.model.deals import Marks, Spot, Wanted
from perfectcatch.store.deals import copies, rows
from perfectcatch.store.names import CRM_OPPORTUNITIES
from perfectcatch.store.pool import transaction

_CLOSED: Final[Texts] = {deciding.STATUS: ABANDONED}


async def create(visit: Visit, want: Wanted, marks: Marks, said: Texts, spot: Spot) -> tuple[Marks, bool]:
    """Add the opportunity; False: the account has one for the contact and takes no second one."""
    deals = visit.deals
    marks = replace(
        marks,
        opportunity_id=None,
        contact_id=visit.contact_id,
        written={},
        conceded={},
        pending={name: value for name, value in said.items() if value is not None},
        creating_at=deadline(deals),
    )
    await _put(visit, marks)
    said = {name: value for name, value in said.items() if value is not None}
    change = deciding.change_of(said, visit.account.of_opportunities)
    try:
        new = await in_time(deals.crm.create_opportunity(visit.contact_id, change), "an opportunity")
    except AlreadyThere as error:
        return await _existing(visit, marks, error), False
    except PerfectCatchError:
        # Over, with whatever end: some refusals are answered although the opportunity was created.
        await _put(visit, replace(marks, creating_at=deals.clock.now()))
        raise
    marks = replace(marks, opportunity_id=new.id, written=said, pending=None, creating_at=None)
    marks = deciding.answered(marks, said, deciding.texts_seen(new, visit.account.of_opportunities))
    await keep(visit, want, marks, new, kind="created", changes=said, spot=spot)
    visit.placed.created += 1
    return marks, True


async def _put(visit: Visit, marks: Marks) -> None:
    async with transaction(visit.deals.pool) as connection:
        await rows.put(connection, visit.deals.tenant_id, marks)


async def _existing(visit: Visit, marks: Marks, error: AlreadyThere) -> Marks:
    """The one that is there becomes ours; where it is another deal's, deals share one from now on."""
    deals = visit.deals
    if error.existing_id is None:
        visit.there = None
        raise Retry(f"The CRM says that there is one and not which: {error.sentence}", after_seconds=10)
    owner = (await rows.with_opportunities(deals.pool, deals.tenant_id, [error.existing_id])).get(
        error.existing_id
    )
    if owner is not None and owner.deal != marks.deal:
        if owner.customer_id in visit.facts.family and owner.written.get(deciding.STATUS) == ABANDONED:
            # The records that it stood for are gone, and it was closed: it goes on as this deal's.
            async with transaction(deals.pool) as connection:
                await rows.forget(connection, deals.tenant_id, error.existing_id)
            return replace(marks, opportunity_id=error.existing_id, written=owner.written, pending=None)
        await _put(visit, replace(marks, pending=None, creating_at=None))  # nothing was created
        if deals.rules.one_a_contact == "never" or owner.customer_id not in visit.facts.family:
            raise VendorRefused(
                error.sentence,
                status=422,
                cause="The contact takes one opportunity, and another deal has it: a person has to decide.",
            )
        await deals.learn_one_a_contact(
            said=error.sentence, contact=visit.contact_id, opportunity=error.existing_id
        )
        raise _Shared(error.sentence)
    # What was to be created stays known: the one that is there may be ours, shown by no search so far.
    return replace(marks, opportunity_id=error.existing_id, creating_at=None)


class _Shared(Retry):
    """The account takes one opportunity a contact, and another deal of the customer has it."""


async def write(
    visit: Visit, want: Wanted, decided: Decided, before: Marks, seen: Opportunity, spot: Spot
) -> None:
    """Change what was decided; what is being written is kept before, so that it is known for ours.

    With it what is there now, so that what is read after a lost answer tells how it ended: the one is ours,
    the other says that nothing has arrived, and a third is a person's. What was decided about fields that are
    not written stands at once.
    """
    deals = visit.deals
    marks = decided.marks
    if decided.changes:
        there = deciding.texts_seen(seen, visit.account.of_opportunities)
        former = {name: there[name] for name in decided.changes}
        left = {name: before.conceded[name] for name in decided.changes if name in before.conceded}
        async with transaction(deals.pool) as connection:
            pending = replace(
                marks,
                written={**marks.written, **former},
                conceded={**marks.conceded, **left},
                pending=decided.changes,
            )
            await rows.put(connection, deals.tenant_id, pending)
            await list_conflicts(visit, connection, before, decided)
        decided = replace(decided, conflicts=())
        change = deciding.change_of(decided.changes, visit.account.of_opportunities)
        seen = await deals.crm.update_opportunity(seen.id, change)
        texts = deciding.texts_seen(seen, visit.account.of_opportunities)
        marks = deciding.answered(marks, decided.changes, texts)
        visit.placed.updated += 1
    else:
        visit.placed.unchanged += 1
    await keep(visit, want, marks, seen, kind="changed", changes=decided.changes, spot=spot, decided=decided)


async def note(visit: Visit, want: Wanted, marks: Marks, beside: Sequence[str]) -> None:
    """Say once on the contact which deals share the opportunity."""
    said = ", ".join(sorted(beside))
    if not said or marks.note == said:
        return
    body = (
        f"This account takes one opportunity a contact. It shows {want.name}; "
        f"these have none of their own: {said}."
    )
    there = await visit.deals.crm.notes_of(visit.contact_id)
    if not any(each.says(body) for each in there):  # else it was written, and its answer lost
        await visit.deals.crm.add_note(visit.contact_id, body)
    await _put(visit, replace(marks, note=said))


async def abandon(visit: Visit, marks: Marks) -> None:
    """The records that an opportunity stood for are gone: it is closed, and stays."""
    if marks.written.get(deciding.STATUS) == ABANDONED:
        return
    deals = visit.deals
    if marks.opportunity_id is None:  # it was being created when its records went away
        found = await made(visit, marks)
        marks = replace(marks, opportunity_id=found.id if found is not None else None, creating_at=None)
        if found is None:
            await _put(visit, replace(marks, pending=None))
            return
    try:
        seen = await deals.crm.opportunity(str(marks.opportunity_id))
        there = deciding.texts_seen(seen, visit.account.of_opportunities)
        before = seen
        if seen.status is not DealStatus.ABANDONED:
            arrived = {
                name: value for name, value in (marks.pending or {}).items() if there.get(name) == value
            }
            written = {**marks.written, **arrived, deciding.STATUS: seen.status.value}
            marks = replace(marks, written=written, pending=_CLOSED)
            await _put(visit, marks)
            seen = await deals.crm.update_opportunity(seen.id, deciding.change_of(_CLOSED, {}))
            visit.placed.updated += 1
    except NotFound:
        await gone(visit, marks, None)
        return
    await _abandoned(visit, marks, before, seen)


async def _abandoned(visit: Visit, marks: Marks, before: Opportunity, seen: Opportunity) -> None:
    """Keep that it was closed: its marks, a line for people, its copy, and the move."""
    deals, names = visit.deals, visit.account.stages.names(seen.stage_id)
    is_ours = marks.pending == _CLOSED  # else a person had closed it, and so nobody moves it now
    async with transaction(deals.pool) as connection:
        left = replace(marks, written={**marks.written, **_CLOSED}, pending=None)
        await rows.put(connection, deals.tenant_id, left)
        await rows.note_conflict(
            connection,
            deals.tenant_id,
            marks,
            field=deciding.STATUS,
            ours=ABANDONED,
            theirs=before.status.value if before is not seen else marks.written.get(deciding.STATUS),
            kept=deciding.OURS,
            sentence="The records that the opportunity stood for are gone: it was closed as abandoned.",
        )
        await copies.put_opportunity(connection, deals.tenant_id, seen, names=names)
        if is_ours:
            await rows.note_closed(connection, deals.tenant_id, marks, event_id=visit.event_id)


async def gone(visit: Visit, marks: Marks, said: Texts | None) -> None:
    """A person deleted it: it comes back when something new happens, and not before."""
    deals, gone = visit.deals, str(marks.opportunity_id)
    written = {**marks.written, **{name: value for name, value in (said or {}).items() if value is not None}}
    kept = replace(
        marks,
        opportunity_id=None,
        written=written,
        conceded={deciding.GONE: gone},
        pending=None,
        creating_at=None,
    )
    async with transaction(deals.pool) as connection:
        await rows.put(connection, deals.tenant_id, kept)
        await copies.gone(connection, deals.tenant_id, CRM_OPPORTUNITIES, [gone])
        await rows.note_conflict(
            connection,
            deals.tenant_id,
            marks,
            field=deciding.GONE,
            ours=said.get(deciding.NAME) if said else None,
            theirs=None,
            kept=deciding.THEIRS,
            sentence="Somebody deleted the opportunity: it is created again when something new happens.",
        )
    visit.placed.conflicts += 1
