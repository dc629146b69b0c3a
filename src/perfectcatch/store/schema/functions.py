"""Our SQL functions, created anew by every migration.

Conversions that a typed column needs are immutable, and short enough for the planner to put in place of the
call. ``OWNERS`` act as the owner of the tables for who may do nothing to their shape: each does one thing.
"""

from typing import Final

from perfectcatch.store.indexes import DUE
from perfectcatch.store.names import schema_of_helpers

_SCHEMA = schema_of_helpers()

FUNCTIONS: Final = (
    # The North American plan: ten digits, or eleven with a leading 1. From an "x" on it is an extension.
    f"""
create or replace function {_SCHEMA}.phone_e164(written text) returns text
language sql immutable parallel safe as $$
  select case
    when written is null or strpos(written, '@') > 0 then null
    when length(digits) = 10 and digits ~ '^[2-9]' then '+1' || digits
    when length(digits) = 11 and digits ~ '^1[2-9]' then '+' || digits
    when written ~ '^\\s*\\+' and length(digits) between 8 and 15 then '+' || digits
    else nullif(digits, '')
  end
  from (
    select regexp_replace(split_part(split_part(lower(written), 'x', 1), 'e', 1), '\\D', '', 'g')
  ) as d(digits)
$$""",
    f"""
create or replace function {_SCHEMA}.first_name(name text) returns text
language sql immutable parallel safe as $$
  select nullif(trim(case when strpos(name, ',') > 0 then split_part(name, ',', 2)
    else split_part(trim(name), ' ', 1) end), '')
$$""",
    f"""
create or replace function {_SCHEMA}.last_name(name text) returns text
language sql immutable parallel safe as $$
  select nullif(trim(case when strpos(name, ',') > 0 then split_part(name, ',', 1)
    else substr(trim(name), strpos(trim(name) || ' ', ' ') + 1) end), '')
$$""",
)

# Nothing is put aside but what a migration has created by itself (its ledger says so), that refuses nothing,
# of a table without rows. What is put aside, and that it is, are one transaction. The lock is the first thing
# asked of the table and is not waited for: a migration that has read the table wants to change it next, and
# each would wait for the other.
_SUSPEND: Final = f"""
create or replace function {_SCHEMA}.suspend_indexes(wanted text, kept text[]) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
declare
  place text;
  number oid;
  found record;
  filled boolean;
  done integer := 0;
begin
  select c.oid, format('%I.%I', n.nspname, c.relname) into number, place
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname || '.' || c.relname = wanted and c.relkind = 'r'
    and exists (select from {_SCHEMA}.mirror_migrations m where m.relation = wanted);
  if number is null then
    return 0;
  end if;
  execute 'lock table ' || place || ' in access exclusive mode nowait';
  execute 'select exists (select from ' || place || ')' into filled;
  if filled then
    return 0;
  end if;
  for found in
    select x.relname as name, format('%I.%I', n.nspname, x.relname) as full_name,
      pg_get_indexdef(i.indexrelid) as definition
    from pg_index i join pg_class x on x.oid = i.indexrelid join pg_namespace n on n.oid = x.relnamespace
    where i.indrelid = number and i.indisvalid and not i.indisunique and not i.indisexclusion
      and not i.indisclustered and not i.indisreplident and x.reltablespace = 0
      and x.relname <> all (kept)
      and exists (
        select from {_SCHEMA}.mirror_migrations m where m.relation = wanted
          and strpos(m.statement, 'CREATE INDEX ' || quote_ident(x.relname) || ' ON ') > 0)
  loop
    insert into {_SCHEMA}.suspended_indexes (relation, name, definition)
    values (wanted, found.name, found.definition)
    on conflict (relation, name) do update
      set definition = excluded.definition, suspended_at = excluded.suspended_at,
        failed_at = null, error = null;
    execute 'drop index ' || found.full_name;
    done := done + 1;
  end loop;
  return done;
end
$$"""

# At most so many in one transaction, because who writes into the table waits for it; two at a time take
# different ones. What somebody has built meanwhile, or whose table is gone, is done. One that cannot be built
# is noted with its error and keeps no other back. Writers are waited for as long as the caller's lock_timeout
# says, before anything else is locked.
_RESTORE: Final = f"""
create or replace function {_SCHEMA}.restore_indexes(wanted text, most integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  place text;
  home text;
  found record;
  done integer := 0;
begin
  if not exists (select from {_SCHEMA}.suspended_indexes s where s.relation = wanted and {DUE}) then
    return 0;
  end if;
  select n.nspname, format('%I.%I', n.nspname, c.relname) into home, place
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname || '.' || c.relname = wanted and c.relkind = 'r';
  if place is not null then
    execute 'lock table ' || place || ' in share mode';
  end if;
  for found in
    select s.name, s.definition from {_SCHEMA}.suspended_indexes s where s.relation = wanted and {DUE}
    order by s.failed_at nulls first, s.name limit most
    for update of s skip locked
  loop
    begin
      if place is not null and to_regclass(format('%I.%I', home, found.name)) is null then
        execute found.definition;
      end if;
      delete from {_SCHEMA}.suspended_indexes s where s.relation = wanted and s.name = found.name;
    exception
      when lock_not_available or deadlock_detected then
        raise;
      when others then
        update {_SCHEMA}.suspended_indexes s set failed_at = now(), error = sqlerrm
        where s.relation = wanted and s.name = found.name;
    end;
    done := done + 1;
  end loop;
  return done;
end
$$"""

OWNERS: Final = (
    f"{_SCHEMA}.suspend_indexes(text, text[])",
    f"{_SCHEMA}.restore_indexes(text, integer)",
)
OWNERS_FUNCTIONS: Final = (
    _SUSPEND,
    _RESTORE,
    *(f"revoke all on function {each} from public" for each in OWNERS),
)
