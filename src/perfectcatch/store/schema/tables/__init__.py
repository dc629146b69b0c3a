"""Our own tables, room by room; numbered migrations create them, ``check`` proves that both agree."""

from perfectcatch.store.schema.tables import (
    access,
    deals,
    inbound,
    messaging,
    scheduling,
    sync,
    tokens,
    workflows,
)
from perfectcatch.store.schema.tables.base import MOMENT, NAMING, metadata
from perfectcatch.store.schema.tables.sync import mirror_migrations

__all__ = [
    "MOMENT",
    "NAMING",
    "access",
    "deals",
    "inbound",
    "messaging",
    "metadata",
    "mirror_migrations",
    "scheduling",
    "sync",
    "tokens",
    "workflows",
]
