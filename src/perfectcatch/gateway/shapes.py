"""Schemas of records for the OpenAPI document, from the declarations of the entities."""

from collections.abc import Mapping
from typing import Any, Final

from perfectcatch.gateway.operations import Schema, nullable, query, ref
from perfectcatch.model.entity import Child, Entity, Type
from perfectcatch.store.reading.fields import Field, child_fields, child_key, fields_of
from perfectcatch.store.reading.lists import CONTROLS, LONGEST, SORTS, USUAL, choices

ID: Final[Schema] = {"type": "integer", "format": "int64"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}

_TYPES: Final[Mapping[Type, Schema]] = {
    Type.BIGINT: ID,
    Type.INTEGER: {"type": "integer", "format": "int32"},
    Type.TEXT: {"type": "string"},
    Type.MONEY: {"type": "number", "description": "An amount, with all its digits"},
    Type.NUMBER: {"type": "number"},
    Type.DOUBLE: {"type": "number", "format": "double"},
    Type.MOMENT: MOMENT,
    Type.DAY: {"type": "string", "format": "date"},
    Type.FLAG: {"type": "boolean"},
    Type.IDS: {"type": "array", "items": nullable(ID)},
    Type.TEXTS: {"type": "array", "items": {"type": ["string", "null"]}},
    Type.JSON: {},
}
_NEVER_NULL: Final = {"st_id", "active", "revision", "local_synced_at", "position"}


def schemas_of(entities: Mapping[str, Entity]) -> dict[str, Schema]:
    """A schema for each entity, one for a list of it, and one for each kind of row inside it."""
    found: dict[str, Schema] = {}
    for entity in entities.values():
        for child in entity.children:
            found[_child_name(entity, child)] = _object(child_fields(child), child.does)
        found[entity.name] = _record(entity)
        found[f"{entity.name}_list"] = list_schema(ref(entity.name))
    return found


def list_schema(item: Schema) -> Schema:
    """A page of a list."""
    return {
        "type": "object",
        "required": ["data_as_of", "data", "next"],
        "properties": {
            "data_as_of": nullable(
                {**MOMENT, "description": "What the vendor had by then is here; null if never read"}
            ),
            "data": {"type": "array", "items": item},
            "next": {"type": ["string", "null"], "description": "`after` of the next page, null at the end"},
        },
    }


def _record(entity: Entity) -> Schema:
    schema = _object(tuple(fields_of(entity).values()), entity.does)
    properties: dict[str, Any] = dict(schema["properties"])
    for child in entity.children:
        properties[child_key(child)] = {"type": "array", "items": ref(_child_name(entity, child))}
    return {**schema, "properties": properties}


def _object(fields: tuple[Field, ...], does: str) -> Schema:
    return {
        "type": "object",
        "description": does,
        "required": [fields[0].name],
        "properties": {field.name: field_schema(field) for field in fields},
    }


def field_schema(field: Field) -> Schema:
    """The schema of one field."""
    schema: dict[str, Any] = dict(_TYPES[field.type])
    refers = f"The id of one of {field.references}" if field.references else ""
    if words := "; ".join(each for each in (field.does, refers) if each):
        schema["description"] = words
    return schema if field.name in _NEVER_NULL else nullable(schema)


def _child_name(entity: Entity, child: Child) -> str:
    return f"{entity.name}_{child_key(child)}"


def filters_of(entity: Entity) -> tuple[Schema, ...]:
    """The parameters of a list."""
    found = [
        query(
            "limit",
            CONTROLS["limit"],
            {"type": "integer", "minimum": 1, "maximum": LONGEST, "default": USUAL},
        ),
        query("after", CONTROLS["after"], {"type": "string", "pattern": r"^([^~]*~)?-?[0-9]{1,18}$"}),
        query("sort", CONTROLS["sort"], {"type": "string", "enum": list(SORTS), "default": "st_id"}),
        query("fields", CONTROLS["fields"]),
        query("include_deleted", CONTROLS["include_deleted"], {"type": "boolean"}),
    ]
    for choice in choices(entity).values():
        if choice.operator == "null":
            found.append(query(choice.name, choice.does, {"type": "boolean"}))
        elif choice.operator == "=":
            type_ = {Type.IDS: Type.BIGINT, Type.TEXTS: Type.TEXT}.get(choice.field.type, choice.field.type)
            found.append(query(choice.name, choice.does, _TYPES[type_], many=True))
        else:
            found.append(query(choice.name, choice.does, _TYPES[choice.field.type]))
    return tuple(found)
