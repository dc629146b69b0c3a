"""What many instances leave behind, written in a few statements: a round trip costs more than a row."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from perfectcatch.model.workflow import Earlier
from perfectcatch.store.names import EXECUTIONS, INSTANCES, STARTS, TASKS, TIMERS
from perfectcatch.store.pool import Connection
from perfectcatch.store.workflows.instances import ASKING, RUNNING, SLEEPING, Instance

Row = Mapping[str, Any]
_TABLES: Final = {"instances": INSTANCES, "tasks": TASKS}
_EARLIER: Final = ("id", "key", "customer_id", "started_at", "running")
_SAVED: Final = """id bigint, status text, reason text, sentence text, step text, entered_at timestamptz,
  visits jsonb, taken jsonb, results jsonb, wakes text[], next_action_at timestamptz, taken_over boolean,
  ended_at timestamptz"""


async def numbers(connection: Connection, table: str, count: int) -> list[int]:
    """Ids for rows to come of "instances" or "tasks", so that what refers to them is written beside them."""
    found = await connection.execute(
        "select nextval(pg_get_serial_sequence(%s, 'id')) from generate_series(1, %s)",
        (_TABLES[table], count),
    )
    return [row[0] for row in await found.fetchall()]


# Starts ------------------------------------------------------------------------------------------


async def decided_before(
    connection: Connection, tenant_id: int, asked: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Those pairs of workflow and trigger that were decided about."""
    workflows, triggers = zip(*asked, strict=True)
    rows = await connection.execute(
        f"""
        select s.workflow, s.trigger from unnest(%s::text[], %s::text[]) as asked(workflow, trigger)
        join {STARTS} s on s.tenant_id = %s and s.workflow = asked.workflow and s.trigger = asked.trigger
        """,
        (list(workflows), list(triggers), tenant_id),
    )
    return set(await rows.fetchall())


async def earlier(
    connection: Connection, tenant_id: int, asked: Sequence[tuple[str, str, int | None]]
) -> list[list[Earlier]]:
    """For each workflow, key and customer what ``instances.earlier`` gives."""
    found: list[list[Earlier]] = [[] for _ in asked]
    workflows, keys, customers = zip(*asked, strict=True)
    rows = await connection.execute(
        f"""
        select asked.number, i.id, i.key, i.customer_id, i.started_at, i.ended_at is null
        from unnest(%(workflows)s::text[], %(keys)s::text[], %(customers)s::bigint[])
          with ordinality as asked(workflow, key, customer_id, number)
        cross join lateral (
          select id, key, customer_id, started_at, ended_at from {INSTANCES} i
          where i.tenant_id = %(tenant)s and i.workflow = asked.workflow
            and (i.key = asked.key or i.customer_id = asked.customer_id) and i.status <> 'cancelled'
          order by i.started_at desc limit 100
        ) i order by asked.number, i.started_at desc
        """,
        {
            "workflows": list(workflows),
            "keys": list(keys),
            "customers": list(customers),
            "tenant": tenant_id,
        },
    )
    for number, *row in await rows.fetchall():
        found[number - 1].append(Earlier(**dict(zip(_EARLIER, row, strict=True))))
    return found


async def decide(connection: Connection, tenant_id: int, starts: Sequence[Row]) -> int:
    """Keep what was decided about triggers; how many of them were new."""
    found = await connection.execute(
        f"""
        insert into {STARTS} (tenant_id, workflow, trigger, customer_id, verdict, reason, sentence,
          workflow_instance_id)
        select %s, workflow, trigger, customer_id, verdict, reason, sentence, workflow_instance_id
        from jsonb_to_recordset(%s) as r(workflow text, trigger text, customer_id bigint, verdict text,
          reason text, sentence text, workflow_instance_id bigint)
        on conflict do nothing
        """,
        (tenant_id, Jsonb(list(starts))),
    )
    return found.rowcount


async def begin(connection: Connection, tenant_id: int, born: Sequence[Instance], *, now: datetime) -> None:
    """New instances, as they stand by now."""
    await connection.execute(
        f"""
        insert into {INSTANCES} (tenant_id, id, workflow_definition_id, workflow, key, customer_id, shadow,
          status, reason, sentence, priority, step, entered_at, visits, taken, results, wakes,
          next_action_at, trigger, taken_over, parent_id, started_at, ended_at, updated_at)
        overriding system value
        select %(tenant)s, id, workflow_definition_id, workflow, key, customer_id, shadow, status, reason,
          sentence, priority, step, entered_at, visits, taken, results, wakes, next_action_at, trigger,
          taken_over, parent_id, started_at, ended_at, %(now)s
        from jsonb_to_recordset(%(rows)s) as r({_SAVED}, workflow_definition_id bigint, workflow text,
          key text, customer_id bigint, shadow boolean, priority int, trigger jsonb, parent_id bigint,
          started_at timestamptz)
        """,
        {"tenant": tenant_id, "rows": Jsonb([_row(each) | _birth(each) for each in born]), "now": now},
    )


# Going on ----------------------------------------------------------------------------------------


