"""Instances of workflows: where each stands, when it wakes, and what was decided about every trigger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.model.workflow import Earlier, Start
from perfectcatch.store.names import APPROVALS, INSTANCES, STARTS, TIMERS
from perfectcatch.store.pool import Connection, Pool

RUNNING: Final = "running"
SLEEPING: Final = "sleeping"
ASKING: Final = "asking"  # a person has to answer
QUEUED: Final = "queued"  # it begins when another has ended
PAUSED: Final = "paused"  # by a person
ENDED: Final = "ended"
CANCELLED: Final = "cancelled"  # by a person
FAILED: Final = "failed"  # in the dead letters, until somebody tries it again


@dataclass(slots=True)
class Instance:
    """A row of ``workflow_instances``. ``trigger`` is the event that started it, with its ``occasion``."""

    id: int
    workflow_definition_id: int
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
    visits: dict[str, int]
    taken: dict[str, int]
    results: dict[str, Any]
    wakes: list[str]
    next_action_at: datetime | None
    trigger: dict[str, Any]
    taken_over: bool
    parent_id: int | None
    started_at: datetime
    ended_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether something may still happen with it."""
        return self.ended_at is None


_COLUMNS: Final = """id, workflow_definition_id, workflow, key, customer_id, shadow, status, reason, sentence,
  priority, step, entered_at, visits, taken, results, wakes, next_action_at, trigger, taken_over, parent_id,
  started_at, ended_at"""


async def lock(connection: Connection, tenant_id: int, instance_id: int) -> Instance | None:
    """The instance, which nobody else changes until the transaction ends."""
    found = await _of(connection, "id = %(id)s for no key update", {"tenant": tenant_id, "id": instance_id})
    return found[0] if found else None


async def take(connection: Connection, tenant_id: int, ids: Sequence[int]) -> list[Instance]:
    """Those of the instances that nobody is changing, locked until the transaction ends."""
    return await _of(
        connection,
        "id = any(%(ids)s) order by id for no key update skip locked",
        {"tenant": tenant_id, "ids": list(ids)},
    )


async def find(pool: Pool, tenant_id: int, instance_id: int) -> Instance | None:
    """The instance as it is now."""
    async with pool.connection() as connection:
        found = await _of(connection, "id = %(id)s", {"tenant": tenant_id, "id": instance_id})
    return found[0] if found else None


async def listed(
    pool: Pool,
    tenant_id: int,
    *,
    workflow: str | None = None,
    customer_id: int | None = None,
    status: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Instance]:
    """Instances, the newest first."""
    async with pool.connection() as connection:
        return await _of(
            connection,
            """(%(workflow)s::text is null or workflow = %(workflow)s)
            and (%(customer)s::bigint is null or customer_id = %(customer)s)
            and (%(status)s::text is null or status = %(status)s)
            and (%(before)s::bigint is null or id < %(before)s) order by id desc limit %(limit)s""",
            {
                "tenant": tenant_id,
                "workflow": workflow,
                "customer": customer_id,
                "status": status,
                "before": before,
                "limit": limit,
            },
        )


async def _of(connection: Connection, where: str, values: Mapping[str, Any]) -> list[Instance]:
    async with connection.cursor(row_factory=class_row(Instance)) as cursor:
        await cursor.execute(
            f"select {_COLUMNS} from {INSTANCES} where tenant_id = %(tenant)s and {where}", values
        )
        return await cursor.fetchall()


# Starting ----------------------------------------------------------------------------------------


async def earlier(
    connection: Connection, tenant_id: int, workflow: str, key: str, customer_id: int | None
) -> list[Earlier]:
    """Instances of the workflow for the same thing or the same customer, the newest first."""
    rows = await connection.execute(
        f"""
        select id, key, customer_id, started_at, ended_at is null from {INSTANCES}
        where tenant_id = %(tenant)s and workflow = %(workflow)s
          and (key = %(key)s or customer_id = %(customer)s) and status <> 'cancelled'
        order by started_at desc limit 100
        """,
        {"tenant": tenant_id, "workflow": workflow, "key": key, "customer": customer_id},
    )
    return [
        Earlier(id=row[0], key=row[1], customer_id=row[2], started_at=row[3], running=row[4])
        for row in await rows.fetchall()
    ]


