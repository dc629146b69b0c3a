"""Lists of messages, and of what the decisions go by, as JSON that PostgreSQL writes; by keyset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from perfectcatch.store.names import (
    ADDRESSES,
    CONSENTS,
    MESSAGE_HOLDS,
    MESSAGES,
    OPT_OUTS,
    RECEIVED,
    TEMPLATES,
)
from perfectcatch.store.reading.reads import Reads

# A table for each list, and the columns that are told.
_TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "messages": (
        MESSAGES,
        """id, intent_key, channel, purpose, status, reason, sentence, customer_id, location_id, recipient,
        address, subject, body, template, workflow, instance_id, step, asked_by, shadow, held, released_by,
        attempts, vendor_id, vendor_code, segments, cost, until, asked_at, decided_at, sent_at, updated_at""",
    ),
    "consents": (
        CONSENTS,
        """id, customer_id, channel, address, purpose, given, source, wording, evidence, given_at,
        recorded_by, recorded_at""",
    ),
    "opt_outs": (
        OPT_OUTS,
        """id, channel, address, customer_ids, covers, source, wording, received_id, message_id, since,
        recorded_by, ended_at, ended_by""",
    ),
    "holds": (
        MESSAGE_HOLDS,
        "id, kind, name, reason, sentence, created_at, decided_at, decided_by, decision, allowed",
    ),
    "received": (
        RECEIVED,
        """id, channel, sender, recipient, body, customer_ids, meaning, received_at, stored_at, needs_person,
        decided_at, decided_by, decision""",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows. ``equal`` by column, ``any_of`` one of several, ``conditions`` constants of ours."""

    equal: Mapping[str, Any] = field(default_factory=dict)
    any_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    conditions: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    newest_first: bool = True
    after: int | None = None
    limit: int = 100


async def listed(
    reads: Reads,
    tenant_id: int,
    table: str,
    wanted: Wanted,
    as_of: datetime | None,
    *,
    tables: Mapping[str, tuple[str, str]] = _TABLES,
) -> bytes:
    """A page of ``table``: ``{"data_as_of": ..., "data": [...], "next": ...}``."""
    relation, columns = tables[table]
    direction, beyond = ("desc", "<") if wanted.newest_first else ("asc", ">")
    where = ["tenant_id = %(tenant)s", *wanted.conditions]
    where += [f"{name} = %({name})s" for name, value in wanted.equal.items() if value is not None]
    where += [f"{name} = any(%({name})s)" for name, values in wanted.any_of.items() if values]
    if wanted.after is not None:
        where.append(f"id {beyond} %(after)s")
    values = {
        **wanted.equal,
        **{name: list(each) for name, each in wanted.any_of.items()},
        **wanted.values,
        "tenant": tenant_id,
        "after": wanted.after,
        "limit": wanted.limit,
        "as_of": as_of,
    }
    statement = f"""
with page as materialized (
  select row_number() over (order by id {direction}) as place, id, row_to_json(found) as record
  from (select {columns} from {relation} where {" and ".join(where)}
    order by id {direction} limit %(limit)s + 1) found
)
select json_build_object('data_as_of', %(as_of)s::timestamptz,
  'data', coalesce(json_agg(record order by place) filter (where place <= %(limit)s), '[]'::json),
  'next', case when count(*) > %(limit)s then (max(id) filter (where place = %(limit)s))::text end)
from page"""
    return await reads.json(statement, values) or b""


async def one(reads: Reads, tenant_id: int, table: str, row_id: int) -> bytes | None:
    """A row of ``table``; of a message its texts and data too."""
    relation, columns = _TABLES[table]
    more = ", html, data" if table == "messages" else ""
    return await reads.json(
        f"""
        select row_to_json(found)
        from (select {columns}{more} from {relation} where tenant_id = %s and id = %s) found
        """,
        (tenant_id, row_id),
    )


async def addresses(reads: Reads, tenant_id: int, as_of: datetime | None) -> bytes:
    """Addresses that take no messages, the newest first, at most a thousand."""
    statement = f"""
select json_build_object('data_as_of', %s::timestamptz,
  'data', coalesce(json_agg(found order by since desc), '[]'::json), 'next', null)
from (select channel, address, trouble, code, since from {ADDRESSES}
  where tenant_id = %s order by since desc limit 1000) found"""
    return await reads.json(statement, (as_of, tenant_id)) or b""


async def templates(reads: Reads, tenant_id: int, as_of: datetime | None) -> bytes:
    """Every template in its newest version."""
    statement = f"""
select json_build_object('data_as_of', %s::timestamptz,
  'data', coalesce(json_agg(found order by name), '[]'::json), 'next', null)
from (select distinct on (name) name, version, does, channel, purpose, language, subject, body, html,
    fallbacks, active, written_by, written_at
  from {TEMPLATES} where tenant_id = %s order by name, version desc) found"""
    return await reads.json(statement, (as_of, tenant_id)) or b""
