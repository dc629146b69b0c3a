"""A customer's contact: known, found, or created, once; who may be one of several waits for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from perfectcatch.deals.attempts import deadline, in_time, left, shown_at, wait_for
from perfectcatch.deals.deciding import (
    CUSTOMER_FIELD,
    Texts,
    contact_change_of,
    decide_contact,
    digits,
)
from perfectcatch.deals.desk import Account, Deals
from perfectcatch.deals.everybody import read_contacts
from perfectcatch.deals.mapping import plain
from perfectcatch.errors import AskPerson, NotFound, PerfectCatchError, Retry, VendorRefused
from perfectcatch.model.crm import AlreadyThere, Contact, ContactChange
from perfectcatch.model.deals import Customer, Facts
from perfectcatch.store.deals import copies, links
from perfectcatch.store.deals.links import Link
from perfectcatch.store.names import CRM_CONTACTS
from perfectcatch.store.pool import transaction

SOURCE: Final = "Perfect Catch"
PERSON: Final = "person"  # reasons of links: a person said so
NEW: Final = "new"  # a person said that it is none of those that are there
DELETED: Final = "deleted"  # a person deleted it in the CRM


class Ambiguous(AskPerson):
    """Which contact a customer is, a person has to say."""


class Deleted(Ambiguous):
    """A person deleted the contact, and nobody has said that it is to be made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A contact, and why we take it for the customer."""

    contact: Contact
    reason: str


async def contact_of(
    deals: Deals, account: Account, facts: Facts, *, looks: bool, news: bool = False
) -> tuple[Link, str | None]:
    """The link of a customer with its contact, and what the CRM said against a change of it, if anything.

    Raises ``Ambiguous`` where a person has to decide, ``Deleted`` where one deleted the contact. ``news``: an
    event of our records led to it, which makes such a contact again where the rules say so. With ``looks``
    the contact is read even where nothing of ours has changed.
    """
    family = await links.of_customers(deals.pool, deals.tenant_id, facts.family)
    link = next((each for each in family if each.ghl_contact_id is not None), None)
    own = next((each for each in family if each.st_customer_id == facts.customer.st_id), None)
    want = texts_of(facts.customer)
    if link is not None:
        if not looks and _is_current(deals, link, own, want):
            return link, None
        try:
            contact = await deals.crm.contact(str(link.ghl_contact_id))
        except NotFound:
            await _gone(deals, str(link.ghl_contact_id))
            own = Link(st_customer_id=facts.customer.st_id, reason=DELETED)
            await _put(deals, own)
        else:
            found = Found(contact=contact, reason=link.reason or "link")
            return await _keep_current(
                deals, account, facts, replace(link, st_customer_id=facts.customer.st_id), found
            )
    pending = own if own is not None else Link(st_customer_id=facts.customer.st_id)
    found_now = await _find(deals, account, facts, pending)
    if found_now is None and pending.reason == DELETED:
        if not news or deals.rules.deleted_contacts == "ask":
            await _ask_about_deleted(deals, facts)
        pending = replace(pending, reason=NEW)
    if found_now is None:
        found_now = await _create(deals, account, facts, pending)
    fresh = Link(
        st_customer_id=facts.customer.st_id, ghl_contact_id=found_now.contact.id, reason=found_now.reason
    )
    if found_now.reason == "created":
        sent = pending.pending or want  # what was sent then, whatever the customer has by now
        fresh = replace(fresh, written=sent, tags=deals.rules.tags)
    return await _keep_current(deals, account, facts, fresh, found_now)


def texts_of(customer: Customer) -> Texts:
    """What a contact should say, by field."""
    first, last = customer.first_name, customer.last_name
    if not first and not last:
        last = customer.name or None
    return {
        "first_name": first,
        "last_name": last,
        "email": customer.email,
        "phone": customer.phone,
        CUSTOMER_FIELD: str(customer.st_id),
    }


def _is_current(deals: Deals, link: Link, own: Link | None, want: Texts) -> bool:
    if own is None or own.ghl_contact_id != link.ghl_contact_id or own.pending is not None:
        return False
    tagged = set(deals.rules.tags) <= set(link.tags)
    return tagged and all(link.written.get(name) == value for name, value in want.items() if value)


def _seen(contact: Contact, account: Account) -> Texts:
    number = contact.custom.get(account.of_contacts.get(CUSTOMER_FIELD, ""))
    return {
        "first_name": contact.first_name or None,
        "last_name": contact.last_name or None,
        "email": contact.email or None,
        "phone": contact.phone or None,
        CUSTOMER_FIELD: str(number) if number else None,
    }


async def _keep_current(
    deals: Deals, account: Account, facts: Facts, link: Link, found: Found
) -> tuple[Link, str | None]:
    """Fill what the contact lacks and keep current what we filled; add our tags beside the others."""
    contact = found.contact
    want = texts_of(facts.customer)
    if link.reason == PERSON and not _is_free(contact, None, account, facts):
        want = {**want, CUSTOMER_FIELD: None}  # a contact that customers share carries the first one's number
    decided = decide_contact(want, _seen(contact, account), link.written, link.pending)
    said: str | None = None
    if decided.changes:
        await _put(deals, replace(link, pending=decided.changes, creating_at=None))
        change = contact_change_of(decided.changes, account.of_contacts.get(CUSTOMER_FIELD))
        try:
            contact = await deals.crm.update_contact(contact.id, change)
        except (VendorRefused, AlreadyThere) as error:
            if isinstance(error, NotFound):
                raise
            said = str(error)
    lacking = [tag for tag in deals.rules.tags if plain(tag) not in map(plain, contact.tags)]
    if lacking:
        await deals.crm.add_tags(contact.id, lacking)
        contact = replace(contact, tags=(*contact.tags, *lacking))
    # What people took away or wrote themselves is theirs: it counts as known, so that nobody asks again.
    written = (
        link.written
        if said
        else {**decided.written, **{name: value for name, value in want.items() if value}}
    )
    kept = replace(link, written=written, tags=deals.rules.tags, pending=None, creating_at=None)
    await _put(deals, kept, contact)
    return kept, said


async def _put(deals: Deals, link: Link, contact: Contact | None = None) -> None:
    async with transaction(deals.pool) as connection:
        await links.put(connection, deals.tenant_id, link)
        if link.ghl_contact_id is not None:
            await links.settle_match(connection, deals.tenant_id, link.st_customer_id, link.ghl_contact_id)
        if contact is not None:
            await copies.put_contact(connection, deals.tenant_id, contact, customer_id=link.st_customer_id)


async def _gone(deals: Deals, contact_id: str) -> None:
    async with transaction(deals.pool) as connection:
        await links.forget_contact(connection, deals.tenant_id, contact_id)
        await copies.gone(connection, deals.tenant_id, CRM_CONTACTS, [contact_id])


# Finding -----------------------------------------------------------------------------------------


async def _find(deals: Deals, account: Account, facts: Facts, pending: Link) -> Found | None:
    """The contact by its field, by email, by phone. A contact that may have been created is waited for."""
    if pending.reason == NEW and pending.creating_at is None:
        return None
    seconds = left(deals, pending.creating_at) if pending.creating_at is not None else 0.0
    by_field = await _by_field(deals, account, facts)
    if by_field is None and pending.creating_at is not None:
        by_field = await _created(deals, account, facts, pending)
        if by_field is None:
            wait_for(seconds, "A contact")
    if by_field is not None or pending.reason == NEW:
        return by_field
    customer = facts.customer
    by_email = await deals.crm.contacts_like(email=customer.email) if customer.email else ()
    by_phone = await deals.crm.contacts_like(phone=customer.phone) if customer.phone else ()
    by_email = tuple(
        each for each in by_email if (each.email or "").lower() == (customer.email or "").lower()
    )
    by_phone = tuple(each for each in by_phone if digits(each.phone) == digits(customer.phone))
    if pending.reason == DELETED:  # a search may still show who is gone
        by_email, by_phone = await _still(deals, by_email), await _still(deals, by_phone)
    candidates = {each.id: each for each in (*by_email, *by_phone)}
    if not candidates:
        return None
    taken = await links.owners_of(deals.pool, deals.tenant_id, list(candidates))
    free = {
        each.id: each for each in candidates.values() if _is_free(each, taken.get(each.id), account, facts)
    }
    both = [each for each in by_email if each.id in free and any(each.id == other.id for other in by_phone)]
    if len(free) == 1 or len(both) == 1:
        chosen = both[0] if len(both) == 1 else next(iter(free.values()))
        if any(chosen.id == each.id for each in by_email):
            return Found(contact=chosen, reason="email")
        if _may_be(chosen, customer):
            return Found(contact=chosen, reason="phone")
    return await _ask(deals, facts, list(candidates.values()), taken)


async def _still(deals: Deals, found: Sequence[Contact]) -> tuple[Contact, ...]:
    there = []
    for each in found:
        try:
            there.append(await deals.crm.contact(each.id))
        except NotFound:
            continue
    return tuple(there)


async def _by_field(deals: Deals, account: Account, facts: Facts) -> Found | None:
    for contact_id in await links.with_customer_field(deals.pool, deals.tenant_id, facts.family):
        try:
            contact = await deals.crm.contact(contact_id)
        except NotFound:
            await _gone(deals, contact_id)
            continue
        if _number(contact, account) in facts.family:
            return Found(contact=contact, reason="field")
    return None


async def _created(deals: Deals, account: Account, facts: Facts, pending: Link) -> Found | None:
    """What a creation of unknown outcome has made, by the number that we wrote into it.

    It is searched for by that number, and by the address and telephone that were sent, whatever the customer
    has now. Where the CRM cannot search for a number, all contacts are read, once the creation is over.
    """
    field_id = account.of_contacts.get(CUSTOMER_FIELD)
    if field_id is None or pending.creating_at is None:
        return None
    sent = pending.pending or texts_of(facts.customer)
    found = [
        *(await deals.crm.contacts_like(email=sent["email"]) if sent.get("email") else ()),
        *(await deals.crm.contacts_like(phone=sent["phone"]) if sent.get("phone") else ()),
    ]
    if deals.finds_fields:
        try:
            for st_id in facts.family:
                found += await deals.crm.contacts_with(field_id, str(st_id))
        except VendorRefused:
            deals.finds_fields = False
    ours = {each.id: each for each in found if _number(each, account) in facts.family}
    if ours:
        return Found(contact=ours[min(ours)], reason="created")
    if deals.finds_fields:
        return None
    wait_for(left(deals, pending.creating_at), "A contact", meanwhile=False)
    await read_contacts(deals, account, since=shown_at(deals, pending.creating_at))
    there = await _by_field(deals, account, facts)
    return replace(there, reason="created") if there is not None else None


def _number(contact: Contact, account: Account) -> int | None:
    said = str(contact.custom.get(account.of_contacts.get(CUSTOMER_FIELD, "")) or "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else None  # noqa: PLR2004


def _is_free(contact: Contact, owners: Sequence[int] | None, account: Account, facts: Facts) -> bool:
    others = {*(owners or ()), *filter(None, [_number(contact, account)])} - set(facts.family)
    return not others


def _may_be(contact: Contact, customer: Customer) -> bool:
    """Whether one telephone may belong to one person: the names have a word in common, or one is missing."""
    theirs = set(plain(f"{contact.first_name or ''} {contact.last_name or ''} {contact.name or ''}").split())
    ours = set(plain(f"{customer.first_name or ''} {customer.last_name or ''} {customer.name}").split())
    return not theirs or not ours or bool(theirs & ours)


async def _ask(
    deals: Deals, facts: Facts, candidates: Sequence[Contact], taken: Mapping[str, Sequence[int]]
) -> NoReturn:
    shown = [_shown(each, taken.get(each.id)) for each in candidates]
    customer = facts.customer
    several = len(candidates) > 1
    sentence = (
        f"{customer.name or 'Customer'} ({customer.st_id}) may be "
        f"{f'one of {len(candidates)} contacts' if several else 'a contact that belongs to somebody else'}: "
        "say which with POST /ghl/unmatched/{id}/resolve."
    )
    async with transaction(deals.pool) as connection:
        await links.ask(
            connection,
            deals.tenant_id,
            customer.st_id,
            candidates=shown,
            reason="several" if several else "taken",
            sentence=sentence,
        )
    raise Ambiguous(sentence, cause="Which contact the customer is, a person has to say.")


def _shown(contact: Contact, owners: Sequence[int] | None) -> dict[str, Any]:
    name = contact.name or " ".join(filter(None, (contact.first_name, contact.last_name)))
    return {
        "ghl_contact_id": contact.id,
        "name": name,
        "email": contact.email,
        "phone": contact.phone,
        "st_customer_ids": list(owners or ()),
    }


async def _ask_about_deleted(deals: Deals, facts: Facts) -> NoReturn:
    customer = facts.customer
    sentence = (
        f"Somebody deleted the contact of {customer.name or 'customer'} ({customer.st_id}) in the CRM: "
        "nothing is written for them until you say with POST /ghl/unmatched/{id}/resolve which contact "
        "they are; without one a new contact is made."
    )
    async with transaction(deals.pool) as connection:
        await links.ask(
            connection, deals.tenant_id, customer.st_id, candidates=[], reason=DELETED, sentence=sentence
        )
    raise Deleted(sentence, cause="Whether the contact is made again, a person has to say.")


# Creating ----------------------------------------------------------------------------------------


async def _create(deals: Deals, account: Account, facts: Facts, pending: Link) -> Found:
    """Add a contact; that it is being added is kept first, so that a lost answer leads to a search."""
    customer = facts.customer
    pending = replace(pending, creating_at=deadline(deals), pending=texts_of(customer))
    await _put(deals, pending)
    field_id = account.of_contacts.get(CUSTOMER_FIELD)
    change = ContactChange(
        **{name: value for name, value in texts_of(customer).items() if value and name != CUSTOMER_FIELD},
        name=customer.name or None,
        address=customer.address,
        city=customer.city,
        state=customer.state,
        postal_code=customer.postal_code,
        source=SOURCE,
        custom={field_id: str(customer.st_id)} if field_id else {},
    )
    try:
        call = deals.crm.create_contact(change, tags=deals.rules.tags)
        contact = await in_time(call, "a contact")
    except AlreadyThere as error:
        return await _existing(deals, account, facts, error)
    except PerfectCatchError:
        # Over, with whatever end: some refusals are answered although the contact was created.
        await _put(deals, replace(pending, creating_at=deals.clock.now()))
        raise
    return Found(contact=contact, reason="created")


async def _existing(deals: Deals, account: Account, facts: Facts, error: AlreadyThere) -> Found:
    """The CRM has one with this address or number, which a search may not have shown yet."""
    if error.existing_id is None:
        raise Retry(f"The CRM says there is such a contact and not which: {error.sentence}", after_seconds=10)
    contact = await deals.crm.contact(error.existing_id)
    taken = await links.owners_of(deals.pool, deals.tenant_id, [contact.id])
    ours = _number(contact, account) in facts.family
    if not ours and not _is_free(contact, taken.get(contact.id), account, facts):
        await _ask(deals, facts, [contact], taken)
    return Found(contact=contact, reason="created" if ours else "crm")
