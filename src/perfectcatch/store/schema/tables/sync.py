"""Bookkeeping of the sync, history, quarantine, business events, the shared rate budget.

Mirror tables follow from the entities instead (``mirror_tables``). Numbered migrations create these tables;
``check`` proves that both agree.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB

from perfectcatch.store.names import AUTOMATION, MIRROR
from perfectcatch.store.schema.tables.base import MOMENT, count, identity, metadata, now, tenant

# The sync's bookkeeping ------------------------------------------------------------------------

sync_state: Final = Table(
    "sync_state",
    metadata,
    tenant(),
    Column("key", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    now("updated_at"),
    PrimaryKeyConstraint("tenant_id", "key"),
    schema=MIRROR,
    comment="Where each reading continues: one value per key and company",
)

sync_runs: Final = Table(
    "sync_runs",
    metadata,
    tenant(),
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
    Column("progress", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(None, "tenant_id", "started_at"),
    schema=MIRROR,
    comment="One row per run of the sync, over one or several entities",
)

st_sync_log: Final = Table(
    "st_sync_log",
    metadata,
    tenant(),
    identity(),
    Column("run_id", Uuid),
    Column("module", Text, nullable=False),
    Column("entity_type", Text, Computed("module", persisted=True)),
    Column("sync_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    count("records_fetched"),
    count("records_created"),
    count("records_updated"),
    count("records_unchanged"),
    count("records_deactivated"),
    count("records_quarantined"),
    count("requests"),
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
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(None, "tenant_id", "module", text("started_at DESC")),
    Index(None, "tenant_id", "run_id"),
    schema=MIRROR,
    comment="One row per entity and run: what was read and what became of it",
)

record_history: Final = Table(
    "record_history",
    metadata,
    tenant(),
    Column("entity", Text, nullable=False),
    Column("st_id", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("valid_from", MOMENT, nullable=False),
    Column("valid_to", MOMENT, nullable=False),
    Column("st_modified_on", MOMENT),
    Column("deleted_at", MOMENT),
    Column("change", Text, nullable=False),
    Column("run_id", Uuid),
    now("recorded_at"),
    Column("full_data", JSONB),
    PrimaryKeyConstraint("tenant_id", "entity", "st_id", "revision"),
    schema=MIRROR,
    comment="Superseded versions of records; the current one is the mirror row itself",
)

sync_quarantine: Final = Table(
    "sync_quarantine",
    metadata,
    tenant(),
    identity(),
    Column("entity", Text, nullable=False),
    Column("st_id", BigInteger),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("times", Integer, nullable=False, server_default=text("1")),
    now("first_seen_at"),
    now("last_seen_at"),
    Column("run_id", Uuid),
    Column("resolved_at", MOMENT),
    Column("resolution", Text),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "entity", "fingerprint"),
    Index(
        "sync_quarantine_unresolved_idx",
        "tenant_id",
        "entity",
        "st_id",
        postgresql_where=text("resolved_at IS NULL"),
    ),
    schema=MIRROR,
    comment="Records that could not be kept as they came, with the reason and the bytes",
)

schema_drift: Final = Table(
    "schema_drift",
    metadata,
    tenant(),
    Column("entity", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text),
    Column("example", Text),
    Column("times", BigInteger, nullable=False, server_default=text("1")),
    now("first_seen_at"),
    now("last_seen_at"),
    PrimaryKeyConstraint("tenant_id", "entity", "path", "kind"),
    schema=MIRROR,
    comment="Where records differ from the documented shape",
)

# Logged although short-lived: a sweep that lost ids in a crash would take living records for deleted ones.
sweep_ids: Final = Table(
    "sweep_ids",
    metadata,
    tenant(),
    Column("run_id", Uuid, nullable=False),
    Column("entity", Text, nullable=False),
    Column("st_id", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "run_id", "entity", "st_id"),
    schema=MIRROR,
    comment="Ids that a full reading has seen, until it ends",
)

sync_holds: Final = Table(
    "sync_holds",
    metadata,
    tenant(),
    identity(),
    Column("entity", Text, nullable=False),
    Column("run_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("found", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("detail", JSONB),
    now("created_at"),
    Column("decided_at", MOMENT),
    Column("decision", Text),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(
        "sync_holds_undecided_idx",
        "tenant_id",
        "entity",
        postgresql_where=text("decided_at IS NULL"),
    ),
    schema=MIRROR,
    comment="Steps that looked too large to be right and wait for a person",
)

sync_gaps: Final = Table(
    "sync_gaps",
    metadata,
    tenant(),
    Column("run_id", Uuid, nullable=False),
    Column("entity", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("vendor_count", BigInteger),
    Column("mirror_count", BigInteger, nullable=False),
    count("missing"),
    count("gone"),
    count("differing"),
    count("unexplained"),
    count("repaired"),
    count("compared"),
    count("requests"),
    Column("sure", Text, nullable=False),
    Column("at_most", DOUBLE_PRECISION),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    now("finished_at"),
    PrimaryKeyConstraint("tenant_id", "run_id", "entity"),
    Index(None, "tenant_id", "entity", text("finished_at DESC")),
    schema=MIRROR,
    comment="What a comparison of the mirror with the vendor found, one row per entity and run",
)

sync_backfills: Final = Table(
    "sync_backfills",
    metadata,
    tenant(),
    Column("id", Uuid, nullable=False),
    Column("entity", Text, nullable=False),
    Column("starts_at", MOMENT, nullable=False),
    Column("ends_at", MOMENT, nullable=False),
    Column("status", Text, nullable=False),
    Column("position", MOMENT, nullable=False),
    Column("token", Text),
    Column("expected", BigInteger),
    count("records_fetched"),
    count("records_created"),
    count("records_updated"),
    count("records_quarantined"),
    count("requests"),
    now("started_at"),
    now("updated_at"),
    Column("completed_at", MOMENT),
    Column("error_message", Text),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index(
        "sync_backfills_open_idx",
        "tenant_id",
        "entity",
        "starts_at",
        "ends_at",
        unique=True,
        postgresql_where=text("completed_at IS NULL"),
    ),
    schema=MIRROR,
    comment="Reads of a span of the past: how far each has come",
)

# Business events -------------------------------------------------------------------------------

events: Final = Table(
    "events",
    metadata,
    tenant(),
    identity(),
    Column("event_type", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("st_id", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("occurred_at", MOMENT, nullable=False),
    # The moment of writing: now() would give every row of a long transaction the moment it began.
    Column("recorded_at", MOMENT, nullable=False, server_default=text("clock_timestamp()")),
    Column("historical", Boolean, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("run_id", Uuid),
    # The transaction that wrote it: readers find by it what appears behind their place.
    Column("written", BigInteger, server_default=text("((pg_current_xact_id())::text)::bigint")),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "entity", "st_id", "event_type", "version"),
    Index(None, "tenant_id", "event_type", "occurred_at"),
    Index(None, "tenant_id", "written", postgresql_where=text("(NOT historical)")),
    schema=AUTOMATION,
    comment="Business events, once per record, type and version",
)

# What belongs to no company --------------------------------------------------------------------

# Unlogged: a call for a slot then costs no write to disk, and after a crash an empty table is right.
rate_budgets: Final = Table(
    "rate_budgets",
    metadata,
    Column("key", Text, nullable=False),
    Column("next_at", MOMENT, nullable=False),
    Column("background_next_at", MOMENT, nullable=False),
    Column("paused_until", MOMENT, nullable=False),
    PrimaryKeyConstraint("key"),
    prefixes=["UNLOGGED"],
    comment="When the next call under a shared rate may start",
)

mirror_migrations: Final = Table(
    "mirror_migrations",
    metadata,
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("applied_at", MOMENT, nullable=False, server_default=text("clock_timestamp()")),
    Column("relation", Text, nullable=False),
    Column("statement", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("added", Text),  # what has to be filled from stored documents: a column, or a table
    Column("filled_at", MOMENT),
    PrimaryKeyConstraint("id"),
    schema=MIRROR,
    comment="Each statement that brought a mirror table to its declared shape",
)

suspended_indexes: Final = Table(
    "suspended_indexes",
    metadata,
    Column("relation", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("suspended_at", MOMENT, nullable=False, server_default=text("now()")),
    Column("failed_at", MOMENT),
    Column("error", Text),
    PrimaryKeyConstraint("relation", "name"),
    schema=MIRROR,
    comment="Indexes that a first load does without, until it builds them",
)
