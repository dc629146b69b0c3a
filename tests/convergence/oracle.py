"""What has to be true of a mirror, reckoned without the statements that filled it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import psycopg
from psycopg.rows import dict_row

from perfectcatch.errors import Retry
from perfectcatch.model.entity import Column, Convert, Entity, Inactive, Source, Type
from perfectcatch.model.event import fires
from perfectcatch.store.names import EVENTS, HISTORY, QUARANTINE, SYNC_STATE, beside, qualified

Row = dict[str, Any]
PASSING = (Retry, psycopg.OperationalError)
NEWS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Told:
    """What identifies an event, and whether it is news."""

    event_type: str
    entity: str
    st_id: int
    version: str
    historical: bool


class Mirror:
    """One company's part of a database, read whole."""

    def __init__(self, url: str, tenant_id: int, entities: Mapping[str, Entity]) -> None:
        self.tenant_id, self.entities = tenant_id, entities
        with psycopg.connect(url, row_factory=dict_row) as connection:
            connection.execute("set time zone 'UTC'")
            self._connection = connection
            self.rows = {each.name: self._rows(each) for each in entities.values()}
            self.children = {
                child.table: self._all(beside(child.table, each.table))
                for each in entities.values()
                for child in each.children
            }
            self.links = {
                link.table: self._all(beside(link.table, each.table))
                for each in entities.values()
                for link in each.links
            }
            self.history = self._all(HISTORY)
            self.events = self._all(EVENTS)
            self.waiting = [row for row in self._all(QUARANTINE) if row["resolved_at"] is None]
            self.state = {row["key"]: row for row in self._all(SYNC_STATE)}

    def _rows(self, entity: Entity) -> dict[int, Row]:
        return {row["st_id"]: row for row in self._all(qualified(entity.table))}

    def _all(self, table: str) -> list[Row]:
        query = f"select * from {table} where tenant_id = %s"
        return self._connection.execute(query, (self.tenant_id,)).fetchall()

    def versions(self, entity: Entity) -> dict[int, list[Row]]:
        """Every observed version of each record, oldest first; ``valid_to`` of the current one is None."""
        found: defaultdict[int, list[Row]] = defaultdict(list)
        for row in self.history:
            if row["entity"] == entity.name:
                found[row["st_id"]].append(row)
        for st_id, row in self.rows[entity.name].items():
            found[st_id].append({**row, "valid_from": None, "valid_to": None, "run_id": None})
        return {st_id: sorted(rows, key=lambda row: row["revision"]) for st_id, rows in found.items()}


# Values ----------------------------------------------------------------------------------------


def value(column: Column, document: Any) -> Any:
    """What ``column`` holds for ``document``; raises KeyError for a conversion that is not reckoned here."""
    for step in column.path:
        document = document.get(step) if isinstance(document, dict) else None
    if document is None or (document == "" and column.type is not Type.TEXT):
        return None
    match column.type, column.convert:
        case Type.TEXT, Convert.PLAIN if isinstance(document, str):
            return document[:500] if column.index else document
        case Type.BIGINT | Type.INTEGER, Convert.PLAIN:
            return int(document)
        case Type.MONEY | Type.NUMBER, Convert.PLAIN:
            return Decimal(str(document))
        case Type.FLAG, Convert.PLAIN:
            return document
        case Type.MOMENT, Convert.PLAIN:
            return moment(document)
        case Type.DAY, Convert.DAY_OF:
            return datetime.fromisoformat(document[:10]).date()
        case Type.IDS, Convert.PLAIN:
            return list(document)
    raise KeyError(column.name)


def moment(text: str) -> datetime | None:
    """A vendor's moment, its seventh digit rounded as PostgreSQL rounds it; None for its "never"."""
    head, dot, rest = text.removesuffix("Z").partition(".")
    at = datetime.fromisoformat(head).replace(tzinfo=UTC)
    at += timedelta(microseconds=round(Decimal(f"0.{rest or 0}") * 10**6) if dot else 0)
    return None if at.year in {1, 9999} else at


