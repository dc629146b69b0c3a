"""Whether the account is as deals need it, and every opportunity as it should be."""

from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from perfectcatch.deals import deciding
from perfectcatch.deals.comparing import REQUESTS, Allowance, read_anew
from perfectcatch.deals.deciding import CUSTOM, CUSTOMER_FIELD
from perfectcatch.deals.desk import Account, Deals, known, rows_of
from perfectcatch.deals.journey import shared_key, sharing
from perfectcatch.deals.mapping import discover, renamed
from perfectcatch.deals.visit import ABANDONED, all_wanted
from perfectcatch.deals.working import drain
from perfectcatch.errors import AskPerson, VendorRefused
from perfectcatch.model.crm import Holder, Page
from perfectcatch.model.deals import STEPS, Facts, Marks, Track, Wanted
from perfectcatch.store.deals import copies, facts, mapping, queue, rows
from perfectcatch.store.deals.queue import Mark
from perfectcatch.store.pool import transaction

_CHUNK: Final = 500
_ACCOUNT: Final = 3  # requests for pipelines and both kinds of fields

Line = dict[str, Any]
Said = dict[str, dict[str, str | None]]


@dataclass(slots=True, kw_only=True)
class Checked:
    """What was found. ``account``: sentences; ``drift``: what opportunities say and should not.

    ``compared``: opportunities that were read anew and compared, of ``opportunities``; ``sure``: what follows
    for the others, in one sentence, and as the share of them that differs ``at_most``.
    """

    account: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    drift: list[dict[str, Any]] = field(default_factory=list)
    looked_at: int = 0
    opportunities: int = 0
    compared: int = 0
    requests: int = 0
    sure: str = "nothing was compared"
    at_most: float | None = None
    repaired: int = 0

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong, or nothing any more."""
        return not self.account and len(self.drift) <= self.repaired


async def check(deals: Deals, *, repair: bool = False, requests: int = REQUESTS) -> Checked:
    """Look at stages, fields and scopes, read opportunities anew within ``requests``, and compare.

    A dozen of the requests are about the account itself. ``repair``: put it right, with what that takes.
    """
    found, allowance = Checked(), Allowance(left=requests)
    await deals.at_home()
    first = await _account(deals, found, allowance, repair=repair)
    found.requests = allowance.used
    if found.account or first is None:
        return found
    deals.forget()  # a pipeline may have been chosen since
    account = await deals.account()
    allowance.spend(_ACCOUNT)
    if account.because is not None:
        found.notes.append(account.because)
    read = await read_anew(deals, account, allowance, first)
    look = _Look(read=read.every, compared=read.compared, opened=found.notes)
    async for customer_id in _customers(deals):
        found.looked_at += 1
        found.drift += [line async for line in _drift(deals, account, customer_id, look)]
    wrong = {line["opportunity_id"] for line in found.drift}
    found.opportunities, found.compared = read.total, len(read.compared)
    found.sure, found.at_most, found.requests = read.sure(wrong), read.at_most(wrong), allowance.used
    if repair and found.drift and deals.enabled:
        customers = {line["customer_id"] for line in found.drift}
        async with transaction(deals.pool) as connection:
            marks = [Mark(customer_id=each, reason="check", looks=True) for each in customers]
            await queue.want(connection, deals.tenant_id, marks)
        await drain(deals)
        left = {each["customer_id"] async for each in _again(deals, account, sorted(customers))}
        found.repaired = sum(line["customer_id"] not in left for line in found.drift)
    return found


async def _account(deals: Deals, found: Checked, allowance: Allowance, *, repair: bool) -> Page | None:
    """Pipelines, custom fields and permissions, each asked for by itself; the first page of opportunities."""
    first: Page | None = None

    async def opportunities() -> None:
        nonlocal first
        first = await anext(aiter(deals.crm.opportunity_pages()))

    asked: tuple[tuple[str, Callable[[], Awaitable[object]]], ...] = (
        ("pipelines", deals.crm.pipelines),
        ("custom fields of contacts", lambda: deals.crm.custom_fields(Holder.CONTACT)),
        ("custom fields of opportunities", lambda: deals.crm.custom_fields(Holder.OPPORTUNITY)),
        ("contacts", lambda: anext(aiter(deals.crm.contact_pages()))),
        ("opportunities", opportunities),
    )
    for what, ask in asked:
        allowance.spend()
        try:
            await ask()
        except (AskPerson, VendorRefused) as error:
            found.account.append(f"The {what} cannot be read: {error}")
    if found.account:
        return None
    allowance.spend(_ACCOUNT)
    before = await mapping.load(deals.pool, deals.tenant_id)
    stages = discover(await deals.crm.pipelines(), deals.rules, map(known, before))
    found.notes += renamed(stages, map(known, before))
    found.account += [
        f"The account has no stage for {step}: add one, or name it in GHL_RULES_FILE."
        for step in stages.missing
    ]
    for track in Track:
        lacking = [step.value for step in STEPS[track] if step not in stages.spots]
        if lacking:
            found.notes.append(f"{track}: no stage for {', '.join(lacking)}; the one before stands for it.")
    for holder, names in ((Holder.CONTACT, (CUSTOMER_FIELD,)), (Holder.OPPORTUNITY, CUSTOM)):
        there = {name for each in await deals.crm.custom_fields(holder) for name in (each.name, each.key)}
        found.notes += [
            f"The field {name} of {holder} is missing{'' if repair else ': --repair adds it'}."
            for name in names
            if not any(name in (each, each.rpartition(".")[2]) for each in there)
        ]
    if repair and deals.enabled:
        await mapping.save(deals.pool, deals.tenant_id, rows_of(stages))
        deals.forget()
    return first


async def _customers(deals: Deals) -> AsyncIterator[int]:
    """Everybody who has or should have a deal."""
    seen: set[int] = set()
    for name in ("customers", "jobs", "estimates"):
        after = 0
        while page := await facts.touched(
            deals.pool, deals.tenant_id, deals.entities, name, since=None, after=after, limit=_CHUNK
        ):
            after = page[-1][0]
            for _, customer_id in page:
                if customer_id not in seen:
                    seen.add(customer_id)
                    yield customer_id


async def _again(deals: Deals, account: Account, customers: list[int]) -> AsyncIterator[Line]:
    for customer_id in customers:
        async for line in _drift(deals, account, customer_id, _Look()):
            yield line


@dataclass(slots=True, kw_only=True)
class _Look:
    """``read``: what may be compared, None: everything. ``opened``: sentences about what people opened."""

    read: Container[str] | None = None
    compared: set[str] = field(default_factory=set)
    opened: list[str] = field(default_factory=list)

    def compares(self, its_id: str) -> bool:
        if self.read is not None and its_id not in self.read:
            return False
        self.compared.add(its_id)
        return True


async def _drift(deals: Deals, account: Account, customer_id: int, look: _Look) -> AsyncIterator[Line]:
    """What the opportunities of one customer say and should not, by the copies."""
    about = await facts.facts_of(deals.pool, deals.tenant_id, deals.entities, customer_id)
    if about is None or about.customer.st_id != customer_id:
        return
    asked = await all_wanted(about, deals.rules, deals.clock.now(), deals.parts)
    marks = await rows.of_customers(deals.pool, deals.tenant_id, about.family, [each.key for each in asked])
    if account.one_a_contact and asked:
        own, deleted = deciding.showing(marks)
        asked, _, _ = sharing(asked, own, shared_key(customer_id), deleted)
    ids = [mark.opportunity_id for mark in marks.values() if mark.opportunity_id is not None]
    said = await copies.said(deals.pool, deals.tenant_id, ids)
    for each in asked:
        for its_id, name, theirs, ours in _of_deal(each, marks.pop(each.key, None), account, said, look):
            yield _line(customer_id, each.key, its_id, name, theirs, ours)
    for mark in await _orphans(deals, account, about, list(marks.values())):
        if line := _of_orphan(customer_id, mark, said, look):
            yield line


def _of_deal(
    each: Wanted, mark: Marks | None, account: Account, said: Said, look: _Look
) -> Iterator[tuple[str | None, str, Any, Any]]:
    """Id, field, what it is and what it should be."""
    if mark is None or mark.opportunity_id is None:
        unwanted = mark is not None and deciding.GONE in mark.conceded  # a person deleted it
        if not unwanted and (mark is not None or not each.over):
            yield None, "opportunity", "none", "one"
        return
    its_id = mark.opportunity_id
    if not look.compares(its_id):
        return
    copy = said.get(its_id)
    if copy is None:
        yield its_id, "opportunity", "gone", "there"
        return
    for name, theirs, ours in _differences(each, account, copy):
        if mark.conceded.get(name) is None:
            yield its_id, name, theirs, ours


def _of_orphan(customer_id: int, mark: Marks, said: Said, look: _Look) -> Line | None:
    """What was closed because its records are gone stays as a person leaves it: nothing closes it again."""
    its_id = str(mark.opportunity_id)
    if not look.compares(its_id):
        return None
    status = said.get(its_id, {}).get(deciding.STATUS)
    if status in (None, ABANDONED):
        return None
    if mark.written.get(deciding.STATUS) != ABANDONED:
        return _line(customer_id, mark.deal, its_id, deciding.STATUS, status, ABANDONED)
    look.opened.append(
        f"The records of the deal {mark.deal} are gone, and its opportunity {its_id} is {status}: somebody "
        "opened it after it was closed, and it stays so."
    )
    return None


async def _orphans(deals: Deals, account: Account, about: Facts, others: Sequence[Marks]) -> list[Marks]:
    """Of deals that are not asked for those whose records are gone; what is switched off is left alone."""
    found = [each for each in others if each.opportunity_id is not None]
    if not found or account.one_a_contact:
        return found
    there = {each.key for each in await all_wanted(about, deals.rules, deals.clock.now())}
    return [each for each in found if each.deal not in there]


def _differences(each: Wanted, account: Account, copy: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    spot = account.stages.spot(each.step, each.unit)
    if spot is None:
        return
    want = deciding.texts_wanted(each, spot)
    for name in (deciding.STAGE, deciding.STATUS, deciding.VALUE, deciding.NAME):
        if want[name] is not None and copy[name] != want[name]:
            yield name, copy[name], want[name]


def _line(customer_id: int, deal: str, its_id: str | None, name: str, theirs: Any, ours: Any) -> Line:
    return {
        "customer_id": customer_id,
        "deal": deal,
        "opportunity_id": its_id,
        "field": name,
        "is": theirs,
        "should_be": ours,
    }
