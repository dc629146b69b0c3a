"""The statement text that reads a typed column out of a vendor's JSON document.

PostgreSQL does the reading, so that no record is decoded in Python on the hot path, a new column can be
filled from what is stored, and the judge of a value is the type it has to fit in. ``doc`` below is always
an SQL expression of type jsonb.

PostgreSQL reads more into a text than the vendor means: ``now`` and ``01/02/2026`` are moments to it, ``nan``
and ``inf`` are numbers. What has not the form of a moment or a number is made unreadable before the cast, so
that it raises. A pattern with many steps is dear in PostgreSQL (1.8 us for a day), because its automaton is
built anew for each value, so what is plainly a moment of our century is told by LIKE first (0.1 us).
"""

from collections.abc import Iterable
from typing import Final

from perfectcatch.model.entity import Child, Column, Convert, Entity, Inactive, Type
from perfectcatch.store.names import quote, schema_of_helpers

# An index entry holds at most 2,704 bytes; 500 characters of four bytes each are sure to fit.
LONGEST_INDEXED: Final = 500

# Outside of these the vendor means "none": it writes 0001-01-01 and 9999-12-31, and the fractions of the
# latter round up to the year 10000, which Python cannot hold.
FIRST_DAY: Final = "0002-01-01"
LAST_DAY: Final = "9999-12-30"

_NUMBERS: Final = (Type.MONEY, Type.NUMBER, Type.DOUBLE)
_NUMBER: Final = r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?$"
_DAY: Final = r"\d{4}-\d\d-\d\d"
# What fits this and can be read as a moment begins with a day: every character was tried in every place.
# Only a doubled hyphen (2026-01--2) passes, and means the same. \x25 is a percent sign, see ``literal``.
_PLAINLY: Final = r"E'2___-__-__T__:__:__\x25'"
_SPAN: Final = r"-?(\d+ -?)?\d+:[0-9:.]+$"


def literal(value: str) -> str:
    """``value`` as an SQL string constant.

    It never holds a percent sign, which psycopg takes for a placeholder in statements with parameters
    and for itself in those without.
    """
    if "%" not in value:
        return "'" + value.replace("'", "''") + "'"
    return "E'" + value.replace("\\", "\\\\").replace("'", "''").replace("%", "\\x25") + "'"


def document_at(doc: str, path: Iterable[str]) -> str:
    """The JSON value at ``path``."""
    return doc + "".join(f"->{literal(step)}" for step in path)


def text_at(doc: str, path: Iterable[str]) -> str:
    """The value at ``path`` as text; JSON null is SQL null."""
    *steps, last = path
    return f"{document_at(doc, steps)}->>{literal(last)}"


def read(column: Column, doc: str) -> str:
    """The value of ``column`` in ``doc``, converted; an indexed text is cut before its index refuses it."""
    if column.index and column.type is Type.TEXT:
        return f"left({_read(column, doc)}, {LONGEST_INDEXED})"
    return _read(column, doc)


def _read(column: Column, doc: str) -> str:
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
            return _day(raw)
        case Convert.SECONDS:
            return f"extract(epoch from {_span(raw)})::{column.type}"
        case Convert.IDS_OF:
            return _gathered(document_at(doc, column.path), "nullif(element->>'id', '')::bigint")
        case Convert.NAMES_OF:
            return _gathered(document_at(doc, column.path), _listed(column, "element->>'name'"))
    return _plain(column, document_at(doc, column.path), raw)


def _plain(column: Column, value: str, raw: str) -> str:
    match column.type:
        case Type.TEXT:
            return raw
        case Type.JSON:
            return f"nullif({value}, 'null'::jsonb)"
        case Type.DAY:
            return _day(raw)
        case Type.MOMENT:
            return _moment(raw)
        case Type.IDS:
            # '[1, 2]' is one translation away from an array constant: 4 times quicker than unnesting it.
            # An object or a text is none, so braces are made unreadable and a text keeps its quotes.
            listed = f"translate(({value})::text, '[]{{}}', '{{}}??')"
            return f"nullif(nullif({listed}, 'null'), '\"\"')::bigint[]"
        case Type.TEXTS:
            return _gathered(value, _listed(column, "element #>> '{}'"))
    text = f"nullif({raw}, '')"
    return f"{_only(_NUMBER, text, 'no number') if column.type in _NUMBERS else text}::{column.type}"