async def started_at_tick(connection: Connection, tenant_id: int, workflow: str, moment: str) -> int:
    """How many instances a tick of a clock has started so far."""
    found = await connection.execute(
        f"""
        select count(*) from {STARTS} where tenant_id = %s and workflow = %s
          and starts_with(trigger, 'clock/') and right(trigger, length(%s)) = %s
          and workflow_instance_id is not null
        """,
        (tenant_id, workflow, moment, moment),
    )
    row = await found.fetchone()
    return int(row[0]) if row else 0


async def decided(
    connection: Connection, tenant_id: int, workflow: str, trigger: str, start: Start, customer_id: int | None
) -> bool:
    """Keep what was decided about a trigger; False: it was decided before, and nothing else may be done."""
    found = await connection.execute(
        f"""
        insert into {STARTS} (tenant_id, workflow, trigger, customer_id, verdict, reason, sentence)
        values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing
        """,
        (tenant_id, workflow, trigger, customer_id, start.verdict.value, start.reason, start.sentence),
    )
    return found.rowcount > 0


async def begin(
    connection: Connection,
    tenant_id: int,
    *,
    definition_id: int,
    workflow: str,
    start: Start,
    customer_id: int | None,
    shadow: bool,
    status: str,
    priority: int,
    step: str,
    trigger: Mapping[str, Any],
    parent_id: int | None,
    now: datetime,
) -> int:
    """A new instance at its first step; gives its id."""
    found = await connection.execute(
        f"""
        with born as (
          insert into {INSTANCES} (tenant_id, workflow_definition_id, workflow, key, customer_id, shadow,
            status, priority, step, entered_at, visits, next_action_at, trigger, parent_id, started_at,
            updated_at)
          values (%(tenant)s, %(definition)s, %(workflow)s, %(key)s, %(customer)s, %(shadow)s, %(status)s,
            %(priority)s, %(step)s, %(now)s, %(visits)s, %(now)s, %(trigger)s, %(parent)s, %(now)s, %(now)s)
          returning id
        ), told as (
          update {STARTS} set workflow_instance_id = (select id from born)
          where tenant_id = %(tenant)s and workflow = %(workflow)s and trigger = %(occasion)s
        )
        select id from born
        """,
        {
            "tenant": tenant_id,
            "definition": definition_id,
            "workflow": workflow,
            "key": start.key,
            "customer": customer_id,
            "shadow": shadow,
            "status": status,
            "priority": priority,
            "step": step,
            "visits": Jsonb({step: 1}),
            "trigger": Jsonb(dict(trigger)),
            "occasion": trigger["occasion"],
            "parent": parent_id,
            "now": now,
        },
    )
    row = await found.fetchone()
    assert row is not None
    return int(row[0])


async def started_by(connection: Connection, tenant_id: int, workflow: str, trigger: str) -> int | None:
    """The instance that a trigger started, if it did."""
    found = await connection.execute(
        f"select workflow_instance_id from {STARTS} where tenant_id = %s and workflow = %s and trigger = %s",
        (tenant_id, workflow, trigger),
    )
    row = await found.fetchone()
    return row[0] if row else None


# Going on ----------------------------------------------------------------------------------------


async def save(connection: Connection, tenant_id: int, instance: Instance, *, now: datetime) -> None:
    """Keep where the instance stands, and its timer: ``next_action_at`` while it sleeps or asks."""
    timed = instance.is_open and instance.status in (SLEEPING, ASKING, RUNNING)
    await connection.execute(
        f"""
        with kept as (
          update {INSTANCES} set status = %(status)s, reason = %(reason)s, sentence = %(sentence)s,
            step = %(step)s, entered_at = %(entered)s, visits = %(visits)s, taken = %(taken)s,
            results = %(results)s, wakes = %(wakes)s, next_action_at = %(due)s, taken_over = %(over)s,
            ended_at = %(ended)s, updated_at = %(now)s
          where tenant_id = %(tenant)s and id = %(id)s
        ), gone as (
          delete from {TIMERS} where tenant_id = %(tenant)s and workflow_instance_id = %(id)s
            and not (%(timed)s and %(due)s::timestamptz is not null)
        )
        insert into {TIMERS} (tenant_id, workflow_instance_id, due_at)
        select %(tenant)s, %(id)s, %(due)s where %(timed)s and %(due)s::timestamptz is not null
        on conflict (tenant_id, workflow_instance_id) do update set due_at = excluded.due_at
        """,
        {
            "tenant": tenant_id,
            "id": instance.id,
            "status": instance.status,
            "reason": instance.reason,
            "sentence": instance.sentence,
            "step": instance.step,
            "entered": instance.entered_at,
            "visits": Jsonb(instance.visits),
            "taken": Jsonb(instance.taken),
            "results": Jsonb(instance.results),
            "wakes": instance.wakes,
            "due": instance.next_action_at,
            "over": instance.taken_over,
            "ended": instance.ended_at,
            "timed": timed,
            "now": now,
        },
    )


