"""Whether what a full read did not bring is gone or was overlooked: the vendor is asked where it can be.

An answer that is incomplete, that nobody can understand or that never comes denies nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from perfectcatch.errors import (
    CircuitOpen,
    CredentialsRejected,
    RateLimited,
    ScopeMissing,
    VendorLoop,
    VendorRefused,
    VendorUnavailable,
)
from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity, Feed, Inactive, Source
from perfectcatch.model.source import IDS_PER_REQUEST, BrokenRecord, Listing
from perfectcatch.store.merging import merged, mirror, quarantine, sweep
from perfectcatch.store.merging.mirror import Outcome
from perfectcatch.store.merging.sweep import Missing
from perfectcatch.store.pool import Connection
from perfectcatch.sync.form import form_of, formed, number_of
from perfectcatch.sync.work import Work

ASKED_AT_MOST: Final = 500  # records that are asked for by their ids
PAGES_AT_MOST: Final = 10  # of what belongs to fifty customers; the vendor gives 5,000 records on each
NO_ANSWER: Final = (
    VendorUnavailable,
    RateLimited,
    CircuitOpen,
    ScopeMissing,
    CredentialsRejected,  # for this list: the feed has just been read with the same ones
    VendorRefused,
    VendorLoop,
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Answer:
    """What the vendor said: records that it shows, and ids of which it says that it has none by them."""

    shown: list[Document] = field(default_factory=list)
    broken: list[BrokenRecord] = field(default_factory=list)
    denied: set[int] = field(default_factory=set)


async def certainly_gone(work: Work, absent: Missing, *, asks: bool) -> list[int]:
    """The ids of those absent that the vendor does not have any more; what it shows after all is merged.

    Certain is what it denies when asked for it: by its id, or by those to whom it belongs. Of anything else,
    and of everything if not ``asks``, a person has decided, or two full reads in a row did not bring it.
    """
    context, entity, again = work.context, work.entity, set[int]()
    few = len(absent.ids) <= ASKED_AT_MOST
    if entity.reads_one is not None:
        asked = await _singly(work, absent.ids) if few else _Answer()
    else:
        asked = await _in_list(work, absent.ids) if few and asks else _Answer()
        again = await sweep.absent_again(
            context.pool,
            context.tenant_id,
            work.place.sweep_id,
            entity,
            absent.ids,
            started_at=work.place.started_at,
        )
    shown = await _keep(work, asked)
    believed = set(absent.ids) if context.allow_deletions else asked.denied | again
    return [st_id for st_id in absent.ids if st_id in believed and st_id not in shown]


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


async def _keep(work: Work, answer: _Answer) -> set[int]:
    """Merge what a full read overlooked; gives its ids, those of broken records too."""
    if answer.shown:
        log.warning("a full read overlooked records", entity=work.entity.name, number=len(answer.shown))
    if answer.shown or answer.broken:
        await work.context.locks.check()
        note = noting_merges(work.context.tenant_id, work.entity)
        work.note(await work.merge(answer.shown, answer.broken, note))
    broken = (quarantine.id_in(work.entity, each.raw) for each in answer.broken)
    return {st_id for st_id in (*map(number_of, answer.shown), *broken) if st_id is not None}


# Asking -----------------------------------------------------------------------------------------------


async def _singly(work: Work, ids: Sequence[int]) -> _Answer:
    answer = _Answer()
    for st_id in ids:
        record = await one(work, work.entity, st_id)
        if record is None:
            answer.denied.add(st_id)
        else:
            answer.shown.append(record)
    return answer


async def _in_list(work: Work, ids: Sequence[int]) -> _Answer:
    """What the list of the entity's records says of ``ids``, asked by them or by whom they belong to."""
    context, entity, answer = work.context, work.entity, _Answer()
    [feed, *others] = entity.feeds
    listing = context.source.listing(feed.endpoint)
    if others or listing is None or not _tells(entity, listing):
        return answer
    parameter, owners = listing.owner or ("", "")
    by = {st_id: st_id for st_id in ids}
    if listing.by_ids:
        parameter = "ids"
    elif owner := context.entities.get(owners):
        by = await sweep.owners(context.pool, context.tenant_id, entity, owner, ids)
    else:
        return answer
    values = sorted(set(by.values()))
    try:
        for start in range(0, len(values), IDS_PER_REQUEST):
            part = values[start : start + IDS_PER_REQUEST]
            whose = {st_id for st_id, value in by.items() if value in part}
            if not await _listed(work, feed, listing, {parameter: ",".join(map(str, part))}, whose, answer):
                break
    except NO_ANSWER as error:
        log.warning("what seems to be gone cannot be asked for", entity=entity.name, reason=str(error))
    return answer


def _tells(entity: Entity, listing: Listing) -> bool:
    """Whether the list shows everything that is not deleted, by a number that is the record's own."""
    living_alone = any(name == entity.active for name, _ in listing.form.adds)
    plain_key = entity.key == "id" and not entity.derived_key
    return plain_key and (entity.inactive_means is Inactive.DELETED or not living_alone)


async def _listed(
    work: Work, feed: Feed, listing: Listing, asked: dict[str, str], whose: set[int], answer: _Answer
) -> bool:
    """Ask for records; a whole answer, of records that all have a number, denies what it does not show.

    Gives whether it was that. A list that does not end has not understood what it was asked for.
    """
    fixed = dict(feed.query) if feed.source is not Source.EXPORT else {}
    query = {**fixed, **dict(listing.everything), **asked}
    found: set[int | None] = set()
    for number in range(PAGES_AT_MOST):
        page = await work.context.source.list_page(listing.endpoint, number, listing.page_size, query)
        work.report.requests += page.requests
        records = [formed(record, form_of(feed, listing)) for record in page.records]
        shown = [(record, number_of(record)) for record in records]
        broken = [(each, quarantine.id_in(work.entity, each.raw)) for each in page.broken]
        answer.shown += [record for record, st_id in shown if st_id in whose]
        answer.broken += [each for each, st_id in broken if st_id in whose or st_id is None]
        before, found = found, found | {st_id for _, st_id in (*shown, *broken)}
        if not page.has_more and None not in found:
            answer.denied |= whose - found
            return True
        if found == before or not page.has_more:
            break
    return False
