"""Who could take a visit that became free: members whose visit is due, near it, with fitting skills."""

from datetime import timedelta
from typing import Any, Final

from perfectcatch.store.names import MESSAGES
from perfectcatch.workflows.questions.asked import Asked

GIVES: Final = ("count", "first", "second", "third")
_PLACES: Final = ("first", "second", "third")
_NOBODY: Final = {"phone": "", "customer_id": 0, "name": ""}
_PEACE: Final = timedelta(days=3)
_AHEAD_DAYS: Final = 30  # a visit that is due within so many days can be had earlier


async def answer(asked: Asked) -> dict[str, Any]:
    """Three at most for ``appointment_id``: who has waited longest first, those in its zone before others.

    Whoever was written to by ``workflow`` within three days is not asked again: visits are cancelled daily.
    ``customer_id`` asks about this one alone, before it is invited: could it still come, and its number.
    ``first``, ``second`` and ``third`` hold phone, customer_id and name; an empty phone: nobody.
    """
    tables, only = asked.tables, asked.values.get("customer_id")
    rows = await asked.reads.rows(
        _STATEMENT.format(messages=MESSAGES, **tables),
        {
            "tenant": asked.tenant_id,
            "appointment": asked.values.get("appointment_id"),
            "today": asked.now.astimezone(asked.zone).date(),
            "now": asked.now,
            "ahead": _AHEAD_DAYS,
            "only": None if only is None else int(only),
            "workflow": asked.values.get("workflow"),
            "recent": asked.now - _PEACE,
            "most": len(_PLACES),
        },
    )
    found = {place: dict(_NOBODY) for place in _PLACES}
    for place, row in zip(_PLACES, rows, strict=False):
        found[place] = {"phone": row["phone"], "customer_id": row["customer_id"], "name": row["name"]}
    return {"count": len(rows), **found}


# The technician of the visit says which skills fit; where nobody is assigned any more, all do.
_STATEMENT: Final = """
with freed as (
  select a.st_id, l.zone_id, l.customer_id, (
      select array_agg(lower(s)) from {technicians} t, unnest(t.skills) s
      where t.tenant_id = a.tenant_id and t.st_id = any(a.technician_ids)) as skills,
    exists (select from {technicians} t where t.tenant_id = a.tenant_id
      and t.st_id = any(a.technician_ids)) as known
  from {appointments} a
  left join {jobs} j on j.tenant_id = a.tenant_id and j.st_id = a.job_id
  left join {locations} l on l.tenant_id = j.tenant_id and l.st_id = j.location_id
  where a.tenant_id = %(tenant)s and a.st_id = %(appointment)s
), due as (
  select distinct on (m.customer_id) m.customer_id, c.name, l.zone_id, v.due_on, v.st_id, l.st_id as place
  from {recurring_service_events} v
  join {memberships} m on m.tenant_id = v.tenant_id and m.st_id = v.membership_id
  join {recurring_services} r on r.tenant_id = v.tenant_id and r.st_id = v.recurring_service_id
  join {locations} l on l.tenant_id = v.tenant_id and l.st_id = r.location_id
  join {customers} c on c.tenant_id = v.tenant_id and c.st_id = m.customer_id
  left join {job_types} k on k.tenant_id = v.tenant_id and k.st_id = r.job_type_id
  cross join freed f
  where v.tenant_id = %(tenant)s and v.deleted_at is null and v.status in ('NotAttempted', 'Unreachable')
    and v.job_id is null and v.due_on between %(today)s - 60 and %(today)s + %(ahead)s
    and m.deleted_at is null and m.status = 'Active'
    and c.deleted_at is null and c.active and c.merged_to_id is null and c.do_not_service is not true
    and (%(only)s::bigint is null or m.customer_id = %(only)s)
    and l.deleted_at is null and m.customer_id is distinct from f.customer_id
    and (f.zone_id is null or l.zone_id is null or l.zone_id = f.zone_id)
    and (not f.known or not exists (
      select from unnest(k.skills) s where lower(s) <> all(coalesce(f.skills, '{{}}'))))
    and not exists (
      select from {jobs} j join {appointments} a on a.tenant_id = j.tenant_id and a.job_id = j.st_id
      where j.tenant_id = v.tenant_id and j.customer_id = m.customer_id and j.deleted_at is null
        and j.job_status not in ('Completed', 'Canceled') and a.deleted_at is null
        and a.status <> 'Canceled' and a.start_time >= %(now)s)
    and not exists (
      select from {messages} x where x.tenant_id = v.tenant_id and x.customer_id = m.customer_id
        and x.workflow = %(workflow)s and not x.shadow and x.sent_at > %(recent)s)
  order by m.customer_id, v.due_on
)
select d.customer_id, d.name, p.phone
from due d cross join freed f
cross join lateral (
  select phone from (
    select cc.phone, cc.contact_type, 1 as rank from {location_contacts} cc
    where cc.tenant_id = %(tenant)s and cc.location_id = d.place and cc.deleted_at is null
      and cc.phone is not null and cc.do_not_text is not true
    union all
    select cc.phone, cc.contact_type, 2 from {customer_contacts} cc
    where cc.tenant_id = %(tenant)s and cc.customer_id = d.customer_id and cc.deleted_at is null
      and cc.phone is not null and cc.do_not_text is not true
  ) every where contact_type = 'MobilePhone' order by rank, phone limit 1
) p
order by (d.zone_id is not distinct from f.zone_id) desc, d.due_on, d.customer_id
limit %(most)s"""
