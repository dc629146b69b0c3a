"""Who may ask our server, and what they asked it to change at the vendor."""

from typing import Final

from sqlalchemy import Column, Float, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY

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
