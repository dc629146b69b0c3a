"""What callers are told about workflows that run."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from perfectcatch.gateway.models import Asked, Dollars, Told


class Trigger(Told):
    """What started an instance."""

    id: int
    event_type: str
    entity: str
    st_id: int
    version: str
    occurred_at: datetime
    recorded_at: datetime
    data: dict[str, Any]
    occasion: str


class Instance(Told):
    """Somebody who goes through a workflow."""

    id: int
    workflow: str
    key: str
    customer_id: int | None
    shadow: bool
    status: str
    reason: str | None
    sentence: str | None
    priority: int
    step: str
    entered_at: datetime
    next_action_at: datetime | None
    wakes: list[str]
    trigger: Trigger
    taken_over: bool
    parent_id: int | None
    started_at: datetime
    ended_at: datetime | None
    updated_at: datetime


class Step(Told):
    """One coming to a step."""

    step: str
    occurrence: int
    status: str
    outcome: str | None
    reason: str | None
    sentence: str | None
    attempts: int
    started_at: datetime
    ended_at: datetime | None


class WholeInstance(Told):
    """An instance with its steps."""

    instance: dict[str, Any]
    steps: list[Step]


class Instances(Told):
    """A page of instances."""

    data_as_of: datetime | None
    data: list[Instance]
    next: str | None


class DeadLetter(Told):
    """What could not be dealt with."""

    id: int
    kind: Literal["event", "instance"]
    event_id: int | None
    instance_id: int | None
    workflow: str | None
    step: str | None
    error: str
    attempts: int
    failed_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


class DeadLetters(Told):
    """A page of dead letters."""

    data_as_of: datetime | None
    data: list[DeadLetter]
    next: str | None


class TaskRow(Told):
    """Something for a person to do."""

    id: int
    title: str
    body: str
    role: str
    urgent: bool
    status: str
    customer_id: int | None
    instance_id: int | None
    step: str | None
    due_at: datetime | None
    created_at: datetime
    done_at: datetime | None
    done_by: str | None


class Tasks(Told):
    """A page of tasks."""

    data_as_of: datetime | None
    data: list[TaskRow]
    next: str | None


class ApprovalRow(Told):
    """A question of a workflow."""

    id: int
    instance_id: int
    step: str
    question: str
    role: str
    until: datetime
    asked_at: datetime
    answer: str | None
    answered_by: str | None
    answered_at: datetime | None


class Approvals(Told):
    """A page of questions."""

    data_as_of: datetime | None
    data: list[ApprovalRow]
    next: str | None


class Answer(Asked):
    """A person's answer."""

    answer: Literal["approved", "refused"]


class Line(Told):
    """A decision about a customer."""

    at: datetime
    kind: Literal["start", "step", "message", "end", "next"]
    workflow: str | None
    instance_id: int | None
    step: str | None
    outcome: str
    reason: str | None
    sentence: str | None
    message_id: int | None
    shadow: bool


class Explanation(Told):
    """Everything that was decided about a customer, what comes and the newest first."""

    customer_id: int
    lines: list[Line]


class Switched(Told):
    """What a workflow is now."""

    name: str
    mode: Literal["live", "shadow", "disabled"]


class Deleted(Told):
    """A workflow that is gone."""

    name: str
    cancelled: int


class Done(Told):
    """It was done."""

    id: int
    sentence: str


class AiCall(Told):
    """A question to a model. ``words``: what it said; ``answer``: what counted, maybe of the rules."""

    id: int
    workflow: str
    instance_id: int
    step: str
    occurrence: int
    status: Literal["asking", "answered", "refused", "failed", "spent"]
    sentence: str
    question: str
    data: dict[str, Any]
    schema_: dict[str, Any] = Field(alias="schema")
    provider: str | None
    model: str | None
    words: str | None
    answer: dict[str, Any] | None
    outcome: str | None
    leads_to: str | None
    input_tokens: int
    output_tokens: int
    cost: Dollars
    asked_at: datetime
    answered_at: datetime | None


class AiCalls(Told):
    """A page of questions."""

    data_as_of: datetime | None
    data: list[AiCall]
    next: str | None


class Replayed(Told):
    """What a recorded answer decides now."""

    id: int
    workflow: str
    step: str
    answer: dict[str, Any]
    outcome: str
    leads_to: str
    outcome_then: str | None
    leads_to_then: str | None
    same: bool
