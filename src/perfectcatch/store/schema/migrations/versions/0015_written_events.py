"""The transaction that wrote an event, so that readers find what appears behind their place."""

from alembic import op
from sqlalchemy import BigInteger, Column, text

from perfectcatch.store.names import AUTOMATION

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# What a reader may not have seen yet gets the number of its row; a default beside the new column would give
# every old row that of this migration, and all of them would be read again.
_RECENT = f"""
update {AUTOMATION}.events e
set written = case when own.xid > now.xmax then own.xid - (1::bigint << 32) else own.xid end
from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint as xmax) now
cross join lateral (select (now.xmax >> 32 << 32) as epoch) base
cross join lateral (
  select i.tenant_id, i.id, base.epoch + i.xmin::text::bigint as xid from {AUTOMATION}.events i
  where not i.historical and i.id > (select max(id) - 50000 from {AUTOMATION}.events)
) own
where e.tenant_id = own.tenant_id and e.id = own.id
"""


def upgrade() -> None:
    """Add the column, its index, and the numbers of the newest rows."""
    op.add_column("events", Column("written", BigInteger), schema=AUTOMATION)
    op.execute(_RECENT)
    op.alter_column(
        "events",
        "written",
        server_default=text("((pg_current_xact_id())::text)::bigint"),
        schema=AUTOMATION,
    )
    op.create_index(
        "events_tenant_id_written_idx",
        "events",
        ["tenant_id", "written"],
        schema=AUTOMATION,
        postgresql_where=text("(NOT historical)"),
    )
