"""A real server on a filled mirror, once a session; keys of every kind."""

import asyncio
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from acceptance.conftest import COMMAND, Product, Sandbox, start_sandbox
from databases import new_database
from perfectcatch.store import keys
from perfectcatch.store.pool import open_pool
from perfectcatch.store.server.embedded import Server

WEBHOOK_SECRET = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """The server, its vendor, its database, and keys by name."""

    url: str
    product: Product
    sandbox: Sandbox
    keys: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, *, key: str | None = "admin", body: bytes | None = None, **headers: str
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Authorization"] = f"Bearer {self.keys.get(key, key)}"
        request = urllib.request.Request(self.url + path, body, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def get(self, path: str, **more: Any) -> Any:
        answer = self.ask("GET", path, **more)
        assert answer.status == 200, answer.body
        return answer.json


@contextmanager
def served(product: Product, **settings: str) -> Iterator[str]:
    """A server of its own; its address."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--json"],
        env=product.environment | settings,
        stdout=subprocess.PIPE,
        cwd="/",
        text=True,
        start_new_session=True,  # Linux shares the processor among sessions: the tests are one of their own
    )
    try:
        assert process.stdout is not None
        said = ""
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "the server ended"
            said += line
        yield json.loads(said)["url"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def make_key(product: Product, *words: str) -> str:
    made = product.run("--json", "key", "create", *words)
    assert made.returncode == 0, made.stderr
    return str(json.loads(made.stdout)["key"])


async def make_keys(api: Api, url: str) -> None:
    """A key for each scope, one that has expired and one that was revoked."""
    tenant_id = int(api.sandbox.settings["SERVICE_TITAN_TENANT_ID"])
    async with open_pool(url, max_size=2) as pool:
        for scope in ("read", "write", "send", "workflow", "admin"):
            _, api.keys[scope] = await keys.create(pool, tenant_id, name=scope, scopes=[scope], per_second=0)
        past = datetime(2020, 1, 1, tzinfo=UTC)
        _, api.keys["expired"] = await keys.create(
            pool, tenant_id, name="expired", scopes=["admin"], expires_at=past
        )
        key, api.keys["revoked"] = await keys.create(pool, tenant_id, name="revoked", scopes=["admin"])
        assert await keys.revoke(pool, tenant_id, key.prefix)


@pytest.fixture(scope="session")
async def api(database: Server) -> AsyncIterator[Api]:
    """A server for tests that change nothing that others look at."""
    process, sandbox = start_sandbox("--customers", "60", "--rate", "100000")
    with process:
        try:
            async with new_database(database) as url:
                settings = sandbox.settings | {"SERVICE_TITAN_WEBHOOK_SECRET": WEBHOOK_SECRET}
                product = Product(url, settings)
                api = Api("", product, sandbox)
                filled = await asyncio.to_thread(product.run, "sync", "full", "--json")
                assert filled.returncode == 0, filled.stderr
                await make_keys(api, url)
                with served(product) as api.url:
                    await asyncio.to_thread(until_healthy, api.url)
                    yield api
        finally:
            process.terminate()


def until_healthy(url: str) -> None:
    """The socket takes connections from the beginning; the answer comes when the server has started."""
    with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:
        assert answer.status == 200
