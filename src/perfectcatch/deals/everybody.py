"""All contacts of the account, read a part at a time, once for everybody who needs to know of each."""

from datetime import datetime
from typing import Any, Final

from perfectcatch.deals.desk import Account, Deals
from perfectcatch.deals.hints import take
from perfectcatch.errors import Retry
from perfectcatch.store import state
from perfectcatch.store.deals.turns import turn
from perfectcatch.store.pool import transaction

_KEPT: Final = "deals_contacts_read"  # when the reading began, and behind which page it goes on
_TURN: Final = -1  # no customer has this number
_PAGES: Final = 20  # at once: ten thousand contacts, and two seconds of what the CRM answers
_AGAIN_SECONDS: Final = 30.0


async def read_contacts(deals: Deals, account: Account, *, since: datetime) -> None:
    """See that copies hold every contact, as a reading found them that began at ``since`` or later.

    Raises Retry until that is so: a large account is read in parts, by one process at a time, and whoever
    waits for it asks again. A reading that is under way is ended before another one begins, so that those
    who come later do not keep it from ever ending.
    """
    async with turn(deals.pool, deals.tenant_id, _TURN, deals.clock, wait_seconds=0):
        pages = 0
        while pages < _PAGES:
            kept: Any = (await state.get(deals.pool, deals.tenant_id, _KEPT)).get(_KEPT)
            begun = datetime.fromisoformat(kept["begun_at"]) if kept else deals.clock.now()
            if kept and kept["over"]:
                if begun >= since:
                    return
                kept, begun = None, deals.clock.now()
            pages += await _part(deals, account, begun, kept["after"] if kept else None, _PAGES - pages)
    raise Retry(
        "All contacts are being read, because the CRM cannot search them by our number.",
        after_seconds=_AGAIN_SECONDS,
    )


async def _part(deals: Deals, account: Account, begun: datetime, after: str | None, most: int) -> int:
    """Read so many pages at most, and keep the place behind each with what it brought; how many."""
    pages = 0
    async for page in deals.crm.contact_pages(after):
        pages += 1
        place = {"begun_at": begun.isoformat(), "after": page.after, "over": page.after is None}
        async with transaction(deals.pool) as connection:
            await take(deals, connection, account, page.records)
            await state.put(connection, deals.tenant_id, _KEPT, place)
        if pages == most:
            break
    return pages
