"""What the CRM tells by webhooks is a hint: the record is read again. Our own echo changes nothing."""

from collections.abc import Sequence
from typing import Final

import structlog

from perfectcatch.deals.deciding import DEAL_FIELD
from perfectcatch.deals.desk import Account, Deals
from perfectcatch.errors import NotFound, PerfectCatchError
from perfectcatch.model.crm import Contact, Opportunity
from perfectcatch.store import inbox
from perfectcatch.store.deals import copies, links, queue, rows
from perfectcatch.store.deals.copies import Change
from perfectcatch.store.deals.queue import Mark
from perfectcatch.store.names import CRM_CONTACTS, CRM_OPPORTUNITIES
from perfectcatch.store.pool import Connection, transaction

SOURCE: Final = "ghl"
CONTACT: Final = "contact"
OPPORTUNITY: Final = "opportunity"
_AGAIN_SECONDS: Final = 30.0

log = structlog.get_logger(__name__)


async def follow(deals: Deals) -> int:
    """Read again what webhooks have told of; how many there were."""
    done = 0
    while claimed := await inbox.claim_of_source(deals.pool, deals.tenant_id, SOURCE):
        wanted = {hint for each in claimed for hint in each.hints}
        trouble: dict[tuple[str, str], str] = {}
        for hint in sorted(wanted):
            try:
                await read_again(deals, *hint)
            except PerfectCatchError as error:
                trouble[hint] = str(error)
        good = [each.id for each in claimed if not any(hint in trouble for hint in each.hints)]
        await inbox.settle(deals.pool, deals.tenant_id, good)
        bad = [each.id for each in claimed if each.id not in set(good)]
        said = next(iter(trouble.values()), None)
        await inbox.give_back(deals.pool, deals.tenant_id, bad, after_seconds=_AGAIN_SECONDS, error=said)
        done += len(claimed)
    return done


async def read_again(deals: Deals, kind: str, its_id: str) -> Change | None:
    """Read a contact or an opportunity as it is now; None: it is gone."""
    account = await deals.account()
    try:
        if kind == CONTACT:
            record: Contact | Opportunity = await deals.crm.contact(its_id)
        else:
            record = await deals.crm.opportunity(its_id)
    except NotFound:
        await gone(deals, kind, its_id)
        return None
    async with transaction(deals.pool) as connection:
        [change] = await take(deals, connection, account, [record])
    return change


async def take(
    deals: Deals, connection: Connection, account: Account, records: Sequence[Contact | Opportunity]
) -> list[Change]:
    """Keep records as they were read. What differs from what we wrote has its customer looked at."""
    changes = [await _kept(deals, connection, account, each) for each in records]
    changed = [
        (record, change)
        for record, change in zip(records, changes, strict=True)
        if isinstance(record, Opportunity) and change != "unchanged"
    ]
    if not changed:
        return changes
    owners = await rows.owners(connection, deals.tenant_id, [record.id for record, _ in changed])
    marks = [Mark(customer_id=each.customer_id, reason="crm_changed", looks=True) for each in owners.values()]
    # It may be the second one of a deal: a creation of ours that was carried out too late.
    contacts = [
        record.contact_id
        for record, change in changed
        if record.id not in owners and (change == "created" or _deal(record, account) is not None)
    ]
    whose = await links.owners(connection, deals.tenant_id, contacts)
    marks += [
        Mark(customer_id=each, reason="crm_new", looks=True) for found in whose.values() for each in found
    ]
    await queue.want(connection, deals.tenant_id, marks)
    return changes


async def _kept(
    deals: Deals, connection: Connection, account: Account, record: Contact | Opportunity
) -> Change:
    if isinstance(record, Contact):
        number = _number(record, account)
        return await copies.put_contact(connection, deals.tenant_id, record, customer_id=number)
    names = account.stages.names(record.stage_id)
    return await copies.put_opportunity(connection, deals.tenant_id, record, names=names)


async def gone(deals: Deals, kind: str, its_id: str) -> None:
    """A record is no longer in the CRM."""
    table = CRM_CONTACTS if kind == CONTACT else CRM_OPPORTUNITIES
    async with transaction(deals.pool) as connection:
        await copies.gone(connection, deals.tenant_id, table, [its_id])
        if kind == CONTACT:
            owners = (await links.owners(connection, deals.tenant_id, [its_id])).get(its_id, [])
        else:
            found = await rows.owners(connection, deals.tenant_id, [its_id])
            owners = [marks.customer_id for marks in found.values()]
        marks = [Mark(customer_id=each, reason="crm_gone", looks=True) for each in owners]
        await queue.want(connection, deals.tenant_id, marks)


def _deal(opportunity: Opportunity, account: Account) -> str | None:
    said = opportunity.custom.get(account.of_opportunities.get(DEAL_FIELD, ""))
    return str(said) if said else None


def _number(contact: Contact, account: Account) -> int | None:
    said = str(contact.custom.get(account.of_contacts.get("st_customer_id", "")) or "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else None  # noqa: PLR2004
