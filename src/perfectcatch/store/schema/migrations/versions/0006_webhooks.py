"""Webhooks as they came."""

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
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from perfectcatch.store.names import AUTOMATION

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "webhooks",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("source", Text, nullable=False),
        Column("identity", Text, nullable=False),
        Column("event_type", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("hints", JSONB, nullable=False),
        Column("state", Text, nullable=False),
        Column("times", Integer, server_default=text("1"), nullable=False),
        Column("attempts", Integer, server_default=text("0"), nullable=False),
        Column("received_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("last_received_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("next_try_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("claimed_at", MOMENT),
        Column("processed_at", MOMENT),
        Column("error", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="webhooks_pkey"),
        UniqueConstraint("tenant_id", "source", "identity", name="webhooks_tenant_id_source_identity_key"),
        schema=AUTOMATION,
        comment="Webhooks as they came, once each, and what became of them",
    )
    op.create_index(
        "webhooks_open_idx",
        "webhooks",
        ["tenant_id", "next_try_at"],
        schema=AUTOMATION,
        postgresql_where=text("state IN ('waiting', 'claimed')"),
    )
