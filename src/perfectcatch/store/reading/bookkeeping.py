"""What the mirror knows of itself, as JSON: kept places, the sync log, contacts, what the CRM still lacks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg.rows import dict_row

from perfectcatch.model.entity import Entity
from perfectcatch.store import state
from perfectcatch.store.names import SYNC_LOG, SYNC_STATE, qualified
from perfectcatch.store.pool import Pool, transaction
from perfectcatch.store.reading.reads import Reads

PENDING: Final = ("pending", "failed")  # and no status at all

_PAGE: Final = """
with page as materialized (
  select row_number() over (order by {order}) as place, {cursor} as cursor, record
  from (select {key}, {record} as record from {source} order by {order} limit %(limit)s + 1) found
  order by place
)
select json_build_object('data_as_of', %(as_of)s::timestamptz,
  'data', coalesce(json_agg(record order by place) filter (where place <= %(limit)s), '[]'::json),
  'next', case when count(*) > %(limit)s then max(cursor) filter (where place = %(limit)s) end)
from page"""


def page(*, source: str, record: str, key: str, order: str, cursor: str) -> str:
    """A statement for a page of ``source``. Parameters: ``limit``, ``as_of``, and those of ``source``."""
    return _PAGE.format(source=source, record=record, key=key, order=order, cursor=cursor)


_KEPT: Final = "(select row_to_json(c) from (select s.key, s.value, s.updated_at) c)"
_STATES: Final = page(
    source=f"{SYNC_STATE} s where s.tenant_id = %(tenant)s and s.key > %(after)s",
    record=_KEPT,
    key="s.key",
    order="key",
    cursor="key",
)


async def states(reads: Reads, tenant_id: int, *, after: str, limit: int, as_of: datetime | None) -> bytes:
    """Every kept value, by key."""
    values = {"tenant": tenant_id, "after": after, "limit": limit, "as_of": as_of}
    return await reads.json(_STATES, values) or b""


async def state_of(reads: Reads, tenant_id: int, key: str) -> bytes | None:
    """One kept value."""
    return await reads.json(
        f"select {_KEPT} from {SYNC_STATE} s where s.tenant_id = %s and s.key = %s", (tenant_id, key)
    )


async def keep(pool: Pool, tenant_id: int, key: str, value: Any) -> None:
    """Keep a value."""
    async with transaction(pool) as connection:
        await state.put(connection, tenant_id, key, value)


# The sync log ----------------------------------------------------------------------------------

_LINE: Final = """(select row_to_json(c) from (select l.id, l.run_id, l.module, l.sync_type, l.status,
  l.records_fetched, l.records_created, l.records_updated, l.records_unchanged, l.records_deactivated,
  l.records_quarantined, l.requests, l.started_at, l.completed_at, l.duration_ms, l.error_message) c)"""
_LINES: Final = page(
    source=f"""{SYNC_LOG} l where l.tenant_id = %(tenant)s and l.id < %(after)s
      and (%(module)s::text is null or l.module = %(module)s)
      and (%(status)s::text is null or l.status = %(status)s)
      and (%(run_id)s::uuid is null or l.run_id = %(run_id)s)
      and (%(started_from)s::timestamptz is null or l.started_at >= %(started_from)s)
      and (%(started_before)s::timestamptz is null or l.started_at < %(started_before)s)""",
    record=_LINE,
    key="l.id",
    order="id desc",
    cursor="id::text",
)


async def log_lines(reads: Reads, tenant_id: int, **asked: Any) -> bytes:
    """Lines of the sync log, the newest first; ``asked`` are the parameters of ``_LINES``."""
    return await reads.json(_LINES, {"tenant": tenant_id, **asked}) or b""


async def write_line(pool: Pool, tenant_id: int, line: Mapping[str, Any]) -> int:
    """Write a line of another program's; it belongs to no run of ours. Returns its id."""
    started: datetime = line["started_at"]
    completed: datetime | None = line["completed_at"]
    spent = round((completed - started).total_seconds() * 1000) if completed else None
    async with pool.connection() as connection:
        found = await connection.execute(
            f"""
            insert into {SYNC_LOG} (tenant_id, module, sync_type, status, records_fetched, records_created,
              records_updated, records_unchanged, records_deactivated, records_quarantined, requests,
              started_at, completed_at, duration_ms, error_message)
            values (%(tenant)s, %(module)s, %(sync_type)s, %(status)s, %(records_fetched)s,
              %(records_created)s, %(records_updated)s, %(records_unchanged)s, %(records_deactivated)s,
              %(records_failed)s, %(requests)s, %(started_at)s, %(completed_at)s, %(spent)s,
              %(error_message)s)
            returning id
            """,
            {"tenant": tenant_id, "spent": spent, **line},
        )
        row = await found.fetchone()
        assert row is not None
        return int(row[0])


