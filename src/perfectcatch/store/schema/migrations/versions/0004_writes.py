"""Writes to the vendor: what may be repeated, and who asked for what."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from perfectcatch.store.names import AUTOMATION

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "idempotency_keys",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("key_id", BigInteger, autoincrement=False, nullable=False),
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
        Column("created_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("finished_at", MOMENT),
        PrimaryKeyConstraint("tenant_id", "key_id", "key", name="idempotency_keys_pkey"),
        schema=AUTOMATION,
        comment=(
            "Writes that callers may repeat: in_progress, finished with the answer, or unknown; for 30 days"
        ),
    )
    op.create_index("idempotency_keys_created_at_idx", "idempotency_keys", ["created_at"], schema=AUTOMATION)
    op.create_table(
        "audit_log",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("recorded_at", MOMENT, server_default=text("clock_timestamp()"), nullable=False),
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
        PrimaryKeyConstraint("tenant_id", "id", name="audit_log_pkey"),
        UniqueConstraint("tenant_id", "request_id", "phase", name="audit_log_tenant_id_request_id_phase_key"),
        schema=AUTOMATION,
        comment="Who asked the vendor to change what: a row before the call and one after it, never altered",
    )
    op.create_index(
        "audit_log_tenant_id_recorded_at_idx", "audit_log", ["tenant_id", "recorded_at"], schema=AUTOMATION
    )
    # A second wall beside privileges, which the owner of a table has whatever is granted.
    op.execute(f"""
create function {AUTOMATION}.audit_log_is_kept() returns trigger language plpgsql as $$
begin
  raise exception 'rows of the audit log are never altered' using errcode = 'insufficient_privilege';
end $$""")
    op.execute(f"""
create trigger audit_log_is_kept before update or delete or truncate on {AUTOMATION}.audit_log
for each statement execute function {AUTOMATION}.audit_log_is_kept()""")
