"""What a company has decided about scheduling."""

from typing import Final

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from perfectcatch.store.schema.tables.base import metadata, now, tenant

scheduling_rules: Final = Table(
    "scheduling_rules",
    metadata,
    tenant(),
    Column("name", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    now("updated_at"),
    PrimaryKeyConstraint("tenant_id", "name"),
    comment="Rules of scheduling that are not as by default",
)