async def statistics(reads: Reads, tenant_id: int, module: str | None) -> bytes:
    """How the syncs of each kind of record have gone so far."""
    statement = """
select json_build_object('data', coalesce(json_agg(row_to_json(s) order by s.entity_type, s.sync_type), '[]'))
from (
  select entity_type, sync_type, total_syncs, successful_syncs, failed_syncs, records_processed,
    records_succeeded, records_failed, last_sync_at, last_success_at, average_duration_ms
  from public.sync_statistics
  where tenant_id = %(tenant)s and (%(module)s::text is null or entity_type = %(module)s)
) s"""
    return await reads.json(statement, {"tenant": tenant_id, "module": module}) or b""


# Contacts and the CRM --------------------------------------------------------------------------


async def contact_numbers(
    reads: Reads, tenant_id: int, entities: Mapping[str, Entity], as_of: datetime | None
) -> bytes:
    """How many contacts there are, and how many customers can be reached."""
    customers = qualified(entities["customers"].table)
    contacts = qualified(entities["customer_contacts"].table)
    of_locations = qualified(entities["location_contacts"].table)
    statement = f"""
select json_build_object('data_as_of', %(as_of)s::timestamptz,
  'customer_contacts', (select json_build_object(
      'total', count(*), 'active', count(*) filter (where active),
      'do_not_text', count(*) filter (where active and do_not_text),
      'by_type', (select coalesce(json_object_agg(t.kind, t.number), '{{}}') from (
        select coalesce(contact_type, 'unknown') as kind, count(*) as number from {contacts}
        where tenant_id = %(tenant)s and deleted_at is null group by 1) t))
    from {contacts} where tenant_id = %(tenant)s and deleted_at is null),
  'location_contacts', (select json_build_object(
      'total', count(*), 'active', count(*) filter (where active))
    from {of_locations} where tenant_id = %(tenant)s and deleted_at is null),
  'customers', (select json_build_object(
      'total', count(*), 'with_phone', count(phone), 'with_email', count(email),
      'with_neither', count(*) filter (where phone is null and email is null),
      'in_crm', count(ghl_contact_id))
    from {customers} where tenant_id = %(tenant)s and deleted_at is null))"""
    return await reads.json(statement, {"tenant": tenant_id, "as_of": as_of}) or b""


async def pending_jobs(reads: Reads, tenant_id: int, entities: Mapping[str, Entity], **asked: Any) -> bytes:
    """Jobs that the CRM does not have yet, with what a caller needs of their customers."""
    jobs, customers, units = (
        qualified(entities[name].table) for name in ("jobs", "customers", "business_units")
    )
    statement = page(
        source=f"""{jobs} j
  left join {customers} c on c.tenant_id = j.tenant_id and c.st_id = j.customer_id
  left join {units} b on b.tenant_id = j.tenant_id and b.st_id = j.business_unit_id
  where j.tenant_id = %(tenant)s and j.st_id > %(after)s and j.deleted_at is null
    and (j.ghl_sync_status is null or j.ghl_sync_status = any(%(pending)s))
    and (%(business_unit_id)s::bigint is null or j.business_unit_id = %(business_unit_id)s)
    and (not %(enabled_only)s or b.ghl_pipeline_id is not null)""",
        record="""(select row_to_json(r) from (select j.st_id, j.job_number, j.job_status, j.summary, j.total,
    j.customer_id, c.name as customer_name, c.email as customer_email, c.phone as customer_phone,
    c.ghl_contact_id, j.location_id, j.job_type_id, j.business_unit_id, b.name as business_unit_name,
    b.ghl_pipeline_id, j.ghl_opportunity_id, j.ghl_sync_status, j.st_created_on, j.st_modified_on) r)""",
        key="j.st_id",
        order="st_id",
        cursor="st_id::text",
    )
    return await reads.json(statement, {"tenant": tenant_id, "pending": list(PENDING), **asked}) or b""


async def note_pushed(
    pool: Pool, tenant_id: int, jobs: Entity, st_id: int, values: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Note how a push of a job to the CRM ended; None where there is no such job."""
    sets = ", ".join(
        f"{name} = %({name})s" for name in ("ghl_opportunity_id", "ghl_sync_status") if name in values
    )
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""
            update {qualified(jobs.table)} set {sets}
            where tenant_id = %(tenant)s and st_id = %(st_id)s and deleted_at is null
            returning st_id, ghl_opportunity_id, ghl_sync_status
            """.encode(),
            {"tenant": tenant_id, "st_id": st_id, **values},
        )
        return await cursor.fetchone()
