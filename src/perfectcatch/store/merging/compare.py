"""Records of the vendor beside our rows of them: what differs, without writing anything.

The whole document is compared, and each typed column with what the document says. A hash is not enough: it
says what the document was when it was stored, not what is in the row now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from perfectcatch.kit.fingerprint import Document
from perfectcatch.model.entity import Entity
from perfectcatch.store.merging import extract, quarantine
from perfectcatch.store.merging.mirror import UNFIT
from perfectcatch.store.names import QUARANTINE, qualified, quote
from perfectcatch.store.names import beside as beside_table
from perfectcatch.store.pool import Connection, Pool, transaction

_TABLE = "create temp table if not exists asked (ord integer, raw bytea) on commit delete rows"


@dataclass(frozen=True, slots=True)
class Beside:
    """A record of the vendor and our row of it.

    ``ord`` is its place among the records that were given. ``modified`` and ``gone`` are what the vendor's
    record says. ``same``: our document equals it; ``fits``: our columns say what our document says;
    ``told_gone``: our document says that the record is deleted, and is otherwise the same.
    """

    st_id: int
    ord: int
    modified: datetime | None
    gone: bool
    known: bool
    same: bool
    fits: bool
    told_gone: bool
    st_modified_on: datetime | None
    deleted_at: datetime | None
    quarantined: bool

    @property
    def equal(self) -> bool:
        """Whether there is nothing to mend."""
        if self.gone:
            return not self.known or (self.deleted_at is not None)
        return self.known and self.same and self.fits and self.deleted_at is None


async def beside(
    pool: Pool, tenant_id: int, entity: Entity, records: Sequence[Document]
) -> tuple[list[Beside], list[int]]:
    """Our rows of ``records``, in their order, of a record that comes twice the newest.

    Beside that the places of the records that cannot be read: they belong into quarantine.
    """
    every = range(len(records))
    async with transaction(pool) as connection:
        try:
            async with connection.transaction():
                return await _beside(connection, tenant_id, entity, records, every), []
        except UNFIT:
            good, _ = await quarantine.inspect(connection, entity, records)
            places = {id(record): place for place, record in enumerate(records)}
            fit = [places[id(record)] for record in good]
            rows = await _beside(connection, tenant_id, entity, good, fit)
            return rows, sorted(set(every) - set(fit))


async def _beside(
    connection: Connection, tenant_id: int, entity: Entity, records: Sequence[Document], places: Sequence[int]
) -> list[Beside]:
    await connection.execute(_TABLE)
    async with connection.cursor() as writer, writer.copy("copy asked from stdin (format binary)") as copy:
        copy.set_types(["int4", "bytea"])
        for place, record in zip(places, records, strict=True):
            await copy.write_row((place, bytes(record)))
    async with connection.cursor(row_factory=class_row(Beside)) as cursor:
        await cursor.execute(_query(entity), {"tenant": tenant_id, "entity": entity.name})
        return await cursor.fetchall()


def _query(entity: Entity) -> str:
    fits = " and ".join(
        f"m.{name} is not distinct from {value}" for name, value in extract.columns_of(entity, "m.full_data")
    )
    active = extract.literal(entity.active or "")
    return f"""
with read as materialized (
  select ord, convert_from(raw, 'UTF8')::jsonb as doc from asked
), keyed as materialized (
  select ord, doc, {extract.key_of(entity, "doc")} as st_id,
    {extract.moment_of(entity.modified, "doc")} as modified, {extract.says_deleted(entity, "doc")} as gone
  from read
), newest as (
  select distinct on (st_id) * from keyed where st_id is not null
  order by st_id, modified desc nulls last, ord desc
)
select r.st_id, r.ord, r.modified, r.gone, m.st_id is not null as known,
  coalesce(m.full_data = r.doc, false) as same, coalesce({fits}, false) as fits,
  coalesce({extract.says_deleted(entity, "m.full_data")}
    and m.full_data - {active} = r.doc - {active}, false) as told_gone,
  m.st_modified_on, m.deleted_at,
  exists (select from {QUARANTINE} q where q.tenant_id = %(tenant)s and q.entity = %(entity)s
    and q.st_id = r.st_id and q.resolved_at is null) as quarantined
from newest r
left join {qualified(entity.table)} m on m.tenant_id = %(tenant)s and m.st_id = r.st_id
order by r.ord"""


async def unsettle(pool: Pool, tenant_id: int, entity: Entity, wrong: Sequence[Beside]) -> None:
    """Let a merge take the vendor's word for rows that are wrong, whatever their hash and time say."""
    async with transaction(pool) as connection, connection.cursor() as cursor:
        await cursor.executemany(
            f"""
            update {qualified(entity.table)} set content_hash = ''::bytea,
              st_modified_on = least(st_modified_on, %s)
            where tenant_id = %s and st_id = %s
            """,
            [(each.modified, tenant_id, each.st_id) for each in wrong],
        )


async def refit(pool: Pool, tenant_id: int, entity: Entity, ids: Sequence[int]) -> int:
    """Fill columns and inner rows of ``ids`` from their documents anew; how many rows changed."""
    pairs = extract.columns_of(entity, "m.full_data")
    values = ", ".join(f"{name} = {value}" for name, value in pairs)
    chosen = {"tenant": tenant_id, "ids": list(ids)}
    async with transaction(pool) as connection:
        changed = await connection.execute(
            f"update {qualified(entity.table)} m set {values} where m.tenant_id = %(tenant)s "
            "and m.st_id = any(%(ids)s)",
            chosen,
        )
        for child in entity.children:
            table, parent = beside_table(child.table, entity.table), quote(child.parent_column)
            inner = extract.child_columns(child, "listed.item")
            await connection.execute(
                f"delete from {table} where tenant_id = %(tenant)s and {parent} = any(%(ids)s)", chosen
            )
            await connection.execute(
                f"""
                insert into {table} (tenant_id, {parent}, position, {", ".join(name for name, _ in inner)})
                select m.tenant_id, m.st_id, listed.position, {", ".join(value for _, value in inner)}
                from {qualified(entity.table)} m,
                  jsonb_array_elements({extract.items_of(child, "m.full_data")})
                    with ordinality listed(item, position)
                where m.tenant_id = %(tenant)s and m.st_id = any(%(ids)s)
                """,
                chosen,
            )
    return changed.rowcount
