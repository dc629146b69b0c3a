"""Steps that ask a model: within the budget of the day, recorded, and once for each coming to a step."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from perfectcatch.errors import AskPerson, RateLimited, Refused, Retry, VendorRefused
from perfectcatch.kit.asking import answer_of, settled
from perfectcatch.kit.http import NotSent
from perfectcatch.model.workflow import Think
from perfectcatch.store.workflows import thoughts
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.store.workflows.thoughts import Asked
from perfectcatch.workflows.running.workshop import Workshop
from perfectcatch.workflows.thinking import Limits

# What a vendor turns away at its door costs nothing; of other troubles nobody knows.
_FREE = (NotSent, RateLimited, VendorRefused, AskPerson)
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
    asked, must not cost more or is answered with nonsense is decided by the step's rules.
    """
    rules = dict(step.otherwise)
    thinker = workshop.thinker
    if thinker is None:
        return rules, "By rules alone: no AI model is connected.", None
    tenant_id, pool = workshop.tenant_id, workshop.pool
    before = await thoughts.answered(pool, tenant_id, instance.id, step.id, occurrence)
    if before is not None:  # a process died between the answer and its step
        return answer_of(before.words, step.schema, who="The model"), "An AI model answered.", before.id
    now = workshop.clock.now()
    characters = len(question) + len(str(data)) + len(str(step.schema)) + _ENVELOPE
    asked = Asked(
        workflow=instance.workflow,
        definition_id=instance.workflow_definition_id,
        instance_id=instance.id,
        step=step.id,
        occurrence=occurrence,
        question=question,
        data=data,
        schema=step.schema,
        most=thinker.most(characters, step.budget).quantize(Decimal("0.000001")),
    )
    limits = workshop.ai_limits
    call_id, over = await thoughts.reserve(
        pool,
        tenant_id,
        asked,
        since=Limits.since(now, workshop.company.zone),
        now=now,
        dollars=limits.dollars,
        calls=limits.calls,
    )
    if over is not None:
        return rules, f"By rules alone: {over}.", call_id
    try:
        thought = await thinker.think(question, schema=step.schema, data=data, tokens=step.budget)
    except (Refused, Retry, AskPerson) as error:
        await thoughts.said(
            pool,
            tenant_id,
            call_id,
            status=thoughts.FAILED,
            sentence=str(error),
            now=workshop.clock.now(),
            free=isinstance(error, _FREE),
        )
        return rules, f"By rules alone: {error}", call_id
    answer, status, sentence = rules, thoughts.ANSWERED, "An AI model answered."
    try:
        answer = dict(settled(thought, step.schema))
    except Refused as error:
        status, sentence = thoughts.REFUSED, f"By rules alone: {error}"
    await thoughts.said(
        pool, tenant_id, call_id,
        status=status, sentence=sentence, now=workshop.clock.now(), thought=thought,
    )  # fmt: skip
    return answer, sentence, call_id
