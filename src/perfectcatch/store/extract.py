"""The statement text that reads a typed column out of a vendor's JSON document.

PostgreSQL does the reading, so that no record is decoded in Python on the hot path, a new column can be
filled from what is stored, and the judge of a value is the type it has to fit in. ``doc`` below is always
an SQL expression of type jsonb.
"""

from collections.abc import Iterable

from perfectcatch.model.entity import Child, Column, Convert, Entity, Inactive, Type
from perfectcatch.store.names import quote, schema_of_helpers

_TYPED = {
    Type.BIGINT: "bigint",
    Type.INTEGER: "integer",
    Type.MONEY: "numeric(18,4)",
    Type.NUMBER: "numeric",
    Type.DOUBLE: "double precision",
    Type.MOMENT: "timestamptz",
    Type.FLAG: "boolean",
}


def literal(value: str) -> str:
    """``value`` as an SQL string constant."""
    return "'" + value.replace("'", "''") + "'"


def document_at(doc: str, path: Iterable[str]) -> str:
    """The JSON value at ``path``."""
    return doc + "".join(f"->{literal(step)}" for step in path)


def text_at(doc: str, path: Iterable[str]) -> str:
    """The value at ``path`` as text; JSON null is SQL null."""
    *steps, last = path
    return f"{document_at(doc, steps)}->>{literal(last)}"


def read(column: Column, doc: str) -> str:
    """The value of ``column`` in ``doc``, converted."""
    raw = text_at(doc, column.path)
    match column.convert:
        case Convert.PHONE:
            return f"{schema_of_helpers()}.phone_e164({raw})"
        case Convert.FIRST_NAME:
            return f"{schema_of_helpers()}.first_name({raw})"
        case Convert.LAST_NAME:
            return f"{schema_of_helpers()}.last_name({raw})"
        case Convert.LOWER:
            return f"case when strpos({raw}, '@') > 0 then lower({raw}) end"
        case Convert.DAY_OF:
            return f"left(nullif({raw}, ''), 10)::date"
        case Convert.SECONDS:
            return f"extract(epoch from nullif({raw}, '')::interval)::{column.type}"
        case Convert.IDS_OF:
            return _gathered(document_at(doc, column.path), "(element->>'id')::bigint")
        case Convert.NAMES_OF:
            return _gathered(document_at(doc, column.path), "element->>'name'")
    return _plain(column.type, document_at(doc, column.path), raw)


def _plain(type_: Type, value: str, raw: str) -> str:
    match type_:
        case Type.TEXT:
            return raw
        case Type.JSON:
            return f"nullif({value}, 'null'::jsonb)"
        case Type.DAY:
            return f"nullif({raw}, '')::date"
        case Type.IDS:
            # '[1, 2]' is one translation away from an array constant: 4 times quicker than unnesting it
            return f"translate({raw}, '[] \"', '{{}}')::bigint[]"
        case Type.TEXTS:
            return _gathered(value, "element #>> '{}'")
    return f"nullif({raw}, '')::{_TYPED[type_]}"


def _gathered(value: str, expression: str) -> str:
    """An array with ``expression`` for each element of a JSON list; null where there is no list."""
    return (
        f"case when jsonb_typeof({value}) = 'array' then "
        f"array(select {expression} from jsonb_array_elements({value}) with ordinality "
        f"as listed(element, place) order by place) end"
    )


def key_of(entity: Entity, doc: str) -> str:
    """The vendor's id, or the number that stands for it (``model.entity.derived_id`` in SQL)."""
    if entity.derived_key:
        parts = " || chr(31) || ".join(f"({text_at(doc, path.split('.'))})" for path in entity.derived_key)
        digest = f"left(encode(sha256(convert_to({parts}, 'UTF8')), 'hex'), 15)"
        return f"(-1 - ('x' || {digest})::bit(60)::bigint)"
    return f"({text_at(doc, entity.key.split('.'))})::bigint"


