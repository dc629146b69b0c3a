"""Indexes that a first load does without are kept here until it builds them."""

from alembic import op
from sqlalchemy import Column, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from perfectcatch.store.names import MIRROR

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "suspended_indexes",
        Column("relation", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("definition", Text, nullable=False),
        Column("suspended_at", TIMESTAMP(timezone=True), server_default=text("now()"), nullable=False),
        Column("failed_at", TIMESTAMP(timezone=True)),
        Column("error", Text),
        PrimaryKeyConstraint("relation", "name", name="suspended_indexes_pkey"),
        schema=MIRROR,
        comment="Indexes that a first load does without, until it builds them",
    )
