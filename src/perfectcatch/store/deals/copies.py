"""Contacts and opportunities as the CRM last gave them, and the log of runs with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg.types.json import Jsonb

from perfectcatch.model.crm import Contact, Opportunity
from perfectcatch.model.deals import TWIN
from perfectcatch.store.names import (
    CRM_CONTACTS,
    CRM_LOG,
    CRM_OPPORTUNITIES,
    DEAL_CONFLICTS,
    DEAL_LINKS,
    DEALS,
    SYNC_STATE,
)
from perfectcatch.store.pool import Connection, Pool, transaction

_HOME: Final = "deals_location"  # kept: whose deals these are
# What counts as a change is what has a column: the document of a search carries a cursor and less of the
# contact than a single read, and each pull would call the same records changed.
Change = Literal["created", "updated", "unchanged"]

_CONTACT: Final = f"""
insert into {CRM_CONTACTS} as c (tenant_id, ghl_id, ghl_location_id, st_customer_id, first_name, last_name,
  name, email, phone, source, tags, synced_to_st, full_data, ghl_added_at, ghl_updated_at)
select %(tenant)s, %(id)s, %(location)s, coalesce(l.st_customer_id, %(customer)s), %(first)s, %(last)s,
  %(name)s, %(email)s, %(phone)s, %(source)s, %(tags)s, l.st_customer_id is not null, %(document)s, %(added)s,
  %(updated)s
from (select 1) one left join lateral (select st_customer_id from {DEAL_LINKS}
  where tenant_id = %(tenant)s and ghl_contact_id = %(id)s order by since limit 1) l on true
on conflict (tenant_id, ghl_id) do update set st_customer_id = excluded.st_customer_id,
  ghl_location_id = coalesce(excluded.ghl_location_id, c.ghl_location_id),
  first_name = excluded.first_name, last_name = excluded.last_name, name = excluded.name,
  email = excluded.email, phone = excluded.phone, source = excluded.source, tags = excluded.tags,
  synced_to_st = excluded.synced_to_st, full_data = excluded.full_data, ghl_added_at = excluded.ghl_added_at,
  ghl_updated_at = excluded.ghl_updated_at, read_at = now(), deleted_at = null
where (c.first_name, c.last_name, c.name, c.email, c.phone, c.source, c.tags, c.full_data->'customFields',
    c.synced_to_st, c.st_customer_id, c.deleted_at) is distinct from
  (excluded.first_name, excluded.last_name, excluded.name, excluded.email, excluded.phone, excluded.source,
    excluded.tags, excluded.full_data->'customFields', excluded.synced_to_st, excluded.st_customer_id, null)
returning xmax = 0"""

_OPPORTUNITY: Final = f"""
insert into {CRM_OPPORTUNITIES} as o (tenant_id, ghl_id, ghl_contact_id, ghl_pipeline_id,
  ghl_pipeline_stage_id, pipeline_name, stage_name, st_customer_id, st_job_id, st_estimate_id, name,
  monetary_value, status, assigned_to, custom_fields, synced_to_st, full_data, ghl_added_at, ghl_updated_at)
select %(tenant)s, %(id)s, %(contact)s, %(pipeline)s, %(stage)s, %(pipeline_name)s, %(stage_name)s,
  coalesce(d.st_customer_id, l.st_customer_id), d.st_job_id, d.st_estimate_id, %(name)s, %(value)s,
  %(status)s, %(assigned)s, %(custom)s, d.deal is not null, %(document)s, %(added)s, %(updated)s
from (select 1) one
left join {DEALS} d on d.tenant_id = %(tenant)s and d.ghl_opportunity_id = %(id)s
left join lateral (select st_customer_id from {DEAL_LINKS}
  where tenant_id = %(tenant)s and ghl_contact_id = %(contact)s order by since limit 1) l on true
on conflict (tenant_id, ghl_id) do update set ghl_contact_id = excluded.ghl_contact_id,
  ghl_pipeline_id = excluded.ghl_pipeline_id, ghl_pipeline_stage_id = excluded.ghl_pipeline_stage_id,
  pipeline_name = excluded.pipeline_name, stage_name = excluded.stage_name,
  st_customer_id = excluded.st_customer_id, st_job_id = excluded.st_job_id,
  st_estimate_id = excluded.st_estimate_id, name = excluded.name, monetary_value = excluded.monetary_value,
  status = excluded.status, assigned_to = excluded.assigned_to, custom_fields = excluded.custom_fields,
  synced_to_st = excluded.synced_to_st, full_data = excluded.full_data, ghl_added_at = excluded.ghl_added_at,
  ghl_updated_at = excluded.ghl_updated_at, read_at = now(), deleted_at = null
