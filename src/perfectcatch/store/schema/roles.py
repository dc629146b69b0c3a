"""The role as which everything but a migration works: it changes rows, and nothing of the shape.

A migration creates the role where its login may, and gives it what each table needs: what tells who did
what can be added to and never altered or removed. How others work as it: ``store.acting``.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.errors import DuplicateObject, InsufficientPrivilege, UniqueViolation

from perfectcatch.model.entity import Entity
from perfectcatch.store.acting import known
from perfectcatch.store.jobs.schema import TABLES as JOB_TABLES
from perfectcatch.store.names import AUTOMATION, MIRROR, PUBLIC, SCHEMAS, qualified, quote, split
from perfectcatch.store.pool import Pool
from perfectcatch.store.schema.compare import relation
from perfectcatch.store.schema.functions import OWNERS
from perfectcatch.store.schema.gathered import gathered_views
from perfectcatch.store.schema.mirror_tables import mirror_metadata
from perfectcatch.store.schema.tables import metadata
from perfectcatch.store.schema.views import VIEWS

_LOOK: Final = ("SELECT",)
_ADD: Final = ("SELECT", "INSERT")
_CHANGE: Final = ("SELECT", "INSERT", "UPDATE")
_ALL: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_ANALYZE: Final = "MAINTAIN"  # a right of its own since PostgreSQL 17; before, only the owner may
_LESS: Final[Mapping[str, tuple[str, ...]]] = {
    f"{MIRROR}.alembic_version": _LOOK,
    f"{MIRROR}.mirror_migrations": _LOOK,
    f"{MIRROR}.suspended_indexes": _LOOK,
    f"{PUBLIC}.job_engine_versions": _LOOK,
    f"{MIRROR}.record_history": _ADD,
    f"{AUTOMATION}.audit_log": _ADD,
    f"{AUTOMATION}.events": _ADD,
    f"{AUTOMATION}.messaging_consents": _ADD,
    f"{AUTOMATION}.api_keys": _CHANGE,
    f"{AUTOMATION}.approvals": _CHANGE,
    f"{AUTOMATION}.messaging_log": _CHANGE,
    f"{AUTOMATION}.messaging_opt_outs": _CHANGE,
    f"{AUTOMATION}.messaging_received": _CHANGE,
    f"{AUTOMATION}.workflow_step_executions": _CHANGE,
}

_PG17: Final = 170000
_GIVEN: Final[LiteralString] = """
select n.nspname || '.' || c.relname, c.oid, c.relkind in ('v', 'm'),
  array(select a.privilege_type from aclexplode(c.relacl) a where a.grantee = to_regrole(%(role)s)::oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any(%(schemas)s) and c.relkind in ('r', 'p', 'v', 'm') order by 1
"""
_SEQUENCES: Final[LiteralString] = """
select quote_ident(n.nspname) || '.' || quote_ident(s.relname)
from pg_depend d join pg_class s on s.oid = d.objid join pg_namespace n on n.oid = s.relnamespace
where d.classid = 'pg_class'::regclass and d.refobjid = any(%(tables)s) and d.deptype = 'a'
  -- In this order: the question is an error for what is no sequence.
  and case when s.relkind = 'S' then not has_sequence_privilege(%(role)s, s.oid, 'USAGE') end
order by 1
"""
_WHOLE: Final[LiteralString] = """
select 'temporary on database ' || quote_ident(current_database())
where not has_database_privilege(%(role)s, current_database(), 'TEMPORARY')
union all
select 'usage on schema ' || quote_ident(n.nspname) from pg_namespace n
where n.nspname = any(%(schemas)s) and not has_schema_privilege(%(role)s, n.oid, 'USAGE')
"""
_CALLS: Final[LiteralString] = """
select f.written from unnest(%(functions)s::text[]) f(written)
where to_regprocedure(f.written) is not null
  and not has_function_privilege(%(role)s, to_regprocedure(f.written), 'EXECUTE')
"""
_POWERS: Final[LiteralString] = """
select 'it is a superuser' from pg_roles where rolname = %(role)s and rolsuper
union all
select 'it may create tables in the schema ' || n.nspname from pg_namespace n
where n.nspname = any(%(schemas)s) and has_schema_privilege(%(role)s, n.oid, 'CREATE')
union all
select 'it may create schemas' where has_database_privilege(%(role)s, current_database(), 'CREATE')
union all
select 'it acts for the owner of ' || count(*) || ' tables' from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any(%(schemas)s) and c.relkind in ('r', 'p')
  and pg_has_role(%(role)s, c.relowner, 'MEMBER')
having count(*) > 0
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """As whom processes work. ``powers`` over the shape should be empty, and so should what it ``lacks``."""

    name: str
    is_login: bool
    powers: tuple[str, ...]
    lacks: tuple[str, ...]


async def prepare(connection: AsyncConnection[Any], entities: Iterable[Entity], role: str) -> list[str]:
    """Create ``role`` where our login may, and give it exactly its rights; a sentence for what was done.

    ``connection`` is that of the owner, in autocommit mode. Where the login may not create roles, the log
    says what an administrator should do, and nothing else happens.
    """
    found = await known(connection, role)
    if found.login == role:  # who owns everything lacks nothing
        return []
    done = []
    if not found.exists:
        if not await _tried(connection, f"create role {quote(role)} nologin"):
            log.warning(
                "the role that cannot change tables could not be created, so all work is done by the login: "
                "let an administrator create it and grant it to the login, then migrate again",
                role=role,
            )
            return []
        done.append(f"created role {role}")
        found = await known(connection, role)
    if not found.ours and not await _tried(connection, f"grant {quote(role)} to current_user"):
        log.warning("the login may not take on the role: grant it to the login", role=role)
    async with connection.transaction():
        statements = [each async for each in _missing(connection, entities, role)]
        for statement in statements:
            await connection.execute(statement.encode())
    return [*done, f"gave {role} its rights"] if statements else done


async def standing(pool: Pool, entities: Iterable[Entity], role: str) -> Standing:
    """As whom processes of this login work, and whether that one could change the shape of the database."""
    async with pool.connection() as connection:
        found = await known(connection, role)
        name = role if found.usable else found.login
        rows = await connection.execute(_POWERS, {"role": name, "schemas": _schemas(entities)})
        powers = tuple(row[0] for row in await rows.fetchall())
        lacks = tuple([each async for each in _missing(connection, entities, role)]) if found.usable else ()
    return Standing(name, is_login=name == found.login, powers=powers, lacks=lacks)


async def _tried(connection: AsyncConnection[Any], statement: str) -> bool:
    try:
        await connection.execute(statement.encode())
    except (DuplicateObject, UniqueViolation):  # another database of this server was migrated just now
        return True
    except InsufficientPrivilege:
        return False
    except psycopg.errors.InternalError_ as error:
        if "concurrently" not in str(error):
            raise
        return await _tried(connection, statement)
    return True


async def _missing(
    connection: AsyncConnection[Any], entities: Iterable[Entity], role: str
) -> AsyncIterator[str]:
    """The statements that lead from the rights that ``role`` has to those that it should have."""
    declared = tuple(entities)
    schemas, who = _schemas(declared), quote(role)
    values = {"role": role, "schemas": schemas}
    for (right,) in await (await connection.execute(_WHOLE, values)).fetchall():
        yield f"grant {right} to {who}"
    wanted = _Wanted(declared, can_analyze=connection.info.server_version >= _PG17)
    grants: dict[tuple[str, ...], list[str]] = {}
    revokes: dict[tuple[str, ...], list[str]] = {}
    ours = []
    for name, oid, is_view, given in await (await connection.execute(_GIVEN, values)).fetchall():
        rights = wanted.of(name, is_view=is_view)
        if rights is None:
            continue
        ours.append(oid)
        if more := tuple(each for each in rights if each not in given):
            grants.setdefault(more, []).append(qualified(name))
        if less := tuple(sorted(each for each in given if each not in rights)):
            revokes.setdefault(less, []).append(qualified(name))
    for rights, tables in revokes.items():
        yield f"revoke {', '.join(rights)} on {', '.join(tables)} from {who}"
    for rights, tables in grants.items():
        yield f"grant {', '.join(rights)} on {', '.join(tables)} to {who}"
    found = await connection.execute(_SEQUENCES, {"role": role, "tables": ours})
    if sequences := [row[0] for row in await found.fetchall()]:
        yield f"grant usage on sequence {', '.join(sequences)} to {who}"
    found = await connection.execute(_CALLS, {"role": role, "functions": list(OWNERS)})
    if functions := [row[0] for row in await found.fetchall()]:
        yield f"grant execute on function {', '.join(functions)} to {who}"


class _Wanted:
    """Which rights each of our tables and views should give; others are none of our business."""

    def __init__(self, entities: tuple[Entity, ...], *, can_analyze: bool) -> None:
        self._of_records = {".".join(split(each.table)) for each in entities}
        self._records = (*_CHANGE, _ANALYZE) if can_analyze else _CHANGE
        self._public = {*(f"{PUBLIC}.{name}" for name in JOB_TABLES), *_in_public(entities)}

    def of(self, name: str, *, is_view: bool) -> tuple[str, ...] | None:
        """The rights on ``schema.name``; None where it is not ours."""
        if name.startswith(f"{PUBLIC}.") and name not in self._public:
            return None
        if is_view:
            return _LOOK
        return self._records if name in self._of_records else _LESS.get(name, _ALL)


def _in_public(entities: tuple[Entity, ...]) -> Iterator[str]:
    yield from (relation(table) for table in metadata.tables.values())
    yield from (relation(table) for table in mirror_metadata(entities).tables.values())
    yield from (view.relation for view in (*VIEWS, *gathered_views(entities)))


def _schemas(entities: Iterable[Entity]) -> list[str]:
    return sorted({*SCHEMAS, PUBLIC, *(split(entity.table)[0] for entity in entities)})
