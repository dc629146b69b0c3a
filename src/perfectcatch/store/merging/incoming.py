"""Documents on their way into the table of the session, but for those that the mirror has byte for byte.

A feed that shows recent changes shows them again for a quarter of an hour, with every read: where webhooks
let it be read all the time, most of what comes is known. To copy a document in and to read its key and its
time costs PostgreSQL about 25 us, to look whether its row has this hash 3.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from perfectcatch.kit import fingerprint
from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity
from perfectcatch.store.merging.statements import COPY_IN
from perfectcatch.store.names import QUARANTINE, qualified
from perfectcatch.store.pool import Connection, Pool

WORTH: Final = 100  # documents below which asking takes longer than it saves

_PIECE: Final = 1 << 20  # bytes of COPY data handed over at once
_ROW: Final = struct.Struct(">hiii16si")  # fields, ord, hash, length of the document
_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_COPY_END: Final = struct.pack(">h", -1)
_JSONB_VERSION: Final = b"\x01"
_LARGEST_ID: Final = 2**63 - 1


class _Keyed(msgspec.Struct):
    id: int


_key_in = msgspec.json.Decoder(_Keyed).decode


async def copy_in(connection: Connection, records: Iterable[Document]) -> int:
    """Copy documents into ``incoming`` of the session, numbered in their order; how many there are now."""
    piece: list[Document] = [_COPY_HEAD]
    size = 0
    async with connection.cursor() as cursor:
        async with cursor.copy(COPY_IN) as copy:
            for ord_, record in enumerate(records):
                piece += (
                    _ROW.pack(3, 4, ord_, fingerprint.SIZE, fingerprint.of(record), len(record) + 1),
                    _JSONB_VERSION,
                    record,
                )
                size += len(record)
                if size >= _PIECE:
                    await copy.write(b"".join(piece))
                    piece, size = [], 0
            piece.append(_COPY_END)
            await copy.write(b"".join(piece))
        return cursor.rowcount


async def unknown(
    pool: Pool, tenant_id: int, entity: Entity, records: Sequence[Document]
) -> Sequence[Document]:
    """``records`` without those of which the mirror has this very document, alive.

    A merge now would change nothing for them, and what others merge later counts as later. All are given
    where a record of the entity waits in quarantine, because a good one lets it go. Of a record that is on
    the page twice the merge says which one counts.
    """
    if entity.key != "id" or entity.derived_key or len(records) < WORTH:
        return records
    keys = [_key_of(record) for record in records]
    if None in keys:
        return records  # as a text an id may be that of another one
    times = Counter(keys)
    asked = [place for place, key in enumerate(keys) if times[key] == 1]
    query = f"""
        select m.st_id from unnest(%(ids)s::bigint[], %(hashes)b::bytea[]) given(st_id, hash)
        join {qualified(entity.table)} m on m.tenant_id = %(tenant)s and m.st_id = given.st_id
        where m.content_hash = given.hash and m.deleted_at is null and not exists (
          select from {QUARANTINE} q
          where q.tenant_id = %(tenant)s and q.entity = %(entity)s and q.resolved_at is null)
        """
    values = {
        "tenant": tenant_id,
        "entity": entity.name,
        "ids": [keys[place] for place in asked],
        "hashes": [fingerprint.of(records[place]) for place in asked],
    }
    async with pool.connection() as connection:
        found = await connection.execute(query, values)
        known = {st_id for (st_id,) in await found.fetchall()}
    return [record for record, key in zip(records, keys, strict=True) if key not in known]


def _key_of(record: Document) -> int | None:
    try:
        key = _key_in(record).id
    except (msgspec.MsgspecError, RecursionError):
        return None  # the merge will say what is wrong with it
    return key if -_LARGEST_ID <= key <= _LARGEST_ID else None
