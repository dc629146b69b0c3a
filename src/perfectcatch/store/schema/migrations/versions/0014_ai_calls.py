"""Questions to AI models, recorded."""

from alembic import op
from sqlalchemy import BigInteger, Column, Identity, Integer, Numeric, PrimaryKeyConstraint, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from perfectcatch.store.names import AUTOMATION

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "ai_calls",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("workflow", Text, nullable=False),
        Column("workflow_definition_id", BigInteger, nullable=False),
        Column("workflow_instance_id", BigInteger, nullable=False),
        Column("step", Text, nullable=False),
        Column("occurrence", Integer, nullable=False),
        Column("status", Text, nullable=False),
        Column("sentence", Text, server_default=text("''::text"), nullable=False),
        Column("question", Text, nullable=False),
        Column("data", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("schema", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("provider", Text),
        Column("model", Text),
        Column("words", Text),
        Column("answer", JSONB),
        Column("outcome", Text),
        Column("leads_to", Text),
        Column("input_tokens", Integer, server_default=text("0"), nullable=False),
        Column("output_tokens", Integer, server_default=text("0"), nullable=False),
        Column("cost", Numeric(18, 6), nullable=False),
        Column("asked_at", MOMENT, nullable=False),
        Column("answered_at", MOMENT),
        PrimaryKeyConstraint("tenant_id", "id", name="ai_calls_pkey"),
        schema=AUTOMATION,
        comment="Every question to a model: what it saw, what it said, what was decided of it, its cost",
    )
    op.create_index("ai_calls_asked_idx", "ai_calls", ["tenant_id", "asked_at"], schema=AUTOMATION)
    op.create_index(
        "ai_calls_step_idx",
        "ai_calls",
        ["tenant_id", "workflow_instance_id", "step", "occurrence"],
        schema=AUTOMATION,
    )
