"""Which tick of a clock a dead letter is about, so that it can be tried again."""

from alembic import op
from sqlalchemy import Column, Text

from perfectcatch.store.names import AUTOMATION

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("workflow_dead_letters", Column("occasion", Text), schema=AUTOMATION)
