"""Views over many mirror tables at once: custom fields, tags, and what became of merged records."""

from collections.abc import Iterable, Iterator

from perfectcatch.model.entity import Entity, Type
from perfectcatch.store.merging.extract import literal
from perfectcatch.store.names import MIRROR, qualified, quote
from perfectcatch.store.schema.views import View

_CUSTOM_FIELDS = "custom_fields"
_TAGS = "tag_type_ids"


def gathered_views(entities: Iterable[Entity]) -> Iterator[View]:
    """The views that follow from the declarations."""
    declared = tuple(entities)
    with_fields = [each for each in declared if _type_of(each, _CUSTOM_FIELDS) is Type.JSON]
    with_tags = [each for each in declared if _type_of(each, _TAGS) is Type.IDS]
    if with_fields:
        yield View(
            schema=MIRROR,
            name="custom_field_values",
            does="Every custom field of every record, a row each",
            needs=tuple(each.table for each in with_fields),
            query="\nunion all\n".join(map(_fields_of, with_fields)),
        )
    if with_tags:
        yield View(
            schema=MIRROR,
            name="record_tags",
            does="Every tag of every record, a row each",
            needs=tuple(each.table for each in with_tags),
            query="\nunion all\n".join(map(_tags_of, with_tags)),
        )
    for entity in declared:
        merged_to = merged_to_column(entity)
        if merged_to is not None:
            yield View(
                schema=MIRROR,
                name=f"{entity.name}_survivors",
                does="The record that stands in the end for one that was merged, however long the chain",
                needs=(entity.table,),
                query=_survivors_of(entity, merged_to),
            )


def merged_to_column(entity: Entity) -> str | None:
    """The column that names the record which replaced this one, None where records are never merged."""
    if entity.merged_into is None:
        return None
    return next((each.name for each in entity.vendor_columns if each.at == entity.merged_into), None)


def _type_of(entity: Entity, name: str) -> Type | None:
    return next((each.type for each in entity.vendor_columns if each.name == name), None)


def _fields_of(entity: Entity) -> str:
    return f"""
select m.tenant_id, {literal(entity.name)}::text as entity, m.st_id,
  (field->>'typeId')::bigint as type_id, field->>'name' as name, field->>'value' as value
from {qualified(entity.table)} m,
  jsonb_array_elements(case when jsonb_typeof(m.{_CUSTOM_FIELDS}) = 'array' then m.{_CUSTOM_FIELDS} end) field
where m.deleted_at is null"""


def _tags_of(entity: Entity) -> str:
    return f"""
select m.tenant_id, {literal(entity.name)}::text as entity, m.st_id, tag as tag_type_id
from {qualified(entity.table)} m, unnest(m.{_TAGS}) tag where m.deleted_at is null"""


def _survivors_of(entity: Entity, merged_to: str) -> str:
    """Follow each chain to its end; a circle ends where it would begin again."""
    table, column = qualified(entity.table), quote(merged_to)
    return f"""
with recursive chain as (
  select tenant_id, st_id, {column} as survivor_id, array[st_id] as path
  from {table} where {column} is not null
  union all
  select c.tenant_id, c.st_id, t.{column}, c.path || t.st_id
  from chain c join {table} t on t.tenant_id = c.tenant_id and t.st_id = c.survivor_id
  where t.{column} is not null and t.st_id <> all (c.path)
)
select distinct on (tenant_id, st_id) tenant_id, st_id, survivor_id, cardinality(path) as steps
from chain order by tenant_id, st_id, cardinality(path) desc"""
