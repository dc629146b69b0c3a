"""The reference page of the mirrored entities, written from their declarations."""

from collections.abc import Iterable, Iterator

from perfectcatch.model.entity import (
    Column,
    Computed,
    Convert,
    Entity,
    Feed,
    Inactive,
    Local,
    LookedUp,
    Source,
)
from perfectcatch.model.event import ClockRule, Transition

_INTRODUCTION = """\
# Mirrored entities

`make docs` writes this page from the declarations; a test fails when it is out of date.

Every table also has `tenant_id` and `st_id` (together the primary key; `st_id` is the id in ServiceTitan),
`id` (a UUID), `st_created_on`, `st_modified_on`, `active`, `deleted_at`, `revision`, `content_hash`,
`local_synced_at` and `full_data` (the whole record as it came). "From" is the path in the record.
"""

_READ_AS = {
    Source.EXPORT: "export feed",
    Source.CHANGED: "list of what has changed",
    Source.WHOLE: "list, read whole",
}

_CONVERTED = {
    Convert.PHONE: "as a telephone number",
    Convert.FIRST_NAME: "the first name in it",
    Convert.LAST_NAME: "the last name in it",
    Convert.LOWER: "as an e-mail address",
    Convert.DAY_OF: "the day of it",
    Convert.SECONDS: "in seconds",
    Convert.IDS_OF: "the ids in it",
    Convert.NAMES_OF: "the names in it",
}


def describe(entities: Iterable[Entity]) -> str:
    """Write the page in Markdown: for each entity its source, table, columns and events."""
    listed = list(entities)
    return "\n".join(
        [_INTRODUCTION, *_contents(listed), *(line for each in listed for line in _entity(each))]
    )


def _contents(entities: list[Entity]) -> Iterator[str]:
    yield from ("| Entity | Table | Groups |", "|---|---|---|")
    for entity in entities:
        yield f"| [{entity.name}](#{entity.name}) | `{entity.table}` | {', '.join(entity.groups)} |"
    yield ""


def _entity(entity: Entity) -> Iterator[str]:
    yield from (f"## {entity.name}", "", entity.does, "")
    yield f"- Table: `{entity.table}`"
    yield from (f"- Source: {_feed(feed)}" for feed in entity.feeds)
    if entity.reads_one:
        yield f"- One record: `{entity.reads_one}`"
    if entity.derived_key:
        paths = " and ".join(f"`{path}`" for path in entity.derived_key)
        yield f"- `st_id` is a negative number derived from {paths}"
    if entity.active and entity.inactive_means is Inactive.DELETED:
        yield "- An inactive record counts as deleted: `deleted_at` is set"
    if entity.merged_into:
        yield f"- Replaced by the record in `{entity.merged_into}` when merged"
    yield ""
    yield from _columns(entity.columns)
    for child in entity.children:
        yield f"`{child.table}`: {child.does} One row for each entry of `{child.at}`, under `tenant_id`,"
        yield from (f"`{child.parent_column}` and `position`.", "")
        yield from _columns(child.columns)
    for link in entity.links:
        yield from (f"`{link.table}` (`{link.left}`, `{link.right}`): {link.does}", "")
    yield from _events(entity)


def _feed(feed: Feed) -> str:
    query = ", ".join(f"`{key}={value}`" for key, value in feed.query)
    tagged = f"`{feed.tag[0]}` is set to `{feed.tag[1]}`" if feed.tag else ""
    more = "; ".join(each for each in (query, tagged) if each)
    return f"{_READ_AS[feed.source]} `{feed.endpoint}`" + (f" ({more})" if more else "")


def _columns(columns: Iterable[Column | Local | LookedUp | Computed]) -> Iterator[str]:
    yield from ("| Column | Type | From | What |", "|---|---|---|---|")
    for column in columns:
        yield f"| `{column.name}` | {column.type} | {_origin(column)} | {_meaning(column)} |"
    yield ""


def _origin(column: Column | Local | LookedUp | Computed) -> str:
    match column:
        case Column():
            how = _CONVERTED.get(column.convert)
            return f"`{column.at}`" + (f", {how}" if how else "")
        case Local():
            return "ours; a sync leaves it alone"
        case LookedUp():
            return f"`{column.entity}.{column.column}`"
        case Computed():
            return "`" + column.expression.replace("|", "&#124;") + "`"


def _meaning(column: Column | Local | LookedUp | Computed) -> str:
    refers = f"refers to {column.references}" if isinstance(column, Column) and column.references else ""
    return "; ".join(each for each in (column.does, refers) if each)


def _events(entity: Entity) -> Iterator[str]:
    if not entity.events:
        return
    yield from ("| Event | When |", "|---|---|")
    for event in entity.events:
        yield f"| `{event.event_type}` | {event.does}{_timing(event)} |"
    yield ""


def _timing(event: Transition | ClockRule) -> str:
    if isinstance(event, Transition):
        about = f" An event of the record in `{event.about}`." if event.about else ""
        dated = "" if event.at in ("st_created_on", "st_modified_on") else f" Dated by `{event.at}`."
        return about + dated
    days = ", ".join(_offset(stage) for stage in event.stages)
    return f" By the clock on `{event.column}`, in days: {days}."


def _offset(stage: int) -> str:
    return f"{stage:+d}" if stage else "0"