async def due(
    connection: Connection, tenant_id: int, now: datetime, *, limit: int = 1000
) -> list[tuple[int, int]]:
    """Take the timers that are due; gives the ids and priorities of their instances."""
    rows = await connection.execute(
        f"""
        with taken as (
          delete from {TIMERS} where tenant_id = %(tenant)s and workflow_instance_id = any(array(
            select workflow_instance_id from {TIMERS}
            where tenant_id = %(tenant)s and due_at <= %(now)s
            order by due_at limit %(limit)s for update skip locked))
          returning workflow_instance_id
        )
        select i.id, i.priority from taken
        join {INSTANCES} i on i.tenant_id = %(tenant)s and i.id = taken.workflow_instance_id
        """,
        {"tenant": tenant_id, "now": now, "limit": limit},
    )
    return await rows.fetchall()


async def next_due(pool: Pool, tenant_id: int) -> datetime | None:
    """When the next timer is due."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select due_at from {TIMERS} where tenant_id = %s order by due_at limit 1", (tenant_id,)
        )
        row = await found.fetchone()
    return row[0] if row else None


async def of_customers(
    connection: Connection, tenant_id: int, customers: Sequence[int]
) -> list[tuple[int, int, int, int]]:
    """Open instances of the customers: id, customer, priority, and the event that started them, 0 if none."""
    rows = await connection.execute(
        f"""
        select id, customer_id, priority, (trigger ->> 'id')::bigint from {INSTANCES}
        where tenant_id = %s and customer_id = any(%s) and ended_at is null and status <> 'queued'
        """,
        (tenant_id, list(customers)),
    )
    return await rows.fetchall()


async def stalled(
    pool: Pool, tenant_id: int, *, before: datetime, under: str, limit: int = 1000
) -> list[tuple[int, int]]:
    """Instances that nothing will wake, and that were not touched since ``before``.

    They have no timer though they should, or a person's answer that was not taken up, and no job: none is
    there under the lock that begins with ``under`` and ends with the instance's id.
    """
    async with pool.connection() as connection:
        rows = await connection.execute(
            f"""
            select i.id, i.priority from {INSTANCES} i
            where i.tenant_id = %(tenant)s and i.ended_at is null and i.updated_at < %(before)s
              and i.status in ('running', 'sleeping', 'asking')
              and ((i.status = 'running' or i.next_action_at is not null)
                  and not exists (select from {TIMERS} t
                    where t.tenant_id = i.tenant_id and t.workflow_instance_id = i.id)
                or i.status = 'asking' and exists (select from {APPROVALS} a
                  where a.tenant_id = i.tenant_id and a.workflow_instance_id = i.id and a.step = i.step
                    and a.occurrence = (i.visits ->> i.step)::int and a.answered_at < %(before)s))
              and not exists (select from public.procrastinate_jobs j
                where j.lock = %(under)s || i.id and j.status in ('todo', 'doing'))
            order by i.id limit %(limit)s
            """,
            {"tenant": tenant_id, "before": before, "under": under, "limit": limit},
        )
        return await rows.fetchall()


async def counts(pool: Pool, tenant_id: int) -> list[tuple[str, str, int]]:
    """How many instances of each workflow have each status."""
    async with pool.connection() as connection:
        rows = await connection.execute(
            f"""
            select workflow, status, count(*) from {INSTANCES} where tenant_id = %s
            group by 1, 2 order by 1, 2
            """,
            (tenant_id,),
        )
        return await rows.fetchall()


async def at_work(pool: Pool, tenant_id: int) -> int:
    """How many instances have something to do at once."""
    async with pool.connection() as connection:
        found = await connection.execute(
            f"select count(*) from {INSTANCES} where tenant_id = %s and status = 'running'", (tenant_id,)
        )
        row = await found.fetchone()
    return int(row[0]) if row else 0


async def open_ids(connection: Connection, tenant_id: int, workflow: str) -> list[int]:
    """Ids of the workflow's instances that are under way."""
    rows = await connection.execute(
        f"select id from {INSTANCES} where tenant_id = %s and workflow = %s and ended_at is null order by id",
        (tenant_id, workflow),
    )
    return [row[0] for row in await rows.fetchall()]
