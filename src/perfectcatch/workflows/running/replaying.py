"""Recorded answers of models, sent through the decision again: nobody is asked, nothing is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perfectcatch.errors import BadWorkflow, Crash
from perfectcatch.model.workflow import Definition, Think
from perfectcatch.store.pool import Pool
from perfectcatch.store.workflows import definitions as kept
from perfectcatch.store.workflows import thoughts
from perfectcatch.store.workflows.thoughts import Call
from perfectcatch.workflows import thinking
from perfectcatch.workflows.definitions import read


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a recorded answer decides now. ``same``: as it did then."""

    id: int
    workflow: str
    step: str
    answer: Mapping[str, Any]
    outcome: str
    leads_to: str
    outcome_then: str | None
    leads_to_then: str | None
    same: bool


async def replay(pool: Pool, tenant_id: int, calls: Sequence[Call]) -> list[Replayed]:
    """Decide again about each, by the version of the workflow that its instance goes by."""
    known: dict[int, Definition] = {}
    found = []
    for call in calls:
        definition = known.get(call.workflow_definition_id)
        if definition is None:
            row = await kept.by_id(pool, tenant_id, call.workflow_definition_id)
            if row is None:
                raise Crash(f"There is no workflow definition {call.workflow_definition_id}.")
            definition = known[call.workflow_definition_id] = read(dict(row.document))
        step = definition.step(call.step)
        if not isinstance(step, Think):
            raise BadWorkflow(f"{call.workflow} has no step {call.step} that asks a model.")
        answered = call.status == thoughts.ANSWERED
        answer, outcome, leads_to = thinking.decided_again(definition, step, call.words, answered=answered)
        then = (call.outcome, call.leads_to, call.answer)
        found.append(
            Replayed(
                id=call.id,
                workflow=call.workflow,
                step=call.step,
                answer=answer,
                outcome=outcome,
                leads_to=leads_to,
                outcome_then=call.outcome,
                leads_to_then=call.leads_to,
                same=then == (outcome, leads_to, dict(answer)),
            )
        )
    return found
