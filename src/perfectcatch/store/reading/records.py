"""One record by its id: everybody who asks at the same moment shares one statement.

A server that is asked a hundred things at once spends most of its time on going to PostgreSQL and back.
So ids are gathered while a statement is under way, and the next one answers all of them.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from perfectcatch.model.entity import Child, Entity
from perfectcatch.store.names import beside, qualified, quote
from perfectcatch.store.reading.fields import Field, child_fields, child_key, chosen, record_of
from perfectcatch.store.reading.reads import Reads

SIDE_BY_SIDE: Final = 2  # statements of one kind at once
MOST: Final = 64  # ids in one statement
KINDS: Final = 256  # of statements that a process remembers


@dataclass(frozen=True, slots=True)
class Found:
    """A record as JSON. ``tag`` changes with everything that the JSON shows."""

    tag: str
    body: bytes


@lru_cache(maxsize=512)
def statement(entity: Entity, asked: str | None = None, *, deleted: bool = False) -> str:
    """The statement for some records: id, tag, JSON. Parameters: the company, a list of ids.

    The tag is the row's version inside PostgreSQL: a looked-up value changes it, a revision would not.
    """
    fields = chosen(entity, asked)
    children = entity.children if asked is None else ()
    record = record_of(fields, "m") if not children else _with_children(entity, fields, children)
    there = "" if deleted else " and m.deleted_at is null"
    return (
        f"select m.st_id, m.revision || '-' || m.xmin::text, {record}::text"
        f" from {qualified(entity.table)} m where m.tenant_id = %s and m.st_id = any(%s::bigint[]){there}"
    )


def _with_children(entity: Entity, fields: tuple[Field, ...], children: tuple[Child, ...]) -> str:
    listed = ", ".join(f"m.{quote(field.name)}" for field in fields)
    rows = ", ".join(
        f"(select coalesce(json_agg({record_of(child_fields(child), 'i')} order by i.position), '[]'::json)"
        f" from {beside(child.table, entity.table)} i"
        f" where i.tenant_id = m.tenant_id and i.{quote(child.parent_column)} = m.st_id)"
        f" as {quote(child_key(child))}"
        for child in children
    )
    return f"(select row_to_json(c) from (select {listed}, {rows}) c)"


class Finder:
    """Finds records by id with one statement, asked by any number of callers at once."""

    def __init__(self, reads: Reads, tenant_id: int, text: str) -> None:
        self._reads = reads
        self._tenant_id = tenant_id
        self._text = text
        self._form = blake2b(text.encode(), digest_size=3).hexdigest()  # another form, another tag
        self._asked: dict[int, asyncio.Future[Found | None]] = {}
        self._working: set[asyncio.Task[None]] = set()

    async def find(self, st_id: int) -> Found | None:
        """The record, None where there is none. Errors are those of the pool."""
        future = self._asked.get(st_id)
        if future is None:
            future = self._asked[st_id] = asyncio.get_running_loop().create_future()
            if len(self._working) < SIDE_BY_SIDE:
                task = asyncio.create_task(self._work())
                self._working.add(task)
                task.add_done_callback(self._working.discard)
        return await asyncio.shield(future)

    async def _work(self) -> None:
        while self._asked:
            ids = list(self._asked)[:MOST]
            asked = {st_id: self._asked.pop(st_id) for st_id in ids}
            try:
                found = await self._read(ids)
            except BaseException as error:
                for future in asked.values():
                    future.set_exception(error)
                    future.exception()  # whoever asked may have gone away meanwhile
                if not isinstance(error, Exception):
                    raise
            else:
                for st_id, future in asked.items():
                    future.set_result(found.get(st_id))

    async def _read(self, ids: list[int]) -> dict[int, Found]:
        rows = await self._reads.raw(self._text, (self._tenant_id, ids))
        return {
            int(st_id or 0): Found(f'"{(tag or b"").decode()}-{self._form}"', body or b"")
            for st_id, tag, body in rows
        }


class Finders:
    """The finders of a process, one for each statement."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Finder] = OrderedDict()

    def of(self, reads: Reads, tenant_id: int, text: str) -> Finder:
        """The finder that uses the statement ``text``."""
        finder = self._known.get(text)
        if finder is None:
            finder = self._known[text] = Finder(reads, tenant_id, text)
            if len(self._known) > KINDS:
                self._known.popitem(last=False)
        return finder
