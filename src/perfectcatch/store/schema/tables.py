"""Our own tables: bookkeeping of the sync, history, quarantine, business events, the shared rate budget.

The company (``tenant_id``) comes first in every key, so that the same schema runs with one company, with
a thousand, or spread over several servers by company. Mirror tables follow from the entities instead
(``mirror_tables``). Numbered migrations create these tables; ``check`` proves that both agree.
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
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, TIMESTAMP

from perfectcatch.store.names import AUTOMATION, MIRROR

MOMENT: Final = TIMESTAMP(timezone=True)

# Explicit names make a constraint findable in an error message and comparable between databases.
NAMING: Final = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
}

metadata: Final = MetaData(naming_convention=NAMING)


def _tenant() -> Column[int]:
    return Column("tenant_id", BigInteger, nullable=False, autoincrement=False)


def _identity() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), nullable=False)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _now(name: str) -> Column[object]:
    return Column(name, MOMENT, nullable=False, server_default=text("now()"))


# The sync's bookkeeping ------------------------------------------------------------------------

sync_state: Final = Table(
    "sync_state",
    metadata,
    _tenant(),
    Column("key", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    _now("updated_at"),
    PrimaryKeyConstraint("tenant_id", "key"),
    schema=MIRROR,
    comment="Where each reading continues: one value per key and company",
)

sync_runs: Final = Table(
    "sync_runs",
    metadata,
    _tenant(),
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
    _tenant(),
    _identity(),
    Column("run_id", Uuid),
    Column("module", Text, nullable=False),
    Column("entity_type", Text, Computed("module", persisted=True)),
    Column("sync_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    _count("records_fetched"),
    _count("records_created"),
    _count("records_updated"),
    _count("records_unchanged"),
    _count("records_deactivated"),
    _count("records_quarantined"),
    _count("requests"),
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
    _tenant(),
    Column("entity", Text, nullable=False),
    Column("st_id", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("valid_from", MOMENT, nullable=False),
    Column("valid_to", MOMENT, nullable=False),
    Column("st_modified_on", MOMENT),
    Column("deleted_at", MOMENT),
    Column("change", Text, nullable=False),
    Column("run_id", Uuid),
    _now("recorded_at"),
    Column("full_data", JSONB),
    PrimaryKeyConstraint("tenant_id", "entity", "st_id", "revision"),
    schema=MIRROR,
    comment="Superseded versions of records; the current one is the mirror row itself",
)

sync_quarantine: Final = Table(
    "sync_quarantine",
    metadata,
    _tenant(),
    _identity(),
    Column("entity", Text, nullable=False),
    Column("st_id", BigInteger),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("times", Integer, nullable=False, server_default=text("1")),
    _now("first_seen_at"),
    _now("last_seen_at"),
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
    _tenant(),
    Column("entity", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text),
    Column("example", Text),
    Column("times", BigInteger, nullable=False, server_default=text("1")),
    _now("first_seen_at"),
    _now("last_seen_at"),
    PrimaryKeyConstraint("tenant_id", "entity", "path", "kind"),
    schema=MIRROR,
    comment="Where records differ from the documented shape",
)

# Logged although short-lived: a sweep that lost ids in a crash would take living records for deleted ones.
sweep_ids: Final = Table(
    "sweep_ids",
    metadata,
    _tenant(),
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
    _tenant(),
    _identity(),
    Column("entity", Text, nullable=False),
    Column("run_id", Uuid),
    Column("kind", Text, nullable=False),
    Column("found", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("detail", JSONB),
    _now("created_at"),
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
    _tenant(),
    Column("run_id", Uuid, nullable=False),
    Column("entity", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("vendor_count", BigInteger),
    Column("mirror_count", BigInteger, nullable=False),
    _count("missing"),
    _count("gone"),
    _count("differing"),
    _count("unexplained"),
    _count("repaired"),
    _count("compared"),
    _count("requests"),
    Column("sure", Text, nullable=False),
    Column("at_most", DOUBLE_PRECISION),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _now("finished_at"),
    PrimaryKeyConstraint("tenant_id", "run_id", "entity"),
    Index(None, "tenant_id", "entity", text("finished_at DESC")),
    schema=MIRROR,
    comment="What a comparison of the mirror with the vendor found, one row per entity and run",
)

sync_backfills: Final = Table(
    "sync_backfills",
    metadata,
    _tenant(),
    Column("id", Uuid, nullable=False),
    Column("entity", Text, nullable=False),
    Column("starts_at", MOMENT, nullable=False),
    Column("ends_at", MOMENT, nullable=False),
    Column("status", Text, nullable=False),
    Column("position", MOMENT, nullable=False),
    Column("token", Text),
    Column("expected", BigInteger),
    _count("records_fetched"),
    _count("records_created"),
    _count("records_updated"),
    _count("records_quarantined"),
    _count("requests"),
    _now("started_at"),
    _now("updated_at"),
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
    _tenant(),
    _identity(),
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
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "entity", "st_id", "event_type", "version"),
    Index(None, "tenant_id", "event_type", "occurred_at"),
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