where (o.ghl_contact_id, o.ghl_pipeline_id, o.ghl_pipeline_stage_id, o.pipeline_name, o.stage_name, o.name,
    o.monetary_value, o.status, o.assigned_to, o.custom_fields, o.synced_to_st, o.st_customer_id, o.st_job_id,
    o.st_estimate_id, o.deleted_at) is distinct from
  (excluded.ghl_contact_id, excluded.ghl_pipeline_id, excluded.ghl_pipeline_stage_id, excluded.pipeline_name,
    excluded.stage_name, excluded.name, excluded.monetary_value, excluded.status, excluded.assigned_to,
    excluded.custom_fields, excluded.synced_to_st, excluded.st_customer_id, excluded.st_job_id,
    excluded.st_estimate_id, null)
returning xmax = 0"""


async def put_contact(
    connection: Connection, tenant_id: int, contact: Contact, *, customer_id: int | None
) -> Change:
    """Keep a contact as it was read. ``customer_id``: the number in its own field, where it has one."""
    location = contact.document.get("locationId")
    found = await connection.execute(
        _CONTACT,
        {
            "tenant": tenant_id,
            "id": contact.id,
            "location": str(location) if location else None,
            "customer": customer_id,
            "first": contact.first_name,
            "last": contact.last_name,
            "name": contact.name,
            "email": contact.email,
            "phone": contact.phone,
            "source": contact.source,
            "tags": list(contact.tags),
            "document": Jsonb(dict(contact.document)),
            "added": contact.added_at,
            "updated": contact.updated_at,
        },
    )
    return _change(await found.fetchone())


async def put_opportunity(
    connection: Connection,
    tenant_id: int,
    opportunity: Opportunity,
    *,
    names: tuple[str | None, str | None],
) -> Change:
    """Keep an opportunity as it was read. ``names``: those of its pipeline and its stage."""
    found = await connection.execute(
        _OPPORTUNITY,
        {
            "tenant": tenant_id,
            "id": opportunity.id,
            "contact": opportunity.contact_id,
            "pipeline": opportunity.pipeline_id,
            "stage": opportunity.stage_id,
            "pipeline_name": names[0],
            "stage_name": names[1],
            "name": opportunity.name,
            "value": opportunity.value,
            "status": opportunity.status.value,
            "assigned": opportunity.assigned_to,
            "custom": Jsonb(dict(opportunity.custom)),
            "document": Jsonb(dict(opportunity.document)),
            "added": opportunity.added_at,
            "updated": opportunity.updated_at,
        },
    )
    return _change(await found.fetchone())


def _change(row: tuple[bool] | Sequence[Any] | None) -> Change:
    if row is None:
        return "unchanged"
    return "created" if row[0] else "updated"


async def gone(connection: Connection, tenant_id: int, table: str, ids: Sequence[str]) -> None:
    """These are not in the CRM any more."""
    await connection.execute(
        f"update {table} set deleted_at = now() where tenant_id = %s and ghl_id = any(%s)"
        " and deleted_at is null".encode(),
        (tenant_id, list(ids)),
    )


async def there(pool: Pool, tenant_id: int, table: str) -> list[str]:
    """Ids of those that the CRM had when they were last read."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select ghl_id from {table} where tenant_id = %s and deleted_at is null".encode(), (tenant_id,)
        )
        return [row[0] for row in await found.fetchall()]


async def said(pool: Pool, tenant_id: int, ids: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """What opportunities said when they were last read, by id: stage, status, value, name."""
    async with pool.connection() as connection:
        found = await connection.execute(
            "select ghl_id, ghl_pipeline_id || '/' || coalesce(ghl_pipeline_stage_id, ''), status,"
            f" round(monetary_value, 2)::text, name from {CRM_OPPORTUNITIES}"
            " where tenant_id = %s and ghl_id = any(%s) and deleted_at is null",
            (tenant_id, list(ids)),
        )
        names = ("stage", "status", "value", "name")
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in await found.fetchall()}


