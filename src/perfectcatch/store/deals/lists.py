"""What is listed of the CRM and of deals, and how it all stands, as JSON that PostgreSQL writes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import (
    CRM_CONTACTS,
    CRM_LOG,
    CRM_OPPORTUNITIES,
    DEAL_CONFLICTS,
    DEAL_LINKS,
    DEAL_MATCHES,
    DEAL_QUEUE,
    qualified,
)
from perfectcatch.store.reading.reads import Reads

TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "contacts": (
        CRM_CONTACTS,
        """id, ghl_id, ghl_location_id, st_customer_id, first_name, last_name, name, email, phone, source,
        tags, synced_to_st, ghl_added_at, ghl_updated_at, read_at, deleted_at""",
    ),
    "opportunities": (
        CRM_OPPORTUNITIES,
        """id, ghl_id, ghl_contact_id, ghl_pipeline_id, ghl_pipeline_stage_id, pipeline_name, stage_name,
        st_customer_id, st_job_id, st_estimate_id, name, monetary_value, status, assigned_to, custom_fields,
        synced_to_st, ghl_added_at, ghl_updated_at, read_at, deleted_at""",
    ),
    "conflicts": (
        DEAL_CONFLICTS,
        """id, st_customer_id, deal, ghl_opportunity_id, field, ours, theirs, kept, sentence, seen_at,
        resolved_at, resolved_by, decision""",
    ),
    "matches": (
        DEAL_MATCHES,
        """id, st_customer_id, candidates, reason, sentence, found_at, resolved_at, resolved_by, decision""",
    ),
    "errors": (
        f"(select st_customer_id as id, * from {DEAL_QUEUE} where attempts > 0) q",
        """id, st_customer_id, reasons, error, cause, refused, attempts, failing_since,
        extract(epoch from now() - failing_since)::bigint as age_seconds, next_try_at, alarmed_at""",
    ),
    "log": (
        CRM_LOG,
        """id, sync_type, direction, subject, status, records_created, records_updated, records_unchanged,
        records_failed, started_at, completed_at, duration_ms, error_message""",
    ),
}

_STATUS: Final = f"""
select json_build_object('data_as_of', %(as_of)s::timestamptz, 'enabled', %(enabled)s::boolean,
  'parts', %(parts)s::text[],
  'waiting', (select row_to_json(w) from (select count(*) as total,
      count(*) filter (where next_try_at <= now()) as due, count(*) filter (where attempts > 0) as refused,
      min(wanted_at) as oldest, min(failing_since) as failing_since
    from {DEAL_QUEUE} where tenant_id = %(tenant)s) w),
  'conflicts', (select count(*) from {DEAL_CONFLICTS} where tenant_id = %(tenant)s and resolved_at is null),
  'unmatched', (select count(*) from {DEAL_MATCHES} where tenant_id = %(tenant)s and resolved_at is null),
  'contacts', (select row_to_json(c) from (select count(*) as total,
      count(*) filter (where synced_to_st) as synced, max(read_at) as newest
    from {CRM_CONTACTS} where tenant_id = %(tenant)s and deleted_at is null) c),
  'opportunities', (select row_to_json(o) from (select count(*) as total,
      count(*) filter (where synced_to_st) as synced, coalesce(sum(monetary_value), 0) as value
    from {CRM_OPPORTUNITIES} where tenant_id = %(tenant)s and deleted_at is null) o),
  'by_stage', (select coalesce(json_agg(s order by s.pipeline, s.number desc), '[]') from (
      select pipeline_name as pipeline, stage_name as stage, status, count(*) as number,
        coalesce(sum(monetary_value), 0) as value
      from {CRM_OPPORTUNITIES} where tenant_id = %(tenant)s and deleted_at is null group by 1, 2, 3) s),
  'coverage', (select json_build_object(
      'customers', (select count(*) from {{customers}} where tenant_id = %(tenant)s and deleted_at is null),
      'in_crm', (select count(*) from {DEAL_LINKS}
        where tenant_id = %(tenant)s and ghl_contact_id is not null))),
  'runs', (select coalesce(json_agg(r), '[]') from (
      select distinct on (direction, subject) id, sync_type, direction, subject, status, records_created,
        records_updated, records_unchanged, records_failed, started_at, completed_at, duration_ms,
        error_message
      from {CRM_LOG} where tenant_id = %(tenant)s order by direction, subject, id desc) r))"""


async def status(
    reads: Reads,
    tenant_id: int,
    entities: Mapping[str, Entity],
    *,
    enabled: bool,
    parts: list[str],
    as_of: datetime | None,
) -> bytes:
    """How the sync with the CRM stands: what waits, what was refused, how much there is, the last runs."""
    statement = _STATUS.format(customers=qualified(entities["customers"].table))
    values = {"tenant": tenant_id, "enabled": enabled, "parts": parts, "as_of": as_of}
    return await reads.json(statement, values) or b""
