"""Calls of people whom no record of a customer names: they are found by the telephone number alone."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import qualified
from perfectcatch.store.pool import Connection

Row = Mapping[str, Any]
Key = tuple[str, int]

CALLS: Final = "calls"
_MOST: Final = 200  # of a number in each direction, the newest: conditions see no more of a list


def numbers_of(entity: str, row: Row) -> tuple[str, ...]:
    """The other side's number: of a call or of an enquiry; nothing for any other record."""
    if entity == CALLS:
        found = row["from_number"] if row["direction"] == "Inbound" else row["to_number"]
    elif entity == "leads":
        found = row["phone"]
    else:
        found = None
    return (found,) if found else ()


class ByNumber:
    """Which calls there are with a number, in either direction."""

    def __init__(self) -> None:
        self._calls: dict[str, set[Key]] = defaultdict(set)
        self._numbers: dict[Key, set[str]] = defaultdict(set)

    def note(self, entity: str, st_id: int, row: Row) -> None:
        """Take down a version of a record."""
        for number in numbers_of(entity, row):
            self._numbers[entity, st_id].add(number)
            if entity == CALLS:
                self._calls[number].add((entity, st_id))

    def with_calls(self, keys: Iterable[Key]) -> set[Key]:
        """``keys``, and the calls with the numbers that their records name."""
        wanted = set(keys)
        numbers = {number for key in wanted for number in self._numbers.get(key, ())}
        return wanted.union(*(self._calls.get(number, set()) for number in numbers))


async def calls_with(
    connection: Connection,
    tenant_id: int,
    entities: Mapping[str, Entity],
    own: Mapping[str, Sequence[int]],
) -> list[int]:
    """Ids of calls with the numbers of those calls and enquiries of ``own`` that are no customer's.

    From a day before on: what matters is who called lately, and whether somebody has called back.
    """
    if CALLS not in entities or "leads" not in entities or not (own.get(CALLS) or own.get("leads")):
        return []
    calls, leads = qualified(entities[CALLS].table), qualified(entities["leads"].table)
    found = await connection.execute(
        f"""
        with asked(number, since) as materialized (
          select number, min(since) from (
            select case when direction = 'Inbound' then from_number else to_number end, st_created_on
            from {calls} where tenant_id = %(tenant)s and st_id = any(%(calls)s) and customer_id is null
            union all
            select phone, st_created_on
            from {leads} where tenant_id = %(tenant)s and st_id = any(%(leads)s) and customer_id is null
          ) named(number, since) where number is not null group by number
        )
        select c.st_id from asked a cross join lateral (
          {_newest(calls, "from_number")}
          union
          {_newest(calls, "to_number")}
        ) c order by c.st_id desc
        """,
        {"tenant": tenant_id, "calls": list(own.get(CALLS, ())), "leads": list(own.get("leads", ()))},
    )
    return [row[0] for row in await found.fetchall()]


def _newest(calls: str, side: str) -> str:
    """Calls with the number on that side; of each number so many that no other is hidden by them."""
    return f"""(select c.st_id from {calls} c where c.tenant_id = %(tenant)s and c.{side} = a.number
            and c.st_created_on > a.since - interval '1 day' order by c.st_id desc limit {_MOST})"""