def _only(pattern: str, text: str, otherwise: str) -> str:
    """Put ``otherwise`` before a text that has not the form of ``pattern``, so that no type can read it."""
    return f"regexp_replace({text}, '^(?!{pattern})', '{otherwise}: ')"


def _moment(raw: str) -> str:
    written = _plainly(raw, raw, f"nullif({raw}, '')", "no ISO time")
    return _within(f"{written}::timestamptz", f"{FIRST_DAY} 00:00Z", f"{LAST_DAY} 00:00Z")


def _day(raw: str) -> str:
    day = f"left({raw}, 10)"
    written = _plainly(raw, day, f"nullif({day}, '')", "no ISO day")
    return _within(f"{written}::date", FIRST_DAY, LAST_DAY)


def _plainly(raw: str, value: str, any_value: str, otherwise: str) -> str:
    return f"case when {raw} like {_PLAINLY} then {value} else {_only(_DAY, any_value, otherwise)} end"


def _within(value: str, first: str, last: str) -> str:
    """Null for what is not between ``first`` and ``last``; the value is computed once."""
    clamped = f"least(greatest({value}, '{first}'), '{last}')"
    return f"nullif(nullif({clamped}, '{first}'), '{last}')"


def _span(raw: str) -> str:
    """A .NET time span as an interval: its days are parted from the hours by a full stop."""
    spaced = f"regexp_replace(nullif({raw}, ''), '^(-?)(\\d+)\\.(?=\\d+:)', '\\1\\2 \\1')"
    return f"{_only(_SPAN, spaced, 'no time span')}::interval"


def _listed(column: Column, expression: str) -> str:
    return f"left({expression}, {LONGEST_INDEXED})" if column.index else expression


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
    return f"nullif({text_at(doc, entity.key.split('.'))}, '')::bigint"


def moment_of(path: str | None, doc: str) -> str:
    """The moment at ``path``, null where the vendor has none."""
    return _moment(text_at(doc, path.split("."))) if path else "null::timestamptz"


def active_of(entity: Entity, doc: str) -> str:
    """Whether the record is switched on; a record that does not say is."""
    if not entity.active:
        return "true"
    return f"coalesce(nullif({text_at(doc, entity.active.split('.'))}, '')::boolean, true)"


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
    Its variables have names that no expression uses, because PL/pgSQL refuses what could mean either.
    """
    checks = [("$", "doc", "jsonb_typeof(doc) is distinct from 'object'", "it is not a JSON object")]
    key = key_of(entity, "doc")
    checks.append((entity.key, key, f"{key} is null", "the record has no id"))
    moments = [path for path in (entity.created, entity.modified) if path]
    checks += [(path, moment_of(path, "doc"), "", "") for path in moments]
    checks.append((entity.active or "active", active_of(entity, "doc"), "", ""))
    checks += [(column.at, read(column, "doc"), "", "") for column in entity.vendor_columns]
    lines = [_check(*check) for check in checks]
    for child in entity.children:
        lines += _child_checks(child)
    body = "\n".join(lines)
    return f"""
create or replace function pg_temp.fault_of(raw bytea) returns text language plpgsql as $fault$
declare
  faulty text := 'the document';
  doc jsonb;
  item jsonb;
begin
  doc := convert_from(raw, 'UTF8')::jsonb;
{body}
  return null;
exception when others then
  return faulty || ': ' || sqlerrm;
end $fault$"""


def _check(place: str, value: str, refuse_when: str = "", reason: str = "") -> str:
    lines = f"  faulty := {literal(place)};\n  perform {value};"
    if refuse_when:
        lines += f"\n  if {refuse_when} then return faulty || ': ' || {literal(reason)}; end if;"
    return lines


def _child_checks(child: Child) -> list[str]:
    inner = [_check(f"{child.at}.{column.at}", read(column, "item")) for column in child.columns]
    return [
        f"  faulty := {literal(child.at)};",
        f"  for item in select jsonb_array_elements({items_of(child, 'doc')}) loop",
        *inner,
        "  end loop;",
    ]
