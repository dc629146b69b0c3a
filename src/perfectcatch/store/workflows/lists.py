"""Which tables of workflows are listed, and the columns that are told."""

from collections.abc import Mapping
from typing import Final

from perfectcatch.store.names import AI_CALLS, APPROVALS, DEAD_LETTERS, INSTANCES, TASKS

TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "instances": (
        INSTANCES,
        """id, workflow, key, customer_id, shadow, status, reason, sentence, priority, step, entered_at,
        next_action_at, wakes, trigger, taken_over, parent_id, started_at, ended_at, updated_at""",
    ),
    "dead_letters": (
        DEAD_LETTERS,
        """id, kind, event_id, workflow_instance_id as instance_id, workflow, step, error, attempts,
        failed_at, resolved_at, resolved_by""",
    ),
    "tasks": (
        TASKS,
        """id, title, body, role, urgent, status, customer_id, workflow_instance_id as instance_id, step,
        due_at, created_at, done_at, done_by""",
    ),
    "approvals": (
        APPROVALS,
        """id, workflow_instance_id as instance_id, step, question, role, until, asked_at, answer,
        answered_by, answered_at""",
    ),
    "ai_calls": (
        AI_CALLS,
        """id, workflow, workflow_instance_id as instance_id, step, occurrence, status, sentence, question,
        data, schema, provider, model, words, answer, outcome, leads_to, input_tokens, output_tokens, cost,
        asked_at, answered_at""",
    ),
}
