"""Ids of mirrored records, page after page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import qualified, quote
from perfectcatch.store.pool import Connection

# ``value`` is one value, but for "in" a list. A column without a value passes "!=" alone.
OPERATORS: Final = {
    "==": "{column} = {value}",
    "!=": "{column} is distinct from {value}",
    "<": "{column} < {value}",
    "<=": "{column} <= {value}",
    ">": "{column} > {value}",
    ">=": "{column} >= {value}",
    "in": "{column} = any({value})",
}
_NUMBER: Final = "{}::float8"  # conditions compare numbers as binary fractions


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What a column has to be: a name of ``OPERATORS`` and a value of the column's kind."""

    column: str
    operator: str
    value: Any


async def live(
    connection: Connection,
    tenant_id: int,
    entity: Entity,
    *,
    after: int,
    limit: int,
    narrowed: Sequence[Narrowing] = (),
) -> list[int]:
    """Ids of records that are there and pass all that is ``narrowed``, above ``after``, in their order."""
    values: dict[str, Any] = {"tenant": tenant_id, "after": after, "limit": limit}
    conditions = []
    for number, each in enumerate(narrowed):
        values[f"value_{number}"] = each.value
        column, value = f"m.{quote(each.column)}", f"%(value_{number})s"
        if isinstance(each.value, int | float) and not isinstance(each.value, bool):
            column, value = _NUMBER.format(column), _NUMBER.format(value)
        conditions.append(" and " + OPERATORS[each.operator].format(column=column, value=value))
    rows = await connection.execute(
        f"""
        select m.st_id from {qualified(entity.table)} m
        where m.tenant_id = %(tenant)s and m.st_id > %(after)s and m.deleted_at is null{"".join(conditions)}
        order by m.st_id limit %(limit)s
        """.encode(),
        values,
    )
    return [row[0] for row in await rows.fetchall()]
