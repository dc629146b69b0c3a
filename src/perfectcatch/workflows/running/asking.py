"""Steps that ask a model: within the budget of the day, recorded, and once for each coming to a step."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any

from perfectcatch.errors import (
    AskPerson,
    PerfectCatchError,
    RateLimited,
    Refused,
    Retry,
    VendorRefused,
)
from perfectcatch.kit.asking import NotAsked, answer_of, settled
from perfectcatch.kit.http import NotSent
from perfectcatch.kit.thought import Thought
from perfectcatch.model.roles import Thinker
from perfectcatch.model.workflow import Think
from perfectcatch.store.workflows import thoughts
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.store.workflows.thoughts import Asked
from perfectcatch.workflows.running.workshop import Workshop
from perfectcatch.workflows.thinking import Limits

# What is not sent, or turned away at a vendor's door, costs nothing; of other troubles nobody knows.
_FREE = (NotAsked, NotSent, RateLimited, VendorRefused, AskPerson)
_ENVELOPE = 4_000  # characters of the rules and the schema around a question


async def answer_for(
    workshop: Workshop,
    instance: Instance,
    step: Think,
    occurrence: int,
    question: str,
    data: Mapping[str, Any],
) -> tuple[Mapping[str, Any], str, int | None]:
    """The answer that counts, how it came about, and the id of the recorded question.

    Whoever waits for this must not wait for a model, whose vendor may be away for hours: what cannot be
    asked, must not cost more or is answered with nonsense is decided by the step's rules. Each request is a
    recorded question within the budget of its own, because each may be billed.
    """
    rules = dict(step.otherwise)
    models = workshop.models
    if models is None:
        return rules, "By rules alone: no AI model is connected.", None
    before = await thoughts.answered(workshop.pool, workshop.tenant_id, instance.id, step.id, occurrence)
    if before is not None:  # a process died between the answer and its step
        return answer_of(before.words, step.schema, who="The model"), "An AI model answered.", before.id
    asked = Asked(
        workflow=instance.workflow,
        definition_id=instance.workflow_definition_id,
        instance_id=instance.id,
        step=step.id,
        occurrence=occurrence,
        question=question,
        data=data,
        schema=step.schema,
        most=Decimal(0),
    )
    trouble, call_id = "", None
    for model in models.order():
        began = workshop.clock.monotonic()
        for attempt in count(1):
            call_id, over = await _reserved(workshop, model, step, asked)
            if over is not None:
                return rules, f"By rules alone: {over}.", call_id
            try:
                thought = await model.think(question, schema=step.schema, data=data, tokens=step.budget)
            except (Refused, Retry, AskPerson) as error:
                await _failed(workshop, call_id, error)
                trouble = str(error)
                if isinstance(error, Refused):
                    return rules, f"By rules alone: {trouble}", call_id
                if not await models.waits(model, error, attempt, began):
                    break
            else:
                models.answers(model)
                answer, sentence = await _answered(workshop, call_id, step, thought)
                return answer, sentence, call_id
    return rules, f"By rules alone: {trouble}", call_id


async def _reserved(workshop: Workshop, model: Thinker, step: Think, asked: Asked) -> tuple[int, str | None]:
    """Note that ``model`` is going to be asked; with a sentence where the budget of the day is spent."""
    now, limits = workshop.clock.now(), workshop.ai_limits
    characters = len(asked.question) + len(str(asked.data)) + len(str(asked.schema)) + _ENVELOPE
    most = model.most(characters, step.budget).quantize(Decimal("0.000001"))
    return await thoughts.reserve(
        workshop.pool,
        workshop.tenant_id,
        replace(asked, most=most),
        since=Limits.since(now, workshop.company.zone),
        now=now,
        dollars=limits.dollars,
        calls=limits.calls,
    )


async def _failed(workshop: Workshop, call_id: int, error: PerfectCatchError) -> None:
    await thoughts.said(
        workshop.pool,
        workshop.tenant_id,
        call_id,
        status=thoughts.FAILED,
        sentence=str(error),
        now=workshop.clock.now(),
        free=isinstance(error, _FREE),
    )


async def _answered(
    workshop: Workshop, call_id: int, step: Think, thought: Thought
) -> tuple[Mapping[str, Any], str]:
    """Note what a model said; the answer that counts, and how it came about."""
    answer, status, sentence = dict(step.otherwise), thoughts.ANSWERED, "An AI model answered."
    try:
        answer = dict(settled(thought, step.schema))
    except Refused as error:
        status, sentence = thoughts.REFUSED, f"By rules alone: {error}"
    await thoughts.said(
        workshop.pool, workshop.tenant_id, call_id,
        status=status, sentence=sentence, now=workshop.clock.now(), thought=thought,
    )  # fmt: skip
    return answer, sentence
