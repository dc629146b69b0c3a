"""Who may ask our server."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Identity,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from perfectcatch.store.names import AUTOMATION

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "api_keys",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("name", Text, nullable=False),
        Column("prefix", Text, nullable=False),
        Column("digest", LargeBinary, nullable=False),
        Column("scopes", ARRAY(Text), nullable=False),
        Column("per_second", Float),
        Column("created_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("expires_at", MOMENT),
        Column("last_used_at", MOMENT),
        Column("revoked_at", MOMENT),
        PrimaryKeyConstraint("tenant_id", "id", name="api_keys_pkey"),
        UniqueConstraint("tenant_id", "prefix", name="api_keys_tenant_id_prefix_key"),
        schema=AUTOMATION,
        comment="Keys of programs that ask our server; of the key itself only a hash is kept",
    )
    op.create_index("api_keys_tenant_id_name_idx", "api_keys", ["tenant_id", "name"], schema=AUTOMATION)
