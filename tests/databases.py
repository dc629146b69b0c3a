"""Databases for single tests."""

from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from perfectcatch.store.server.embedded import Server


class new_database:  # noqa: N801 - used like a function
    """Create a database, optionally as a copy of ``template``; the context gives its URL."""

    def __init__(self, server: Server, template: str | None = None) -> None:
        self.server, self.template, self.name = server, template, f"test_{uuid4().hex[:12]}"

    async def __aenter__(self) -> str:
        like = f" template {self.template}" if self.template else ""
        await self._execute(f"create database {self.name}{like} strategy file_copy")
        parts = urlsplit(self.server.url)
        return urlunsplit(parts._replace(path=f"/{self.name}"))

    async def __aexit__(self, *_: object) -> None:
        await self._execute(f"drop database {self.name} with (force)")

    async def _execute(self, statement: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.server.url, autocommit=True) as connection:
            await connection.execute(statement)
