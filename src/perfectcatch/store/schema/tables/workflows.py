"""Workflows: their definitions, who goes through them, every step, and what waits for a person."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from perfectcatch.store.names import AUTOMATION
from perfectcatch.store.schema.tables.base import MOMENT, identity, metadata, now, tenant

_OPEN: Final = text("ended_at IS NULL")


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


workflow_definitions: Final = Table(
    "workflow_definitions",
    metadata,
    tenant(),
    identity(),
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
    now("created_at"),
    now("updated_at"),
    Column("deleted_at", MOMENT),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "name", "version"),
    Index(
        "workflow_definitions_current_idx", "tenant_id", "name", unique=True, postgresql_where=text("current")
    ),
    schema=AUTOMATION,
    comment="Every version of every workflow; the one that starts instances is current",
)

workflow_instances: Final = Table(
    "workflow_instances",
    metadata,
    tenant(),
    identity(),
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
    _json("visits"),
    _json("taken"),
    _json("results"),
    Column("wakes", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("next_action_at", MOMENT),
    Column("trigger", JSONB, nullable=False),
    Column("taken_over", Boolean, nullable=False, server_default=text("false")),
    Column("parent_id", BigInteger),
    Column("started_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    now("updated_at"),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("workflow_instances_customer_idx", "tenant_id", "customer_id", postgresql_where=_OPEN),
    Index("workflow_instances_key_idx", "tenant_id", "workflow", "key", "started_at"),
    Index("workflow_instances_about_idx", "tenant_id", "workflow", "customer_id", "started_at"),
    schema=AUTOMATION,
    comment="Who goes through which workflow, and where they stand",
)

workflow_starts: Final = Table(
    "workflow_starts",
    metadata,
    tenant(),
    Column("workflow", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("customer_id", BigInteger),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("workflow_instance_id", BigInteger),
    now("decided_at"),
    PrimaryKeyConstraint("tenant_id", "workflow", "trigger"),
    Index("workflow_starts_customer_idx", "tenant_id", "customer_id", "decided_at"),
    schema=AUTOMATION,
    comment="For every trigger of a workflow, whether an instance started and why, once for ever",
)

workflow_step_executions: Final = Table(
    "workflow_step_executions",
    metadata,
    tenant(),
    Column("workflow_instance_id", BigInteger, nullable=False),
    Column("step", Text, nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("outcome", Text),
    Column("reason", Text),
    Column("sentence", Text),
    Column("value", JSONB),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("started_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    PrimaryKeyConstraint("tenant_id", "workflow_instance_id", "step", "occurrence"),
    schema=AUTOMATION,
    comment="Each step that an instance came to, once, and what became of it",
)

workflow_timers: Final = Table(
    "workflow_timers",
    metadata,
    tenant(),
    Column("workflow_instance_id", BigInteger, nullable=False),
    Column("due_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("tenant_id", "workflow_instance_id"),
    Index("workflow_timers_due_idx", "due_at"),
    schema=AUTOMATION,
    comment="Instances that sleep, and until when",
)

workflow_dead_letters: Final = Table(
    "workflow_dead_letters",
    metadata,
    tenant(),
    identity(),
    Column("kind", Text, nullable=False),
    Column("event_id", BigInteger),
    Column("workflow_instance_id", BigInteger),
    Column("workflow", Text),
    Column("step", Text),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    now("failed_at"),
    Column("resolved_at", MOMENT),
    Column("resolved_by", Text),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("workflow_dead_letters_open_idx", "tenant_id", postgresql_where=text("resolved_at IS NULL")),
    schema=AUTOMATION,
    comment="Events and instances that could not be dealt with, until somebody tries them again",
)

tasks: Final = Table(
    "tasks",
    metadata,
    tenant(),
    identity(),
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
    now("created_at"),
    Column("done_at", MOMENT),
    Column("done_by", Text),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "workflow_instance_id", "step", "occurrence"),
    Index("tasks_open_idx", "tenant_id", "due_at", postgresql_where=text("status = 'open'")),
    schema=AUTOMATION,
    comment="What people have to do because a workflow says so",
)

approvals: Final = Table(
    "approvals",
    metadata,
    tenant(),
    identity(),
    Column("workflow_instance_id", BigInteger, nullable=False),
    Column("step", Text, nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("question", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("until", MOMENT, nullable=False),
    Column("answer", Text),
    Column("answered_by", Text),
    Column("answered_at", MOMENT),
    now("asked_at"),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "workflow_instance_id", "step", "occurrence"),
    Index("approvals_open_idx", "tenant_id", "until", postgresql_where=text("answered_at IS NULL")),
    schema=AUTOMATION,
    comment="Questions that a person has to answer before an instance goes on",
)
