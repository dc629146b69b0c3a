"""What vendors tell us by themselves."""

from typing import Final

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from perfectcatch.store.names import AUTOMATION
from perfectcatch.store.schema.tables.base import MOMENT, identity, metadata, now, tenant

webhooks: Final = Table(
    "webhooks",
    metadata,
    tenant(),
    identity(),
    Column("source", Text, nullable=False),
    Column("identity", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("hints", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("times", Integer, nullable=False, server_default=text("1")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    now("received_at"),
    now("last_received_at"),
    now("next_try_at"),
    Column("claimed_at", MOMENT),
    Column("processed_at", MOMENT),
    Column("error", Text),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "source", "identity"),
    Index(
        "webhooks_open_idx",
        "tenant_id",
        "next_try_at",
        postgresql_where=text("state IN ('waiting', 'claimed')"),
    ),
    schema=AUTOMATION,
    comment="Webhooks as they came, once each, and what became of them",
)
