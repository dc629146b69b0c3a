"""Steps of instances: each once, with what became of it; tasks and questions for people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row

from perfectcatch.store import events
from perfectcatch.store.names import APPROVALS, EXECUTIONS, TASKS
from perfectcatch.store.pool import Connection, Pool

DOING: Final = "doing"
DONE: Final = "done"
DEFERRED: Final = "deferred"
TASK_DONE: Final = "task_done"
NO_EFFECT: Final = "no_effect"  # an outcome: this attempt certainly changed nothing


@dataclass(frozen=True, slots=True)
class Execution:
    """One coming to a step. ``attempts`` counts how often its effect was begun."""

    workflow_instance_id: int
    step: str
    occurrence: int
    status: str
    outcome: str | None
    reason: str | None
    sentence: str | None
    value: Any
    attempts: int
    started_at: datetime
    ended_at: datetime | None


_COLUMNS: Final = (
    "workflow_instance_id, step, occurrence, status, outcome, reason, sentence, value, attempts, "
    "started_at, ended_at"
)


async def begin(
    connection: Connection, tenant_id: int, instance_id: int, step: str, occurrence: int, now: datetime
) -> Execution:
    """Write, before the effect, that it begins; gives it with the outcome of the attempt before.

    An attempt that ended with a wait, for the gate or for a person, did not fail: they count anew from there.
    """
    async with connection.cursor(row_factory=class_row(Execution)) as cursor:
        await cursor.execute(
            f"""
            with before as (
              select outcome from {EXECUTIONS} where tenant_id = %(tenant)s
                and workflow_instance_id = %(instance)s and step = %(step)s and occurrence = %(occurrence)s
            )
            insert into {EXECUTIONS} as e (tenant_id, workflow_instance_id, step, occurrence, status,
              attempts, started_at)
            values (%(tenant)s, %(instance)s, %(step)s, %(occurrence)s, 'doing', 1, %(now)s)
            on conflict (tenant_id, workflow_instance_id, step, occurrence) do update
              set attempts = case e.status when 'deferred' then 1 else e.attempts + 1 end,
                status = 'doing', outcome = null
            returning {_COLUMNS.replace("outcome", "(select outcome from before) as outcome")}
            """,
            {
                "tenant": tenant_id,
                "instance": instance_id,
                "step": step,
                "occurrence": occurrence,
                "now": now,
            },
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


async def of_instance(pool: Pool, tenant_id: int, instance_id: int) -> list[Execution]:
    """What an instance went through, in order."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Execution)) as cursor:
        await cursor.execute(
            f"""
            select {_COLUMNS} from {EXECUTIONS} where tenant_id = %s and workflow_instance_id = %s
            order by started_at, ended_at, occurrence
            """,
            (tenant_id, instance_id),
        )
        return await cursor.fetchall()


async def task(
    connection: Connection,
    tenant_id: int,
    *,
    title: str,
    body: str,
    role: str,
    urgent: bool,
    customer_id: int | None,
    instance_id: int,
    step: str,
    occurrence: int,
    due_at: datetime | None,
) -> int:
    """Something for a person to do, once for each coming to a step; gives its id."""
    found = await connection.execute(
        f"""
        insert into {TASKS} as t (tenant_id, title, body, role, urgent, status, customer_id,
          workflow_instance_id, step, occurrence, due_at)
        values (%s, %s, %s, %s, %s, 'open', %s, %s, %s, %s, %s)
        on conflict (tenant_id, workflow_instance_id, step, occurrence) do update set title = t.title
        returning id
        """,
        (tenant_id, title, body, role, urgent, customer_id, instance_id, step, occurrence, due_at),
    )
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def ask(
    connection: Connection,
    tenant_id: int,
    *,
    instance_id: int,
    step: str,
    occurrence: int,
    question: str,
    role: str,
    until: datetime,
) -> tuple[str | None, datetime]:
    """A question to a person, once; gives the answer, if there is one already, and the end of the wait."""
    found = await connection.execute(
        f"""
        insert into {APPROVALS} as a (tenant_id, workflow_instance_id, step, occurrence, question, role,
          until)
        values (%s, %s, %s, %s, %s, %s, %s)
        on conflict (tenant_id, workflow_instance_id, step, occurrence) do update set question = a.question
        returning answer, until
        """,
        (tenant_id, instance_id, step, occurrence, question, role, until),
    )
    row = await found.fetchone()
    assert row is not None
    return row[0], row[1]


async def answer(
    connection: Connection, tenant_id: int, approval_id: int, word: str, *, by: str, now: datetime
) -> int | None:
    """A person's answer, the first counts; gives the instance, None where nothing waits for an answer."""
    found = await connection.execute(
        f"""
        update {APPROVALS} set answer = %s, answered_by = %s, answered_at = %s
        where tenant_id = %s and id = %s and answered_at is null returning workflow_instance_id
        """,
        (word, by, now, tenant_id, approval_id),
    )
    row = await found.fetchone()
    return int(row[0]) if row else None


async def forget_attempts(connection: Connection, tenant_id: int, instance_id: int, step: str) -> None:
    """A person has the step tried again: its attempts count anew."""
    await connection.execute(
        f"""
        update {EXECUTIONS} set attempts = 0
        where tenant_id = %s and workflow_instance_id = %s and step = %s and status <> 'done'
        """,
        (tenant_id, instance_id, step),
    )


async def task_done(connection: Connection, tenant_id: int, task_id: int, *, by: str, now: datetime) -> bool:
    """Close a task, and tell it as an event; False: there is no such open one."""
    found = await connection.execute(
        f"""
        update {TASKS} set status = 'done', done_at = %s, done_by = %s
        where tenant_id = %s and id = %s and status = 'open'
        returning customer_id, title, role, workflow_instance_id, step
        """,
        (now, by, tenant_id, task_id),
    )
    row = await found.fetchone()
    if row is None:
        return False
    customer_id, title, role, instance_id, step = row
    data = {
        "task_id": task_id,
        "title": title,
        "role": role,
        "instance_id": instance_id,
        "step": step,
        "by": by,
    }
    if customer_id is None:
        await events.tell(connection, tenant_id, TASK_DONE, "tasks", task_id, version="1", at=now, data=data)
    else:
        await events.tell(
            connection, tenant_id, TASK_DONE, "customers", customer_id,
            version=f"task {task_id}", at=now, data=data | {"customer_id": customer_id},
        )  # fmt: skip
    return True


async def had_no_effect(
    connection: Connection, tenant_id: int, instance_id: int, step: str, occurrence: int
) -> None:
    """The attempt that has just failed certainly changed nothing; the next one is told by ``outcome``."""
    await connection.execute(
        f"""
        update {EXECUTIONS} set outcome = %s
        where tenant_id = %s and workflow_instance_id = %s and step = %s and occurrence = %s
        """,
        (NO_EFFECT, tenant_id, instance_id, step, occurrence),
    )
