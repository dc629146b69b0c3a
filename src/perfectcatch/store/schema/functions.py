"""Our SQL functions: conversions that a typed column needs, created anew by every migration.

They are immutable, and short enough for the planner to put in place of the call.
"""

from typing import Final

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
