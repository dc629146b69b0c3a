"""Rules of scheduling that a company has changed."""

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "scheduling_rules",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("name", Text, nullable=False),
        Column("value", JSONB, nullable=False),
        Column("updated_at", TIMESTAMP(timezone=True), server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "name", name="scheduling_rules_pkey"),
        comment="Rules of scheduling that are not as by default",
    )
