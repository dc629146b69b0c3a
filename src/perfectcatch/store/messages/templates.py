"""Templates that people write; every version stays, the newest counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from perfectcatch.store.messages.log import lock
from perfectcatch.store.names import MESSAGE_RULES, TEMPLATES
from perfectcatch.store.pool import Connection, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A version of a template."""

    name: str
    version: int
    does: str
    channel: str
    purpose: str
    language: str
    subject: str | None
    body: str
    html: str | None
    fallbacks: Mapping[str, str]
    active: bool


async def current(pool: Pool, tenant_id: int, name: str) -> Template | None:
    """The newest version of a template."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Template)) as cursor:
        await cursor.execute(
            f"""
            select name, version, does, channel, purpose, language, subject, body, html, fallbacks, active
            from {TEMPLATES} where tenant_id = %s and name = %s order by version desc limit 1
            """,
            (tenant_id, name),
        )
        return await cursor.fetchone()


async def write(connection: Connection, tenant_id: int, template: Template, *, by: str, now: datetime) -> int:
    """Write a new version; its number. ``template.version`` does not matter."""
    await lock(connection, tenant_id, [f"template {template.name}"])
    stored = await connection.execute(
        f"""
        insert into {TEMPLATES} (tenant_id, name, version, does, channel, purpose, language, subject, body,
          html, fallbacks, active, written_by, written_at)
        select %(tenant)s, %(name)s, coalesce(max(version), 0) + 1, %(does)s, %(channel)s, %(purpose)s,
          %(language)s, %(subject)s, %(body)s, %(html)s, %(fallbacks)s, %(active)s, %(by)s, %(now)s
        from {TEMPLATES} where tenant_id = %(tenant)s and name = %(name)s
        returning version
        """,
        {
            "tenant": tenant_id,
            "name": template.name,
            "does": template.does,
            "channel": template.channel,
            "purpose": template.purpose,
            "language": template.language,
            "subject": template.subject,
            "body": template.body,
            "html": template.html,
            "fallbacks": Jsonb(dict(template.fallbacks)),
            "active": template.active,
            "by": by,
            "now": now,
        },
    )
    row = await stored.fetchone()
    assert row is not None
    return int(row[0])


async def set_rule(
    connection: Connection, tenant_id: int, name: str, value: Any, *, by: str, now: datetime
) -> None:
    """Change a rule of messages; None makes it as by default."""
    if value is None:
        await connection.execute(
            f"delete from {MESSAGE_RULES} where tenant_id = %s and name = %s", (tenant_id, name)
        )
        return
    await connection.execute(
        f"""
        insert into {MESSAGE_RULES} (tenant_id, name, value, changed_by, updated_at)
        values (%s, %s, %s, %s, %s)
        on conflict (tenant_id, name) do update set value = excluded.value,
          changed_by = excluded.changed_by, updated_at = excluded.updated_at
        """,
        (tenant_id, name, Jsonb(value), by, now),
    )
