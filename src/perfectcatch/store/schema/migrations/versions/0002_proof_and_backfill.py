"""What comparisons with the vendor found, and how far reads of the past have come."""

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text, Uuid, text
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, TIMESTAMP

from perfectcatch.store.names import MIRROR

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "sync_gaps",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("run_id", Uuid, nullable=False),
        Column("entity", Text, nullable=False),
        Column("verdict", Text, nullable=False),
        Column("vendor_count", BigInteger),
        Column("mirror_count", BigInteger, nullable=False),
        *[
            Column(name, BigInteger, server_default=text("0"), nullable=False)
            for name in (
                "missing",
                "gone",
                "differing",
                "unexplained",
                "repaired",
                "compared",
                "requests",
            )
        ],
        Column("sure", Text, nullable=False),
        Column("at_most", DOUBLE_PRECISION),
        Column("details", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("finished_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "run_id", "entity", name="sync_gaps_pkey"),
        schema=MIRROR,
        comment="What a comparison of the mirror with the vendor found, one row per entity and run",
    )
    op.create_index(
        "sync_gaps_tenant_id_entity_idx",
        "sync_gaps",
        ["tenant_id", "entity", text("finished_at DESC")],
        schema=MIRROR,
    )
    op.create_table(
        "sync_backfills",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", Uuid, nullable=False),
        Column("entity", Text, nullable=False),
        Column("starts_at", MOMENT, nullable=False),
        Column("ends_at", MOMENT, nullable=False),
        Column("status", Text, nullable=False),
        Column("position", MOMENT, nullable=False),
        Column("token", Text),
        Column("expected", BigInteger),
        *[
            Column(name, BigInteger, server_default=text("0"), nullable=False)
            for name in (
                "records_fetched",
                "records_created",
                "records_updated",
                "records_quarantined",
                "requests",
            )
        ],
        Column("started_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("updated_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("completed_at", MOMENT),
        Column("error_message", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="sync_backfills_pkey"),
        schema=MIRROR,
        comment="Reads of a span of the past: how far each has come",
    )
    op.create_index(
        "sync_backfills_open_idx",
        "sync_backfills",
        ["tenant_id", "entity", "starts_at", "ends_at"],
        unique=True,
        schema=MIRROR,
        postgresql_where=text("completed_at IS NULL"),
    )