def moment_of(path: str | None, doc: str) -> str:
    """The moment at ``path``, null where the vendor has none."""
    return f"nullif({text_at(doc, path.split('.'))}, '')::timestamptz" if path else "null::timestamptz"


def active_of(entity: Entity, doc: str) -> str:
    """Whether the record is switched on; a record that does not say is."""
    if not entity.active:
        return "true"
    return f"coalesce(({text_at(doc, entity.active.split('.'))})::boolean, true)"


def says_deleted(entity: Entity, doc: str) -> str:
    """Whether the record itself says that it is gone."""
    if entity.inactive_means is not Inactive.DELETED:
        return "false"
    return f"not {active_of(entity, doc)}"


def columns_of(entity: Entity, doc: str) -> list[tuple[str, str]]:
    """Every column that comes from the record: (quoted name, expression)."""
    declared = [(quote(column.name), read(column, doc)) for column in entity.vendor_columns]
    return [
        *declared,
        ("st_created_on", moment_of(entity.created, doc)),
        ("st_modified_on", moment_of(entity.modified, doc)),
        ("active", active_of(entity, doc)),
    ]


def child_columns(child: Child, item: str) -> list[tuple[str, str]]:
    """Every column of a child row: (quoted name, expression)."""
    return [(quote(column.name), read(column, item)) for column in child.columns]


def items_of(child: Child, doc: str) -> str:
    """The child's list in ``doc``, null where it is none."""
    value = document_at(doc, child.at.split("."))
    return f"case when jsonb_typeof({value}) = 'array' then {value} end"


def fault_function(entity: Entity) -> str:
    """A session's function ``pg_temp.fault_of(raw bytea) returns text``: why a record cannot be stored.

    It evaluates the very expressions that the merge uses, one by one, and answers null or the path and the
    reason of the first that fails. One sub-transaction a record: about 40 microseconds, for bad pages only.
    """
    checks = [("$", "doc", "jsonb_typeof(doc) is distinct from 'object'", "it is not a JSON object")]
    key = key_of(entity, "doc")
    checks.append((entity.key, key, f"{key} is null", "the record has no id"))
    moments = [path for path in (entity.created, entity.modified) if path]
    checks += [(path, moment_of(path, "doc"), "", "") for path in moments]
    checks.append((entity.active or "active", active_of(entity, "doc"), "", ""))
    checks += [_value_check(column, column.at, "doc") for column in entity.vendor_columns]
    lines = [_check(*check) for check in checks]
    for child in entity.children:
        lines += _child_checks(child)
    body = "\n".join(lines)
    return f"""
create or replace function pg_temp.fault_of(raw bytea) returns text language plpgsql as $fault$
declare
  place text := 'the document';
  doc jsonb;
  item jsonb;
begin
  doc := convert_from(raw, 'UTF8')::jsonb;
{body}
  return null;
exception when others then
  return place || ': ' || sqlerrm;
end $fault$"""


def _value_check(column: Column, place: str, doc: str) -> tuple[str, str, str, str]:
    value = read(column, doc)
    if column.required:
        return place, value, f"{value} is null", "the value is missing"
    if column.type is Type.MONEY:
        return place, value, f"{value} = 'NaN'", "the value is not a number"
    if column.type in (Type.NUMBER, Type.DOUBLE):
        return place, value, f"{value} in ('NaN', 'Infinity', '-Infinity')", "the value is not a number"
    return place, value, "", ""


def _check(place: str, value: str, refuse_when: str, reason: str) -> str:
    lines = f"  place := {literal(place)};\n  perform {value};"
    if refuse_when:
        lines += f"\n  if {refuse_when} then return place || ': ' || {literal(reason)}; end if;"
    return lines


def _child_checks(child: Child) -> list[str]:
    inner = [_check(*_value_check(column, f"{child.at}.{column.at}", "item")) for column in child.columns]
    return [
        f"  place := {literal(child.at)};",
        f"  for item in select jsonb_array_elements({items_of(child, 'doc')}) loop",
        *inner,
        "  end loop;",
    ]
