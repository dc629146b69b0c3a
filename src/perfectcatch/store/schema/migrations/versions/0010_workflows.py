"""Workflows: definitions, instances, steps, timers, and what waits for a person."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from perfectcatch.store.names import AUTOMATION

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = TIMESTAMP(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "workflow_definitions",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("name", Text, nullable=False),
        Column("version", Text, nullable=False),
        Column("current", Boolean, nullable=False),
        Column("mode", Text, nullable=False),
        Column("enabled", Boolean, nullable=False),
        Column("trigger_event", ARRAY(Text), nullable=False),
        Column("trigger_conditions", Text),
        Column("max_concurrent_per_customer", Integer, nullable=False),
        Column("priority", Integer, nullable=False),
        Column("document", JSONB, nullable=False),
        Column("source", Text, nullable=False),
        Column("changed_by", Text, nullable=False),
        Column("created_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("updated_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("deleted_at", MOMENT),
        PrimaryKeyConstraint("tenant_id", "id", name="workflow_definitions_pkey"),
        UniqueConstraint(
            "tenant_id", "name", "version", name="workflow_definitions_tenant_id_name_version_key"
        ),
        schema=AUTOMATION,
        comment="Every version of every workflow; the one that starts instances is current",
    )
    op.create_index(
        "workflow_definitions_current_idx",
        "workflow_definitions",
        ["tenant_id", "name"],
        schema=AUTOMATION,
        unique=True,
        postgresql_where=text("current"),
    )
    op.create_table(
        "workflow_instances",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("workflow_definition_id", BigInteger, nullable=False),
        Column("workflow", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("customer_id", BigInteger),
        Column("shadow", Boolean, nullable=False),
        Column("status", Text, nullable=False),
        Column("reason", Text),
        Column("sentence", Text),
        Column("priority", Integer, nullable=False),
        Column("step", Text, nullable=False),
        Column("entered_at", MOMENT, nullable=False),
        Column("visits", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("taken", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("results", JSONB, server_default=text("'{}'::jsonb"), nullable=False),
        Column("wakes", ARRAY(Text), server_default=text("'{}'::text[]"), nullable=False),
        Column("next_action_at", MOMENT),
        Column("trigger", JSONB, nullable=False),
        Column("taken_over", Boolean, server_default=text("false"), nullable=False),
        Column("parent_id", BigInteger),
        Column("started_at", MOMENT, nullable=False),
        Column("ended_at", MOMENT),
        Column("updated_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "id", name="workflow_instances_pkey"),
        schema=AUTOMATION,
        comment="Who goes through which workflow, and where they stand",
    )
    op.create_index(
        "workflow_instances_about_idx",
        "workflow_instances",
        ["tenant_id", "workflow", "customer_id", "started_at"],
        schema=AUTOMATION,
    )
    op.create_index(
        "workflow_instances_customer_idx",
        "workflow_instances",
        ["tenant_id", "customer_id"],
        schema=AUTOMATION,
        postgresql_where=text("ended_at IS NULL"),
    )
    op.create_index(
        "workflow_instances_key_idx",
        "workflow_instances",
        ["tenant_id", "workflow", "key", "started_at"],
        schema=AUTOMATION,
    )
    op.create_table(
        "workflow_starts",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("workflow", Text, nullable=False),
        Column("trigger", Text, nullable=False),
        Column("customer_id", BigInteger),
        Column("verdict", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("sentence", Text, nullable=False),
        Column("workflow_instance_id", BigInteger),
        Column("decided_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "workflow", "trigger", name="workflow_starts_pkey"),
        schema=AUTOMATION,
        comment="For every trigger of a workflow, whether an instance started and why, once for ever",
    )
    op.create_index(
        "workflow_starts_customer_idx",
        "workflow_starts",
        ["tenant_id", "customer_id", "decided_at"],
        schema=AUTOMATION,
    )
    op.create_table(
        "workflow_step_executions",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("workflow_instance_id", BigInteger, nullable=False),
        Column("step", Text, nullable=False),
        Column("occurrence", Integer, nullable=False),
        Column("status", Text, nullable=False),
        Column("outcome", Text),
        Column("reason", Text),
        Column("sentence", Text),
        Column("value", JSONB),
        Column("attempts", Integer, server_default=text("0"), nullable=False),
        Column("started_at", MOMENT, nullable=False),
        Column("ended_at", MOMENT),
        PrimaryKeyConstraint(
            "tenant_id", "workflow_instance_id", "step", "occurrence", name="workflow_step_executions_pkey"
        ),
        schema=AUTOMATION,
        comment="Each step that an instance came to, once, and what became of it",
    )
    op.create_table(
        "workflow_timers",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("workflow_instance_id", BigInteger, nullable=False),
        Column("due_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("tenant_id", "workflow_instance_id", name="workflow_timers_pkey"),
        schema=AUTOMATION,
        comment="Instances that sleep, and until when",
    )
    op.create_index(
        "workflow_timers_due_idx",
        "workflow_timers",
        ["due_at"],
        schema=AUTOMATION,
    )
    op.create_table(
        "workflow_dead_letters",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("kind", Text, nullable=False),
        Column("event_id", BigInteger),
        Column("workflow_instance_id", BigInteger),
        Column("workflow", Text),
        Column("step", Text),
        Column("error", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("failed_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("resolved_at", MOMENT),
        Column("resolved_by", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="workflow_dead_letters_pkey"),
        schema=AUTOMATION,
        comment="Events and instances that could not be dealt with, until somebody tries them again",
    )
    op.create_index(
        "workflow_dead_letters_open_idx",
        "workflow_dead_letters",
        ["tenant_id"],
        schema=AUTOMATION,
        postgresql_where=text("resolved_at IS NULL"),
    )
    op.create_table(
        "tasks",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("title", Text, nullable=False),
        Column("body", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("urgent", Boolean, nullable=False),
        Column("status", Text, nullable=False),
        Column("customer_id", BigInteger),
        Column("workflow_instance_id", BigInteger),
        Column("step", Text),
        Column("occurrence", Integer),
        Column("due_at", MOMENT),
        Column("created_at", MOMENT, server_default=text("now()"), nullable=False),
        Column("done_at", MOMENT),
        Column("done_by", Text),
        PrimaryKeyConstraint("tenant_id", "id", name="tasks_pkey"),
        UniqueConstraint(
            "tenant_id",
            "workflow_instance_id",
            "step",
            "occurrence",
            name="tasks_tenant_id_workflow_instance_id_step_occurrence_key",
        ),
        schema=AUTOMATION,
        comment="What people have to do because a workflow says so",
    )
    op.create_index(
        "tasks_open_idx",
        "tasks",
        ["tenant_id", "due_at"],
        schema=AUTOMATION,
        postgresql_where=text("status = 'open'"),
    )
    op.create_table(
        "approvals",
        Column("tenant_id", BigInteger, autoincrement=False, nullable=False),
        Column("id", BigInteger, Identity(always=True), nullable=False),
        Column("workflow_instance_id", BigInteger, nullable=False),
        Column("step", Text, nullable=False),
        Column("occurrence", Integer, nullable=False),
        Column("question", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("until", MOMENT, nullable=False),
        Column("answer", Text),
        Column("answered_by", Text),
        Column("answered_at", MOMENT),
        Column("asked_at", MOMENT, server_default=text("now()"), nullable=False),
        PrimaryKeyConstraint("tenant_id", "id", name="approvals_pkey"),
        UniqueConstraint(
            "tenant_id",
            "workflow_instance_id",
            "step",
            "occurrence",
            name="approvals_tenant_id_workflow_instance_id_step_occurrence_key",
        ),
        schema=AUTOMATION,
        comment="Questions that a person has to answer before an instance goes on",
    )
    op.create_index(
        "approvals_open_idx",
        "approvals",
        ["tenant_id", "until"],
        schema=AUTOMATION,
        postgresql_where=text("answered_at IS NULL"),
    )
    op.create_index(
        "messaging_received_stored_idx",
        "messaging_received",
        ["tenant_id", "stored_at"],
        schema=AUTOMATION,
    )
