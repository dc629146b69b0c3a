"""Whether what a full read did not bring is gone or was overlooked: the vendor is asked where it can be."""

from collections.abc import Sequence

import structlog

from perfectcatch.errors import ScopeMissing, VendorRefused
from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity, Source
from perfectcatch.model.source import Listing
from perfectcatch.store.merging import merged, mirror, sweep
from perfectcatch.store.merging.mirror import Outcome
from perfectcatch.store.pool import Connection
from perfectcatch.sync.form import formed
from perfectcatch.sync.gaps.look import IDS_PER_REQUEST, Allowance, Seen, Vendor, form_of, number_of
from perfectcatch.sync.work import Work

ASKED_AT_MOST = 500  # records that are asked for by their ids

log = structlog.get_logger(__name__)


def asks_for_each(work: Work) -> bool:
    """Whether the vendor says of any single record whether it has it."""
    return work.entity.reads_one is not None or _lists_any_by_id(work)


def feeds_alone(work: Work) -> bool:
    """Whether there is nothing but feeds to go by, which give each record once, in an order that stays."""
    return not asks_for_each(work) and all(feed.source is Source.EXPORT for feed in work.entity.feeds)


async def certainly_gone(work: Work, ids: Sequence[int]) -> list[int]:
    """Those of ``ids`` that the vendor does not have any more; what it shows after all is merged.

    Certain is what it does not know when asked for it. Where it cannot be asked, a feed is believed that was
    read twice from its beginning, where those to whom the records belong have none of them either; and
    anything else when the records were absent from two full reads in a row.
    """
    context, entity = work.context, work.entity
    if entity.reads_one is not None and len(ids) <= ASKED_AT_MOST:
        return await _unknown_singly(work, ids)
    try:
        if asks_for_each(work) and len(ids) <= ASKED_AT_MOST:
            return await _unknown_to_list(work, ids)
        if feeds_alone(work):
            return await _unknown_to_owners(work, ids)
    except (ScopeMissing, VendorRefused) as error:
        log.warning("what seems to be gone cannot be asked for", entity=entity.name, reason=str(error))
    if context.allow_deletions:
        return list(ids)
    return await sweep.absent_again(context.pool, context.tenant_id, entity, ids)


async def one(work: Work, entity: Entity, st_id: int) -> Document | None:
    """Read one record of ``entity`` in the form that its feed gives; None when the vendor has none."""
    endpoint, source = entity.reads_one or "", work.context.source
    work.report.requests += 1
    record = await source.one(endpoint, st_id)
    return record if record is None else formed(record, source.form(endpoint))


def noting_merges(tenant_id: int, entity: Entity) -> mirror.AndThen:
    """A record that is read by its id may have been merged as well, and its feed need not bring it again."""

    async def note(connection: Connection, outcome: Outcome) -> None:
        if outcome.updated:
            await merged.note_page(connection, tenant_id, entity)

    return note


async def _unknown_singly(work: Work, ids: Sequence[int]) -> list[int]:
    records = {st_id: await one(work, work.entity, st_id) for st_id in ids}
    await _keep(work, Seen(single=[record for record in records.values() if record is not None]))
    return [st_id for st_id, record in records.items() if record is None]


async def _unknown_to_list(work: Work, ids: Sequence[int]) -> list[int]:
    allowance = Allowance(len(ids))
    seen = await Vendor(work.context.source, work.entity, allowance).ask(ids)
    work.report.requests += allowance.used
    await _keep(work, seen)
    return [] if _is_unclear(seen) else seen.absent


async def _unknown_to_owners(work: Work, ids: Sequence[int]) -> list[int]:
    """Those of ``ids`` that the lists of their owners do not show either, as far as these can tell.

    The lists show what is not switched off, and of a record without an owner nobody can be asked.
    """
    context, entity = work.context, work.entity
    listing = _listing(work)
    if not ids or listing is None or listing.owner is None:
        return list(ids)
    parameter, owners = listing.owner
    [column] = [each.name for each in entity.vendor_columns if each.references == owners]
    owned = await sweep.living_of(context.pool, context.tenant_id, entity, column, ids)
    seen = await _of_owners(work, listing, parameter, sorted(set(owned.values())))
    await _keep(work, Seen(listed=[each for each in seen.listed if number_of(each) in owned]))
    shown = {number_of(record) for record in seen.listed}
    return [st_id for st_id in ids if st_id not in shown and not (st_id in owned and _is_unclear(seen))]


async def _of_owners(work: Work, listing: Listing, parameter: str, owners: Sequence[int]) -> Seen:
    source, [feed], seen = work.context.source, work.entity.feeds, Seen()
    for start in range(0, len(owners), IDS_PER_REQUEST):
        asked = {parameter: ",".join(map(str, owners[start : start + IDS_PER_REQUEST]))}
        query, number, more = {**dict(listing.everything), **asked}, 0, True
        while more:
            page = await source.list_page(listing.endpoint, number, listing.page_size, query)
            work.report.requests += page.requests
            seen.listed += [formed(record, form_of(feed, listing)) for record in page.records]
            seen.broken += page.broken
            number, more = number + 1, page.has_more and bool(page.records or page.broken)
    return seen


async def _keep(work: Work, seen: Seen) -> None:
    """Merge what a full read overlooked."""
    found = [*seen.listed, *seen.single]
    if found or seen.broken:
        log.warning("a full read overlooked records", entity=work.entity.name, number=len(found))
        work.note(await work.merge(found, seen.broken, noting_merges(work.context.tenant_id, work.entity)))


def _is_unclear(seen: Seen) -> bool:
    """Whether something came of which nobody can tell what it is."""
    return bool(seen.broken) or None in map(number_of, seen.listed)


def _lists_any_by_id(work: Work) -> bool:
    listing = _listing(work)
    return (
        listing is not None
        and Vendor(work.context.source, work.entity, Allowance(0)).by_ids
        and not any(name == work.entity.active for name, _ in listing.form.adds)  # it shows living ones alone
    )


def _listing(work: Work) -> Listing | None:
    [feed, *others] = work.entity.feeds
    return None if others else work.context.source.listing(feed.endpoint)
