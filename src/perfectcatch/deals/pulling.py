"""Copies of what the CRM has: everything, or what is new since; a pull that is broken off goes on."""

from collections.abc import AsyncIterator, Callable
from typing import Final

from perfectcatch.deals.desk import Account, Deals
from perfectcatch.deals.hints import CONTACT, OPPORTUNITY, gone, take
from perfectcatch.errors import BadArgument, NotFound, PerfectCatchError
from perfectcatch.model.crm import Page
from perfectcatch.store import state
from perfectcatch.store.deals import copies
from perfectcatch.store.deals.copies import Counts
from perfectcatch.store.names import CRM_CONTACTS, CRM_OPPORTUNITIES
from perfectcatch.store.pool import transaction

KINDS: Final = {"contacts": CONTACT, "opportunities": OPPORTUNITY}
_TABLES: Final = {"contacts": CRM_CONTACTS, "opportunities": CRM_OPPORTUNITIES}
_MOST_GONE: Final = 500  # looked at one by one after a whole pull; more than that is for the next one

Progress = Callable[[str, int, int | None], None]


async def pull(
    deals: Deals, what: str, *, full: bool = True, progress: Progress = lambda *_: None
) -> dict[str, Counts]:
    """Read contacts, opportunities, or both (``all``). ``full``: from the beginning, and see what is gone.

    A full pull that was broken off goes on where it was. Otherwise it begins with the last page of the one
    before, which brings what is new where the CRM tells in the order of changes.
    """
    names = list(KINDS) if what == "all" else [what]
    if any(name not in KINDS for name in names):
        raise BadArgument(f"Nothing is called {what!r} there: give contacts, opportunities or all.")
    return {name: await _one(deals, name, full=full, progress=progress) for name in names}


async def _one(deals: Deals, name: str, *, full: bool, progress: Progress) -> Counts:
    counts = Counts()
    run = await copies.begin_run(
        deals.pool,
        deals.tenant_id,
        sync_type="full" if full else "incremental",
        direction="ghl_to_st",
        subject=name,
    )
    try:
        await _pages(deals, name, full, counts, progress)
    except PerfectCatchError as error:
        await copies.end_run(deals.pool, deals.tenant_id, run, counts, status="failed", error=str(error))
        raise
    await copies.end_run(deals.pool, deals.tenant_id, run, counts, status="succeeded")
    return counts


async def _pages(deals: Deals, name: str, full: bool, counts: Counts, progress: Progress) -> None:
    account = await deals.account()
    under_way, tail = f"ghl_{name}_cursor", f"ghl_{name}_tail"
    kept = await state.get(deals.pool, deals.tenant_id, under_way, tail)
    begin = kept.get(under_way) if full else kept.get(tail)
    whole = full and begin is None
    there = set(await copies.there(deals.pool, deals.tenant_id, _TABLES[name])) if whole else set()
    here, read = begin, 0
    async for page in _source(deals, name, begin):
        await _page(deals, account, page, counts, {under_way: page.after if full else None, tail: here})
        there.difference_update(each.id for each in page.records)
        read += len(page.records)
        here = page.after or here
        progress(name, read, page.total)
    for its_id in sorted(there)[:_MOST_GONE] if whole else ():
        await _look(deals, KINDS[name], its_id)


def _source(deals: Deals, name: str, begin: str | None) -> AsyncIterator[Page]:
    if name == "contacts":
        return deals.crm.contact_pages(begin)
    return deals.crm.opportunity_pages(begin)


async def _page(
    deals: Deals, account: Account, page: Page, counts: Counts, cursors: dict[str, str | None]
) -> None:
    """A page and the place behind it, together."""
    async with transaction(deals.pool) as connection:
        for change in await take(deals, connection, account, page.records):
            counts.note(change)
        for key, value in cursors.items():
            if value is None:
                await state.forget(connection, deals.tenant_id, key)
            else:
                await state.put(connection, deals.tenant_id, key, value)


async def _look(deals: Deals, kind: str, its_id: str) -> None:
    """A record that a whole pull did not bring may be gone, or may have been missed: ask for it."""
    try:
        if kind == CONTACT:
            await deals.crm.contact(its_id)
        else:
            await deals.crm.opportunity(its_id)
    except NotFound:
        await gone(deals, kind, its_id)
