"""What a difference means: one kind for each, and whether it is explained."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from perfectcatch.store.merging.census import Row
from perfectcatch.store.merging.compare import Beside


class Kind(StrEnum):
    """Why a record is not the same here and there. The words are those of ``--json``."""

    NOT_READ_YET = "not_read_yet"
    QUARANTINED = "quarantined"
    DELETED = "deleted"
    DELETED_BY_FEED = "deleted_by_feed"
    MERGED = "merged"
    INACTIVE = "inactive"
    OUT_OF_SCOPE = "out_of_scope"
    UNCHECKED = "unchecked"
    LOST = "lost"
    DELETED_HERE = "deleted_here"
    OUTDATED = "outdated"
    DIFFERS = "differs"


MEANING = {
    Kind.NOT_READ_YET: "created or changed at the vendor since the last read; the next one brings it",
    Kind.QUARANTINED: "the vendor's record does not fit and waits in quarantine",
    Kind.DELETED: "the vendor has no such record any more",
    Kind.DELETED_BY_FEED: "deleted by the word of the export feed; the list cannot say so and shows it",
    Kind.MERGED: "merged into another record; the vendor's list does not show it",
    Kind.INACTIVE: "switched off; the vendor's list does not show it",
    Kind.OUT_OF_SCOPE: "the vendor has it, and its list does not show it",
    Kind.UNCHECKED: "there was no request left to look at it; give more with --requests",
    Kind.LOST: "the vendor has it, we do not",
    Kind.DELETED_HERE: "marked as deleted here, and alive at the vendor",
    Kind.OUTDATED: "the vendor has a later version that a read should have brought",
    Kind.DIFFERS: "the content is not what the vendor has under the same version",
}
UNEXPLAINED = (Kind.LOST, Kind.DELETED_HERE, Kind.OUTDATED, Kind.DIFFERS)
"""Kinds that should not be: a repair brings the vendor's record."""

MISSING = (Kind.LOST, Kind.DELETED_HERE)
GONE = (Kind.DELETED, Kind.MERGED, Kind.INACTIVE, Kind.OUT_OF_SCOPE)
DIFFERENT = (Kind.DIFFERS, Kind.OUTDATED, Kind.NOT_READ_YET, Kind.QUARANTINED, Kind.UNCHECKED)

LISTED = 20  # ids of a kind that are named


def of_record(row: Beside, as_of: datetime) -> Kind | None:
    """Judge a record of the vendor beside our row; None when they agree.

    ``as_of``: what the vendor changed before this moment must have been read.
    """
    if row.equal:
        return None
    if row.quarantined:
        return Kind.QUARANTINED
    ours = row.st_modified_on
    newer = row.modified is not None and (not row.known or ours is None or row.modified > ours)
    if newer and row.modified is not None and row.modified >= as_of:
        return Kind.NOT_READ_YET
    if row.gone:
        return Kind.OUTDATED
    if not row.known:
        return Kind.LOST
    if row.deleted_at is not None:
        return Kind.DELETED_BY_FEED if row.told_gone else Kind.DELETED_HERE
    return Kind.OUTDATED if newer else Kind.DIFFERS


def of_equal(row: Row, *, listed: bool) -> Kind | None:
    """Judge a record that a list left out and that is the same here and there when asked for by its id."""
    if row.merged_to is not None:
        return Kind.MERGED
    if not row.active:
        return Kind.INACTIVE
    return None if listed else Kind.OUT_OF_SCOPE


@dataclass(slots=True)
class Differences:
    """Ids by kind."""

    ids: dict[Kind, list[int]] = field(default_factory=dict)

    def add(self, kind: Kind, st_id: int) -> None:
        """Note one."""
        self.ids.setdefault(kind, []).append(st_id)

    def count(self, *kinds: Kind) -> int:
        """How many there are of ``kinds``."""
        return sum(len(self.ids.get(kind, ())) for kind in kinds)

    @property
    def unexplained(self) -> int:
        """How many should not be."""
        return self.count(*UNEXPLAINED)

    def as_details(self) -> dict[str, object]:
        """The differences as JSON: number, meaning and the first ids of each kind."""
        return {
            kind.value: {
                "number": len(ids),
                "meaning": MEANING[kind],
                "ids": sorted(ids)[:LISTED],
            }
            for kind, ids in sorted(self.ids.items())
        }
