"""Tokens of other systems, sealed."""

from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from perfectcatch.store.names import INTEGRATIONS

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "oauth_tokens",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("system", Text, nullable=False),
        Column("account", Text, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("expires_at", MOMENT, nullable=False),
        Column("kept_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "system", "account", name="oauth_tokens_pkey"),
        schema=INTEGRATIONS,
        comment="Tokens of other systems, sealed with SECRET_KEY",
    )
