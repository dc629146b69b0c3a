"""What a record that comes back was when it was last there.

Of what changed while it was gone nothing was told, so its events compare it with the last version that lived.
"""

from perfectcatch.model.entity import Entity
from perfectcatch.store.merging import detect, extract
from perfectcatch.store.merging.extract import literal
from perfectcatch.store.names import HISTORY, quote


def statement_of(entity: Entity) -> str:
    """Put what the record was into ``plan.old``, in the columns that events look at, or mark it unseen."""
    looked_at = detect.columns_of(entity.transitions)
    pairs = [pair for pair in extract.columns_of(entity, "h.full_data") if pair[0] in map(quote, looked_at)]
    listed = ", ".join(f"{value} as {name}" for name, value in pairs)
    columns = f"(select to_jsonb(columns_of) from (select {listed}) columns_of)" if pairs else "'{}'::jsonb"
    return f"""
update plan p set unseen = was.columns is null, old = p.old || coalesce(was.columns, '{{}}')
from plan gone left join lateral (
  select {columns} as columns from {HISTORY} h
  where h.tenant_id = %(tenant)s and h.entity = {literal(entity.name)} and h.st_id = gone.st_id
    and h.deleted_at is null
  order by h.revision desc limit 1
) was on true
where gone.kind = 'c' and gone.old->>'deleted_at' is not null and p.kind = 'c' and p.st_id = gone.st_id"""