async def save(connection: Connection, tenant_id: int, changed: Sequence[Instance], *, now: datetime) -> None:
    """Keep where instances stand; ``time`` keeps when they wake."""
    await connection.execute(
        f"""
        update {INSTANCES} i set status = r.status, reason = r.reason, sentence = r.sentence, step = r.step,
          entered_at = r.entered_at, visits = r.visits, taken = r.taken, results = r.results,
          wakes = r.wakes, next_action_at = r.next_action_at, taken_over = r.taken_over,
          ended_at = r.ended_at, updated_at = %(now)s
        from jsonb_to_recordset(%(rows)s) as r({_SAVED})
        where i.tenant_id = %(tenant)s and i.id = r.id
        """,
        {"tenant": tenant_id, "rows": Jsonb([_row(each) for each in changed]), "now": now},
    )


async def time(connection: Connection, tenant_id: int, changed: Iterable[Instance], *, born: bool) -> None:
    """Set and remove the timers of instances; one that was just ``born`` has none to remove."""
    due, idle = {}, []
    for each in changed:
        timed = each.is_open and each.status in (SLEEPING, ASKING, RUNNING)
        if timed and each.next_action_at is not None:
            due[each.id] = each.next_action_at
        else:
            idle.append(each.id)
    if idle and not born:
        await connection.execute(
            f"delete from {TIMERS} where tenant_id = %s and workflow_instance_id = any(%s)",
            (tenant_id, idle),
        )
    if due:
        await connection.execute(
            f"""
            insert into {TIMERS} (tenant_id, workflow_instance_id, due_at)
            select %s, * from unnest(%s::bigint[], %s::timestamptz[])
            on conflict (tenant_id, workflow_instance_id) do update set due_at = excluded.due_at
            """,
            (tenant_id, list(due), list(due.values())),
        )


async def execute(connection: Connection, tenant_id: int, executions: Sequence[Row]) -> None:
    """Write what became of steps, each of which is named once."""
    await connection.execute(
        f"""
        insert into {EXECUTIONS} (tenant_id, workflow_instance_id, step, occurrence, status, outcome, reason,
          sentence, value, attempts, started_at, ended_at)
        select %s, workflow_instance_id, step, occurrence, status, outcome, reason, sentence,
          coalesce(value, 'null'), attempts, started_at, ended_at
        from jsonb_to_recordset(%s) as r(workflow_instance_id bigint, step text, occurrence int, status text,
          outcome text, reason text, sentence text, value jsonb, attempts int, started_at timestamptz,
          ended_at timestamptz)
        on conflict (tenant_id, workflow_instance_id, step, occurrence) do update set
          status = excluded.status, outcome = excluded.outcome, reason = excluded.reason,
          sentence = excluded.sentence, value = excluded.value, ended_at = excluded.ended_at
        """,
        (tenant_id, Jsonb(list(executions))),
    )


async def tasks(connection: Connection, tenant_id: int, added: Sequence[Row]) -> int:
    """Things for people to do, with ids of ``numbers``; how many of them were new."""
    found = await connection.execute(
        f"""
        insert into {TASKS} (tenant_id, id, title, body, role, urgent, status, customer_id,
          workflow_instance_id, step, occurrence, due_at)
        overriding system value
        select %s, id, title, body, role, urgent, 'open', customer_id, workflow_instance_id, step,
          occurrence, due_at
        from jsonb_to_recordset(%s) as r(id bigint, title text, body text, role text, urgent boolean,
          customer_id bigint, workflow_instance_id bigint, step text, occurrence int, due_at timestamptz)
        on conflict do nothing
        """,
        (tenant_id, Jsonb(list(added))),
    )
    return found.rowcount


async def queued_behind(
    connection: Connection, tenant_id: int, ended: Sequence[tuple[str, str]]
) -> list[int]:
    """The oldest instance that waits for the end of each of these, which are workflow and key."""
    workflows, keys = zip(*ended, strict=True)
    rows = await connection.execute(
        f"""
        select distinct on (i.workflow, i.key) i.id
        from unnest(%s::text[], %s::text[]) as ended(workflow, key)
        join {INSTANCES} i on i.tenant_id = %s and i.workflow = ended.workflow and i.key = ended.key
        where i.status = 'queued' order by i.workflow, i.key, i.id
        """,
        (list(workflows), list(keys), tenant_id),
    )
    return [row[0] for row in await rows.fetchall()]


def _row(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "status": instance.status,
        "reason": instance.reason,
        "sentence": instance.sentence,
        "step": instance.step,
        "entered_at": instance.entered_at.isoformat(),
        "visits": instance.visits,
        "taken": instance.taken,
        "results": instance.results,
        "wakes": instance.wakes,
        "next_action_at": _iso(instance.next_action_at),
        "taken_over": instance.taken_over,
        "ended_at": _iso(instance.ended_at),
    }


def _birth(instance: Instance) -> dict[str, Any]:
    return {
        "workflow_definition_id": instance.workflow_definition_id,
        "workflow": instance.workflow,
        "key": instance.key,
        "customer_id": instance.customer_id,
        "shadow": instance.shadow,
        "priority": instance.priority,
        "trigger": instance.trigger,
        "parent_id": instance.parent_id,
        "started_at": instance.started_at.isoformat(),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
