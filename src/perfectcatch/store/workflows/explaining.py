"""Why somebody got a message or did not: every decision about one customer, in the order of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row

from perfectcatch.store.names import EXECUTIONS, INSTANCES, MESSAGES, STARTS
from perfectcatch.store.pool import Pool

MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """One decision. ``kind``: start, step, message, end, or next (what comes, if nothing stops it)."""

    at: datetime
    kind: str
    workflow: str | None
    instance_id: int | None
    step: str | None
    outcome: str
    reason: str | None
    sentence: str | None
    message_id: int | None
    shadow: bool

    def as_row(self) -> dict[str, Any]:
        """The public shape."""
        return {name: getattr(self, name) for name in self.__slots__}


_LINES: Final = f"""
with mine as materialized (
  select * from {INSTANCES} where tenant_id = %(tenant)s and customer_id = %(customer)s
), lines as (
  select decided_at as at, 'start' as kind, workflow, workflow_instance_id as instance_id, null as step,
    verdict as outcome, reason, sentence, null::bigint as message_id, false as shadow
  from {STARTS} where tenant_id = %(tenant)s and customer_id = %(customer)s
  union all
  select coalesce(e.ended_at, e.started_at), 'step', i.workflow, i.id, e.step, coalesce(e.outcome, e.status),
    e.reason, e.sentence, null, i.shadow
  from {EXECUTIONS} e join mine i on i.id = e.workflow_instance_id where e.tenant_id = %(tenant)s
  union all
  select coalesce(sent_at, decided_at), 'message', workflow, instance_id, step, status, reason, sentence, id,
    shadow
  from {MESSAGES} where tenant_id = %(tenant)s and customer_id = %(customer)s
  union all
  select ended_at, 'end', workflow, id, step, status, reason, sentence, null, shadow
  from mine where ended_at is not null
  union all
  select coalesce(next_action_at, updated_at), 'next', workflow, id, step, status, reason, sentence, null,
    shadow
  from mine where ended_at is null
)
select at, kind, workflow, instance_id, step, outcome, reason, sentence, message_id, shadow from lines
order by at desc, kind limit {MOST}
"""


async def explained(pool: Pool, tenant_id: int, customer_id: int) -> list[Line]:
    """Everything that was decided about a customer, the newest (and what comes) first."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Line)) as cursor:
        await cursor.execute(_LINES, {"tenant": tenant_id, "customer": customer_id})
        return await cursor.fetchall()