async def of_contacts(pool: Pool, tenant_id: int, contact_ids: Sequence[str]) -> list[str]:
    """Opportunities of some contacts that were read and are no deal's."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select ghl_id from {CRM_OPPORTUNITIES} o where tenant_id = %s and ghl_contact_id = any(%s)"
            f" and deleted_at is null and not exists (select from {DEALS} d where d.tenant_id = o.tenant_id"
            " and d.ghl_opportunity_id = o.ghl_id) order by id",
            (tenant_id, list(contact_ids)),
        )
        return [row[0] for row in await found.fetchall()]


async def open_and_nobodys(
    pool: Pool, tenant_id: int, contact_ids: Sequence[str], field_id: str, keys: Sequence[str]
) -> list[tuple[str, str | None, str | None]]:
    """Open opportunities of some contacts that are no deal's: id, what that field says, and name.

    What was listed as a second one of the deals ``keys`` is left out: a person was asked once.
    """
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select ghl_id, custom_fields->>%(field)s, name from {CRM_OPPORTUNITIES} o"
            " where tenant_id = %(tenant)s and ghl_contact_id = any(%(contacts)s) and status = 'open'"
            " and deleted_at is null"
            f" and not exists (select from {DEALS} d where d.tenant_id = o.tenant_id"
            " and d.ghl_opportunity_id = o.ghl_id)"
            f" and not exists (select from {DEAL_CONFLICTS} c where c.tenant_id = o.tenant_id"
            " and c.deal = any(%(keys)s) and c.field = %(twin)s and c.theirs = o.ghl_id) order by id",
            {
                "tenant": tenant_id,
                "contacts": list(contact_ids),
                "field": field_id,
                "keys": list(keys),
                "twin": TWIN,
            },
        )
        return await found.fetchall()


# The log -----------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Counts:
    """What a run did."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0

    def note(self, change: Change) -> None:
        """Count one record."""
        setattr(self, change, getattr(self, change) + 1)

    def as_row(self) -> Mapping[str, int]:
        """For a report."""
        return {name: getattr(self, name) for name in self.__slots__}


async def begin_run(pool: Pool, tenant_id: int, *, sync_type: str, direction: str, subject: str) -> int:
    """Write that a run has begun; the id of its line."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"insert into {CRM_LOG} (tenant_id, sync_type, direction, subject, status, started_at)"
            " values (%s, %s, %s, %s, 'running', now()) returning id",
            (tenant_id, sync_type, direction, subject),
        )
        row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def end_run(
    pool: Pool, tenant_id: int, run_id: int, counts: Counts, *, status: str, error: str | None = None
) -> None:
    """Write how a run ended."""
    async with pool.connection() as connection:
        await connection.execute(
            f"""
            update {CRM_LOG} set status = %s, records_created = %s, records_updated = %s,
              records_unchanged = %s, records_failed = %s, completed_at = now(), error_message = %s,
              duration_ms = (extract(epoch from now() - started_at) * 1000)::bigint
            where tenant_id = %s and id = %s
            """,
            (
                status,
                counts.created,
                counts.updated,
                counts.unchanged,
                counts.failed,
                error[:2000] if error else None,
                tenant_id,
                run_id,
            ),
        )


async def last_success(pool: Pool, tenant_id: int) -> datetime | None:
    """When a run with the CRM last succeeded."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select max(completed_at) from {CRM_LOG} where tenant_id = %s and status = 'succeeded'",
            (tenant_id,),
        )
        row = await found.fetchone()
    return row[0] if row is not None else None


async def home(pool: Pool, tenant_id: int, location_id: str) -> str:
    """The location whose deals this company's rows are: for good as soon as there is anything of it.

    Before that a location that was set by mistake is forgotten with the mistake.
    """
    async with transaction(pool) as connection:
        await connection.execute(
            f"""
            delete from {SYNC_STATE} where tenant_id = %(tenant)s and key = %(key)s
              and value #>> '{{}}' <> %(location)s
              and not exists (select from {DEALS} where tenant_id = %(tenant)s)
              and not exists (select from {CRM_CONTACTS} where tenant_id = %(tenant)s)
              and not exists (select from {CRM_OPPORTUNITIES} where tenant_id = %(tenant)s)
            """,
            {"tenant": tenant_id, "key": _HOME, "location": location_id},
        )
        await connection.execute(
            f"""
            insert into {SYNC_STATE} (tenant_id, key, value)
            values (%(tenant)s, %(key)s, to_jsonb(coalesce(
              (select ghl_location_id from {CRM_CONTACTS} where tenant_id = %(tenant)s
                and ghl_location_id is not null order by id desc limit 1), %(location)s::text)))
            on conflict (tenant_id, key) do nothing
            """,
            {"tenant": tenant_id, "key": _HOME, "location": location_id},
        )
        found = await connection.execute(
            f"select value #>> '{{}}' from {SYNC_STATE} where tenant_id = %s and key = %s",
            (tenant_id, _HOME),
        )
        row = await found.fetchone()
    assert row is not None
    return str(row[0])