def columns(entity: Entity, document: Row) -> Row:
    """The columns of ``document`` that can be reckoned."""
    found: Row = {}
    for column in entity.vendor_columns:
        try:
            found[column.name] = value(column, document)
        except KeyError:
            continue
    active = document.get(entity.active) if entity.active else None
    return {**found, "active": True if active is None else active}


# Equality --------------------------------------------------------------------------------------


def differences(
    mirror: Mirror, entity: Entity, truth: Mapping[int, Row], *, besides: set[int] = frozenset()
) -> Iterator[str]:
    """What in the mirror is not as ``truth`` has it, the vendor's records by id, ``besides`` excepted."""
    stored = mirror.rows[entity.name]
    for st_id in truth.keys() - stored.keys() - besides:
        yield f"{entity.name} {st_id} is lost"
    for st_id, row in stored.items():
        if st_id in besides:
            continue
        document = truth.get(st_id)
        if document is None:
            if row["deleted_at"] is None:
                yield f"{entity.name} {st_id} is gone at the vendor and lives on here"
            continue
        reckoned = columns(entity, document)
        gone = entity.inactive_means is Inactive.DELETED and not reckoned["active"]
        if (row["deleted_at"] is not None) is not gone:
            yield f"{entity.name} {st_id} should {'' if gone else 'not '}be deleted"
        if row["full_data"] != document:
            yield f"{entity.name} {st_id} differs in {_first_difference(row['full_data'], document)}"
        for name, wanted in reckoned.items():
            if not _same(row[name], wanted):
                yield f"{entity.name} {st_id}: {name} is {row[name]!r}, not {wanted!r}"
        yield from _wrong_children(mirror, entity, st_id, document)


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, datetime) and isinstance(wanted, datetime):
        return abs(found - wanted) <= timedelta(microseconds=1)  # half a microsecond rounds either way
    return bool(found == wanted)


def _first_difference(ours: Row, theirs: Row) -> str:
    names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return ", ".join(f"{name}: {ours.get(name)!r} / {theirs.get(name)!r}" for name in names[:3])


def _wrong_children(mirror: Mirror, entity: Entity, st_id: int, document: Row) -> Iterator[str]:
    for child in entity.children:
        rows = [row for row in mirror.children[child.table] if row[child.parent_column] == st_id]
        rows.sort(key=lambda row: row["position"])
        items = document.get(child.at) or []
        if len(rows) != len(items):
            yield f"{entity.name} {st_id} has {len(rows)} {child.at}, not {len(items)}"
        for row, item in zip(rows, items, strict=False):
            for column in child.columns:
                try:
                    wanted = value(column, item)
                except KeyError:
                    continue
                if not _same(row[column.name], wanted):
                    found = row[column.name]
                    yield f"{entity.name} {st_id}: an item's {column.name} is {found!r}, not {wanted!r}"


def wrong_gatherings(mirror: Mirror) -> Iterator[str]:
    """Columns that are looked up elsewhere, and link tables, that are not as the live records say."""
    for owner in mirror.entities.values():
        for column in owner.looked_up:
            if column.entity not in mirror.entities:
                continue
            others = [row for row in mirror.rows[column.entity].values() if _lives(row)]
            for st_id, row in mirror.rows[owner.name].items():
                mine = [each for each in others if each[column.by] == st_id]
                if column.where_column:
                    order = column.where_values.index
                    mine = [each for each in mine if each[column.where_column] in column.where_values]
                    mine.sort(key=lambda each: (order(each[column.where_column]), each["st_id"]))
                elif not column.gather:
                    mine.sort(key=lambda each: (each[column.order_by], each["st_id"]))
                found = [each[column.column] for each in mine]
                wanted = sorted(set(found)) if column.gather else (found or [None])[0]
                held = sorted(row[column.name] or []) if column.gather else row[column.name]
                if held != wanted:
                    yield f"{owner.name} {st_id}: {column.name} is {held!r}, not {wanted!r}"
    for entity in mirror.entities.values():
        for link in entity.links:
            live = [row for row in mirror.rows[entity.name].values() if _lives(row)]
            pairs = {(row[link.left], row[link.right]) for row in live if row[link.right] is not None}
            held = {(row[link.left], row[link.right]) for row in mirror.links[link.table]}
            if held != {pair for pair in pairs if pair[0] is not None}:
                yield f"{link.table}: {held ^ pairs}"


