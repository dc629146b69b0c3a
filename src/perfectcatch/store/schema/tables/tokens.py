"""Access to other systems that people gave us."""

from typing import Final

from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, Table, Text

from perfectcatch.store.names import INTEGRATIONS
from perfectcatch.store.schema.tables.base import MOMENT, metadata, now, tenant

oauth_tokens: Final = Table(
    "oauth_tokens",
    metadata,
    tenant(),
    Column("system", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    now("kept_at"),
    PrimaryKeyConstraint("tenant_id", "system", "account"),
    schema=INTEGRATIONS,
    comment="Tokens of other systems, sealed with secrets that are not here",
)
