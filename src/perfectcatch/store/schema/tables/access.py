"""Who may ask our server, and what they asked it to change at the vendor."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from perfectcatch.store.names import AUTOMATION
from perfectcatch.store.schema.tables.base import MOMENT, identity, metadata, now, tenant

api_keys: Final = Table(
    "api_keys",
    metadata,
    tenant(),
    identity(),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("per_second", Float),
    now("created_at"),
    Column("expires_at", MOMENT),
    Column("last_used_at", MOMENT),
    Column("revoked_at", MOMENT),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "prefix"),
    Index(None, "tenant_id", "name"),
    schema=AUTOMATION,
    comment="Keys of programs that ask our server; of the key itself only a hash is kept",
)

idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    tenant(),
    Column("key_id", BigInteger, nullable=False, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("operation", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("status", Integer),
    Column("headers", JSONB),
    Column("body", LargeBinary),
    now("created_at"),
    Column("finished_at", MOMENT),
    PrimaryKeyConstraint("tenant_id", "key_id", "key"),
    Index(None, "created_at"),
    schema=AUTOMATION,
    comment="Writes that callers may repeat: in_progress, finished with the answer, or unknown; for 30 days",
)

audit_log: Final = Table(
    "audit_log",
    metadata,
    tenant(),
    identity(),
    Column("recorded_at", MOMENT, nullable=False, server_default=text("clock_timestamp()")),
    Column("request_id", Uuid, nullable=False),
    Column("phase", Text, nullable=False),
    Column("key_id", BigInteger),
    Column("actor", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("idempotency_key", Text),
    Column("outcome", Text),
    Column("status", Integer),
    Column("trace_id", Text),
    Column("duration_ms", BigInteger),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "request_id", "phase"),
    Index(None, "tenant_id", "recorded_at"),
    schema=AUTOMATION,
    comment="Who asked the vendor to change what: a row before the call and one after it, never altered",
)
