"""Which opportunities a check reads anew within its requests, and how sure that makes of the others.

A page brings hundreds for one request. Where all pages are within the allowance, all are read, and the check
is certain. Where they are not, it goes on behind the page that the check before it ended with, and draws some
of the others at random.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from perfectcatch.deals.desk import Account, Deals
from perfectcatch.deals.hints import OPPORTUNITY, read_again, take
from perfectcatch.kit.certainty import most_wrong, percent
from perfectcatch.model.crm import Page
from perfectcatch.store import state
from perfectcatch.store.deals import rows
from perfectcatch.store.pool import transaction

REQUESTS: Final = 1000  # half a hundredth of what the CRM answers a day, and two minutes of its rate
_PLACE: Final = "deals_check"  # kept: behind which page the next check goes on
_SINGLE: Final = 4  # one of so many requests is kept for opportunities that are drawn at random


@dataclass(slots=True, kw_only=True)
class Allowance:
    """Requests that may still be made, and how many were."""

    left: int
    used: int = 0

    def spend(self, number: int = 1) -> None:
        """So many are made."""
        self.left -= number
        self.used += number


@dataclass(slots=True, kw_only=True)
class Read:
    """Opportunities of deals that were read anew: ``total`` there are, ``drawn`` were drawn at random.

    ``compared``: those of them whose records tell what they should say.
    """

    total: int = 0
    ids: set[str] = field(default_factory=set)
    drawn: set[str] = field(default_factory=set)
    compared: set[str] = field(default_factory=set)

    @property
    def certain(self) -> bool:
        """Whether every one was read."""
        return len(self.every) >= self.total

    @property
    def every(self) -> set[str]:
        """All that were read."""
        return self.ids | self.drawn

    def at_most(self, wrong: Iterable[str]) -> float:
        """With 95 % certainty at most this share of what was not read differs; ``wrong``: what does."""
        if self.certain:
            return 0.0
        found = len(self.drawn & set(wrong))
        left = most_wrong(self.total - len(self.ids), len(self.drawn), found) - found
        return left / (self.total - len(self.every))

    def sure(self, wrong: Iterable[str]) -> str:
        """How sure it is, in one sentence."""
        without = len(self.every) - len(self.compared)
        of_none = f"; {without:,} that no record asks for now were read and compared with nothing"
        if self.certain and without:
            return f"certain of {len(self.compared):,} of {self.total:,} opportunities{of_none}"
        if self.certain:
            return f"certain: all {self.total:,} opportunities were compared"
        said = f"{len(self.compared):,} of {self.total:,} opportunities compared"
        if without:
            said += of_none
        if self.drawn:
            said += f"; with 95 % certainty at most {percent(self.at_most(wrong))} of the others differ"
        return f"{said}; the next check goes on behind them, and more requests make it surer"


async def read_anew(deals: Deals, account: Account, allowance: Allowance, first: Page) -> Read:
    """Read opportunities into the copies. ``first``: the first page, which was read already."""
    ours = set(await rows.opportunities(deals.pool, deals.tenant_id))
    read = Read(total=len(ours))
    size = max(1, len(first.records))
    pages = -(-(first.total or size) // size)
    if first.after is None or pages - 1 <= allowance.left:
        await _keep(deals, account, [first])
        read.ids |= {each.id for each in first.records} & ours
        if first.after is None or await _pages(deals, account, allowance, read, ours, first.after):
            await _singly(deals, allowance, read, sorted(ours - read.ids), drawn=False)
            return read
    kept = (await state.get(deals.pool, deals.tenant_id, _PLACE)).get(_PLACE)
    part = Allowance(left=allowance.left - allowance.left // _SINGLE)
    await _pages(deals, account, part, read, ours, kept)
    allowance.spend(part.used)
    others = sorted(ours - read.ids)
    random.shuffle(others)
    await _singly(deals, allowance, read, others, drawn=True)
    return read


async def _pages(
    deals: Deals, account: Account, allowance: Allowance, read: Read, ours: set[str], after: str | None
) -> bool:
    """Read page after page, and keep the place; whether the last one was reached."""
    if allowance.left < 1:
        return False
    async for page in deals.crm.opportunity_pages(after):
        allowance.spend()
        await _keep(deals, account, [page], after=page.after)
        read.ids |= {each.id for each in page.records} & ours
        if page.after is None:
            return True
        if allowance.left < 1:
            return False
    return True


async def _keep(deals: Deals, account: Account, pages: list[Page], *, after: str | None = None) -> None:
    async with transaction(deals.pool) as connection:
        for page in pages:
            await take(deals, connection, account, page.records)
        if after is None:
            await state.forget(connection, deals.tenant_id, _PLACE)
        else:
            await state.put(connection, deals.tenant_id, _PLACE, after)


async def _singly(deals: Deals, allowance: Allowance, read: Read, ids: list[str], *, drawn: bool) -> None:
    """Ask for opportunities one by one: what no page brought may be gone."""
    for its_id in ids:
        if allowance.left < 1:
            return
        allowance.spend()
        await read_again(deals, OPPORTUNITY, its_id)
        (read.drawn if drawn else read.ids).add(its_id)