def _lives(row: Row) -> bool:
    return row["deleted_at"] is None and row["active"]


# History ---------------------------------------------------------------------------------------


def gaps(mirror: Mirror) -> Iterator[str]:
    """Where the versions of a record do not follow each other without gap, overlap or repetition."""
    for entity in mirror.entities.values():
        for st_id, versions in mirror.versions(entity).items():
            name = f"{entity.name} {st_id}"
            if [each["revision"] for each in versions] != list(range(1, len(versions) + 1)):
                yield f"{name}: revisions {[each['revision'] for each in versions]}"
            if versions[-1]["valid_to"] is not None:
                yield f"{name} has a history and no row"
            for before, after in pairwise(versions):
                if before["valid_from"] > before["valid_to"]:
                    yield f"{name}: version {before['revision']} ends before it begins"
                if after["valid_from"] not in (None, before["valid_to"]):
                    yield f"{name}: version {after['revision']} does not begin where the one before it ends"
                earlier, later = before["st_modified_on"], after["st_modified_on"]
                if earlier is not None and later is not None and later < earlier:
                    yield f"{name}: version {after['revision']} is older than the one before it"
                same = before["full_data"] == after["full_data"]
                if same and (before["deleted_at"] is None) is (after["deleted_at"] is None):
                    yield f"{name}: version {after['revision']} is no change"


# Events ----------------------------------------------------------------------------------------


def wrong_events(mirror: Mirror) -> Iterator[str]:
    """Transitions that were not told, told twice, or told wrongly as news or as history."""
    told = Counter(
        Told(row["event_type"], row["entity"], row["st_id"], row["version"], row["historical"])
        for row in mirror.events
        if not row["version"].startswith("stage/")
    )
    due = Counter(expected(mirror))
    for missed in due - told:
        yield f"not told: {missed}"
    for extra in told - due:
        yield f"told without a reason: {extra}"


def expected(mirror: Mirror) -> Iterator[Told]:
    """Every event that follows from the versions that the mirror has seen."""
    found = {(row["event_type"], row["entity"], row["st_id"], row["version"]): row for row in mirror.events}
    units = {("business_units", st_id): row for st_id, row in mirror.rows.get("business_units", {}).items()}
    for entity in mirror.entities.values():
        loaded = mirror.state.get(f"{entity.name}_first_load")
        for st_id, versions in mirror.versions(entity).items():
            before: Row | None = None
            for version in versions:
                after = {**columns(entity, version["full_data"]), "deleted_at": version["deleted_at"]}
                for rule in entity.transitions:
                    if not fires(rule, before, after, units):
                        continue
                    subject, whose, suffix = entity.name, st_id, ""
                    if rule.about is not None:
                        if after[rule.about] is None:
                            continue
                        subject, whose = _referred(entity, rule.about), after[rule.about]
                        suffix = f"/{entity.name}/{st_id}"
                    name = _version(version) + suffix
                    event = found.get((rule.event_type, subject, whose, name))
                    yield Told(rule.event_type, subject, whose, name, _is_past(event, loaded, version))
                if version["deleted_at"] is None:
                    before = after


def _referred(entity: Entity, column: str) -> str:
    [references] = [each.references for each in entity.vendor_columns if each.name == column]
    assert references is not None
    return references


def _version(version: Row) -> str:
    at: datetime | None = version["st_modified_on"]
    text = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at else "undated"
    return f"{text}/{version['revision']}"


def _is_past(event: Row | None, loaded: Row | None, version: Row) -> bool:
    """Whether an event must be historical: it came with the first load, by a redrive, or a week late."""
    if event is None:
        return False
    if loaded is None or event["recorded_at"] < loaded["updated_at"] or event["run_id"] is None:
        return True
    at = version["st_modified_on"]
    return at is not None and at < event["recorded_at"] - NEWS


def is_list(entity: Entity) -> bool:
    """Whether the entity is read from numbered pages."""
    return any(feed.source is not Source.EXPORT for feed in entity.feeds)


def shown(problems: list[str]) -> str:
    """The first of many problems."""
    return json.dumps(problems[:12], indent=1)
