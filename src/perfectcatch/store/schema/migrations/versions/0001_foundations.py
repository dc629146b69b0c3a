"""The sync's bookkeeping, history, quarantine, business events and the shared rate budget."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Identity,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from perfectcatch.store.names import AUTOMATION, MIRROR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "events",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("event_type", Text, nullable=False),
        Column("entity", Text, nullable=False),
        Column("st_id", BigInteger, nullable=False),
        Column("version", Text, nullable=False),
        Column("occurred_at", MOMENT, nullable=False),
        Column("recorded_at", MOMENT, server_default=text("clock_timestamp()"), nullable=False),
        Column("historical", Boolean, nullable=False),
        Column("data", JSONB, nullable=False),
        Column("run_id", Uuid),
        PrimaryKeyConstraint("tenant_id", "id", name="events_pkey"),
        UniqueConstraint(
            "tenant_id",
            "entity",
            "st_id",
            "event_type",
            "version",
            name="events_tenant_id_entity_st_id_event_type_version_key",
        ),
        schema=AUTOMATION,
        comment="Business events, once per record, type and version",
    )
    op.create_index(
        "events_tenant_id_event_type_occurred_at_idx",
        "events",
        ["tenant_id", "event_type", "occurred_at"],
        schema=AUTOMATION,
    )
    op.create_table(
        "rate_budgets",
        Column("key", Text, nullable=False),
        Column("next_at", MOMENT, nullable=False),
        Column("background_next_at", MOMENT, nullable=False),
        Column("paused_until", MOMENT, nullable=False),
        PrimaryKeyConstraint("key", name="rate_budgets_pkey"),
        comment="When the next call under a shared rate may start",
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "mirror_migrations",
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("applied_at", MOMENT, server_default=text("clock_timestamp()"), nullable=False),
        Column("relation", Text, nullable=False),
        Column("statement", Text, nullable=False),
        Column("entity", Text, nullable=False),
        Column("added", Text),
        Column("filled_at", MOMENT),
        PrimaryKeyConstraint("id", name="mirror_migrations_pkey"),
        schema=MIRROR,
        comment="Each statement that brought a mirror table to its declared shape",
    )
    op.create_table(
        "record_history",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("entity", Text, nullable=False),
        Column("st_id", BigInteger, nullable=False),
        Column("revision", BigInteger, nullable=False),
        Column("valid_from", MOMENT, nullable=False),
        Column("valid_to", MOMENT, nullable=False),
        Column("st_modified_on", MOMENT),
        Column("deleted_at", MOMENT),
        Column("change", Text, nullable=False),
        Column("run_id", Uuid),
        Column("recorded_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("full_data", JSONB),
        PrimaryKeyConstraint("tenant_id", "entity", "st_id", "revision", name="record_history_pkey"),
        schema=MIRROR,
        comment="Superseded versions of records; the current one is the mirror row itself",
    )
    op.create_table(
        "schema_drift",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("entity", Text, nullable=False),
        Column("path", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("detail", Text),
        Column("example", Text),
        Column("times", BigInteger, server_default=text("1"), nullable=False),
        Column("first_seen_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("last_seen_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "entity", "path", "kind", name="schema_drift_pkey"),
        schema=MIRROR,
        comment="Where records differ from the documented shape",
    )
    op.create_table(
        "st_sync_log",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("run_id", Uuid),
        Column("module", Text, nullable=False),
        Column("entity_type", Text, Computed("module", persisted=True)),
        Column("sync_type", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("records_fetched", BigInteger, server_default=text("0"), nullable=False),
        Column("records_created", BigInteger, server_default=text("0"), nullable=False),
        Column("records_updated", BigInteger, server_default=text("0"), nullable=False),
        Column("records_unchanged", BigInteger, server_default=text("0"), nullable=False),
        Column("records_deactivated", BigInteger, server_default=text("0"), nullable=False),
        Column("records_quarantined", BigInteger, server_default=text("0"), nullable=False),
        Column("requests", BigInteger, server_default=text("0"), nullable=False),
        Column("records_processed", BigInteger, Computed("records_fetched", persisted=True)),
        Column(
            "records_succeeded",
            BigInteger,
            Computed("records_created + records_updated + records_unchanged", persisted=True),
        ),
        Column("records_failed", BigInteger, Computed("records_quarantined", persisted=True)),
        Column("started_at", MOMENT, nullable=False),
        Column("completed_at", MOMENT),
        Column("duration_ms", BigInteger),
        Column("error_message", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="st_sync_log_pkey"),
        schema=MIRROR,
        comment="One row per entity and run: what was read and what became of it",
    )
    op.create_index(
        "st_sync_log_tenant_id_module_idx",
        "st_sync_log",
        ["tenant_id", "module", text("started_at DESC")],
        schema=MIRROR,
    )
    op.create_index("st_sync_log_tenant_id_run_id_idx", "st_sync_log", ["tenant_id", "run_id"], schema=MIRROR)
    op.create_table(
        "sweep_ids",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("run_id", Uuid, nullable=False),
        Column("entity", Text, nullable=False),
        Column("st_id", BigInteger, nullable=False),
        PrimaryKeyConstraint("tenant_id", "run_id", "entity", "st_id", name="sweep_ids_pkey"),
        schema=MIRROR,
        comment="Ids that a full reading has seen, until it ends",
    )
    op.create_table(
        "sync_holds",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("entity", Text, nullable=False),
        Column("run_id", Uuid),
        Column("kind", Text, nullable=False),
        Column("found", BigInteger, nullable=False),
        Column("total", BigInteger, nullable=False),
        Column("detail", JSONB),
        Column("created_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("decided_at", MOMENT),
        Column("decision", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="sync_holds_pkey"),
        schema=MIRROR,
        comment="Steps that looked too large to be right and wait for a person",
    )
    op.create_index(
        "sync_holds_undecided_idx",
        "sync_holds",
        ["tenant_id", "entity"],
        schema=MIRROR,
        postgresql_where=text("decided_at IS NULL"),
    )
    op.create_table(
        "sync_quarantine",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("entity", Text, nullable=False),
        Column("st_id", BigInteger),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("reason", Text, nullable=False),
        Column("raw", LargeBinary, nullable=False),
        Column("times", Integer, server_default=text("1"), nullable=False),
        Column("first_seen_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("last_seen_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("run_id", Uuid),
        Column("resolved_at", MOMENT),
        Column("resolution", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="sync_quarantine_pkey"),
        UniqueConstraint(
            "tenant_id", "entity", "fingerprint", name="sync_quarantine_tenant_id_entity_fingerprint_key"
        ),
        schema=MIRROR,
        comment="Records that could not be kept as they came, with the reason and the bytes",
    )
    op.create_index(
        "sync_quarantine_unresolved_idx",
        "sync_quarantine",
        ["tenant_id", "entity", "st_id"],
        schema=MIRROR,
        postgresql_where=text("resolved_at IS NULL"),
    )
    op.create_table(
        "sync_runs",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", Uuid, nullable=False),
        Column("mode", Text, nullable=False),
        Column("entities", ARRAY(Text), nullable=False),
        Column("trigger", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("owner", Text),
        Column("started_at", MOMENT, nullable=False),
        Column("heartbeat_at", MOMENT, nullable=False),
        Column("completed_at", MOMENT),
        Column("error_message", Text),
        Column("progress", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "id", name="sync_runs_pkey"),
        schema=MIRROR,
        comment="One row per run of the sync, over one or several entities",
    )
    op.create_index(
        "sync_runs_tenant_id_started_at_idx", "sync_runs", ["tenant_id", "started_at"], schema=MIRROR
    )
    op.create_table(
        "sync_state",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("key", Text, nullable=False),
        Column("value", JSONB, nullable=False),
        Column("updated_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "key", name="sync_state_pkey"),
        schema=MIRROR,
        comment="Where each reading continues: one value per key and company",
    )
