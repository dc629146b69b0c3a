"""Questions to models: what a day may cost, what was asked and said, and what was decided of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.kit.thought import Thought
from perfectcatch.store.names import AI_CALLS
from perfectcatch.store.pool import Connection, Pool, transaction

ASKING: Final = "asking"  # also of a process that died meanwhile: it counts with the most that it can cost
ANSWERED: Final = "answered"
REFUSED: Final = "refused"  # what it said is no answer
FAILED: Final = "failed"  # it could not be asked
SPENT: Final = "spent"  # it was not asked: the budget of the day was used up


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, before it is asked. ``most``: dollars that it costs at most."""

    workflow: str
    definition_id: int
    instance_id: int
    step: str
    occurrence: int
    question: str
    data: Mapping[str, Any]
    schema: Mapping[str, Any]
    most: Decimal


@dataclass(frozen=True, slots=True)
class Call:
    """A recorded question. ``words``: what it said; ``answer``: what counted, maybe of the rules."""

    id: int
    workflow: str
    workflow_definition_id: int
    workflow_instance_id: int
    step: str
    occurrence: int
    status: str
    sentence: str
    question: str
    data: Any
    schema: Any
    provider: str | None
    model: str | None
    words: str | None
    answer: Any
    outcome: str | None
    leads_to: str | None
    input_tokens: int
    output_tokens: int
    cost: Decimal
    asked_at: datetime
    answered_at: datetime | None


COLUMNS: Final = ", ".join(Call.__slots__)


async def spent(connection: Connection, tenant_id: int, since: datetime) -> tuple[Decimal, int]:
    """Dollars, and questions that may have cost some, since then."""
    found = await connection.execute(
        f"""
        select coalesce(sum(cost), 0), count(*) from {AI_CALLS}
        where tenant_id = %s and asked_at >= %s and status <> %s and not (status = %s and cost = 0)
        """,
        (tenant_id, since, SPENT, FAILED),
    )
    row = await found.fetchone()
    assert row is not None
    return row[0], row[1]


async def reserve(
    pool: Pool,
    tenant_id: int,
    asked: Asked,
    *,
    since: datetime,
    now: datetime,
    dollars: Decimal,
    calls: int,
) -> tuple[int, str | None]:
    """Note that it is going to be asked, within ``dollars`` and ``calls`` since then.

    Its id, and the sentence that says that the budget is spent: then it must not be asked. Decided one after
    the other, whoever asks, with the most that a question can cost until its answer is there.
    """
    async with transaction(pool) as connection:
        await connection.execute(
            "select pg_advisory_xact_lock(hashtextextended('ai budget', %s))", (tenant_id,)
        )
        cost, number = await spent(connection, tenant_id, since)
        over = None
        if number >= calls:
            over = f"the {calls} questions of the day (AI_DAILY_CALLS) are used up"
        elif cost + asked.most > dollars:
            over = (
                f"${cost:.2f} of the ${dollars:.2f} of the day (AI_DAILY_BUDGET) are spent,"
                f" and this question may cost ${asked.most:.2f}"
            )
        stored = await connection.execute(
            f"""
            insert into {AI_CALLS} (tenant_id, workflow, workflow_definition_id, workflow_instance_id, step,
              occurrence, status, sentence, question, data, schema, cost, asked_at)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning id
            """,
            (
                tenant_id,
                asked.workflow,
                asked.definition_id,
                asked.instance_id,
                asked.step,
                asked.occurrence,
                ASKING if over is None else SPENT,
                over or "",
                asked.question,
                Jsonb(dict(asked.data)),
                Jsonb(dict(asked.schema)),
                asked.most if over is None else Decimal(0),
                now,
            ),
        )
        row = await stored.fetchone()
    assert row is not None
    return int(row[0]), over


async def said(
    pool: Pool,
    tenant_id: int,
    call_id: int,
    *,
    status: str,
    sentence: str,
    now: datetime,
    thought: Thought | None = None,
    free: bool = False,
) -> None:
    """Note what came of asking. ``free``: it certainly cost nothing; with a thought its own cost counts."""
    cost = thought.cost if thought is not None else (Decimal(0) if free else None)
    async with transaction(pool) as connection:
        await connection.execute(
            f"""
            update {AI_CALLS} set status = %s, sentence = %s, answered_at = %s, provider = %s, model = %s,
              words = %s, input_tokens = %s, output_tokens = %s, cost = coalesce(%s, cost)
            where tenant_id = %s and id = %s
            """,
            (
                status,
                sentence,
                now,
                thought.who if thought else None,
                thought.model if thought else None,
                thought.words if thought else None,
                thought.input_tokens if thought else 0,
                thought.output_tokens if thought else 0,
                cost,
                tenant_id,
                call_id,
            ),
        )


async def decided(
    pool: Pool, tenant_id: int, call_id: int, *, answer: Mapping[str, Any], outcome: str, leads_to: str
) -> None:
    """Note what was decided of it."""
    async with transaction(pool) as connection:
        await connection.execute(
            f"""
            update {AI_CALLS} set answer = %s, outcome = %s, leads_to = %s where tenant_id = %s and id = %s
            """,
            (Jsonb(dict(answer)), outcome, leads_to, tenant_id, call_id),
        )


async def answered(pool: Pool, tenant_id: int, instance_id: int, step: str, occurrence: int) -> Call | None:
    """The answer that this coming to the step has got already."""
    found = await _calls(
        pool,
        "workflow_instance_id = %(instance)s and step = %(step)s and occurrence = %(occurrence)s"
        " and status = 'answered' order by id limit 1",
        {"tenant": tenant_id, "instance": instance_id, "step": step, "occurrence": occurrence},
    )
    return found[0] if found else None


async def since(pool: Pool, tenant_id: int, moment: datetime) -> list[Call]:
    """Questions that something was decided of, since then, in their order."""
    return await _calls(
        pool, "asked_at >= %(since)s and outcome is not null order by id",
        {"tenant": tenant_id, "since": moment},
    )  # fmt: skip


async def one(pool: Pool, tenant_id: int, call_id: int) -> Call | None:
    """The question with this id."""
    found = await _calls(pool, "id = %(id)s", {"tenant": tenant_id, "id": call_id})
    return found[0] if found else None


async def _calls(pool: Pool, where: str, values: Mapping[str, Any]) -> list[Call]:
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Call)) as cursor:
        await cursor.execute(
            f"select {COLUMNS} from {AI_CALLS} where tenant_id = %(tenant)s and {where}", values
        )
        return await cursor.fetchall()
