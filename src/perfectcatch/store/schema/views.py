"""Views: tables under the names that reports and other programs know."""

from dataclasses import dataclass
from typing import Final

from perfectcatch.store.names import MIRROR, PUBLIC, SYNC_LOG, SYNC_STATE, qualified


@dataclass(frozen=True, slots=True)
class View:
    """A view, in ``public`` unless said otherwise; made only where the tables it ``needs`` are declared."""

    name: str
    does: str
    query: str
    needs: tuple[str, ...] = ()
    schema: str = PUBLIC

    @property
    def relation(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"


_BUSINESS_UNITS: Final = f"{MIRROR}.st_business_units"

VIEWS: Final = (
    View(
        name="business_units",
        does="Branches of the company, and whether their opportunities are sent to the CRM",
        needs=(_BUSINESS_UNITS,),
        query=f"""
select id, tenant_id, st_id as st_business_unit_id, name, official_name, email, phone, trade, division,
  ghl_pipeline_id, ghl_pipeline_id is not null as sync_enabled,
  active, deleted_at, st_created_on, st_modified_on, local_synced_at
from {qualified(_BUSINESS_UNITS)}""",
    ),
    View(
        name="sync_statistics",
        does="How the syncs of each kind of record have gone so far",
        query=f"""
select tenant_id, entity_type, sync_type,
  count(*) as total_syncs,
  count(*) filter (where status in ('succeeded', 'held')) as successful_syncs,
  count(*) filter (where status in ('failed', 'interrupted')) as failed_syncs,
  sum(records_processed)::bigint as records_processed,
  sum(records_succeeded)::bigint as records_succeeded,
  sum(records_failed)::bigint as records_failed,
  max(started_at) as last_sync_at,
  max(completed_at) filter (where status in ('succeeded', 'held')) as last_success_at,
  round(avg(duration_ms))::bigint as average_duration_ms
from {SYNC_LOG}
group by tenant_id, entity_type, sync_type""",
    ),
    View(
        name="sync_state",
        does="Where each reading continues",
        query=f"select tenant_id, key, value, updated_at from {SYNC_STATE}",
    ),
)
