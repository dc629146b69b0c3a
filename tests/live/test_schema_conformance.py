"""Schemathesis over ``/openapi.json`` of a real server: no server error, no answer unlike its description.

The document is cut by what answers: our own routes, the mirror's lists, and what is passed through.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from acceptance.conftest import Product, start_sandbox
from databases import new_database
from live.conftest import WEBHOOK_SECRET, Api, make_keys, served, until_healthy
from perfectcatch.store.server.embedded import Server

SEED = 4711
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
STREAM = "/api/monitor/events"  # its answer never ends; test_live.py listens to it
FEW_LISTS = {"/db/tag-types", "/db/tag-types/{st_id}", "/db/employees/{st_id}"}
EVERY_SO_MANY = 60  # of the operations that are passed through
PARTS = 8  # of these operations, for who runs the whole document: an hour or two together
Wanted = Callable[[str, str, dict[str, Any]], bool]


@pytest.fixture(scope="module")
async def target(database: Server) -> AsyncIterator[Api]:
    """A server of its own: what is sent to it changes whatever it can."""
    process, sandbox = start_sandbox("--customers", "20", "--rate", "100000")
    with process:
        try:
            async with new_database(database) as url:
                more = {"SERVICE_TITAN_WEBHOOK_SECRET": WEBHOOK_SECRET}
                product = Product(url, sandbox.settings | more)
                api = Api("", product, sandbox)
                filled = await asyncio.to_thread(product.run, "sync", "full", "--json")
                assert filled.returncode == 0, filled.stderr
                await make_keys(api, url)
                with served(product) as api.url:
                    await asyncio.to_thread(until_healthy, api.url)
                    yield api
        finally:
            process.terminate()


def cut(document: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    paths = {
        path: {method: entry for method, entry in item.items() if wanted(path, method, entry)}
        for path, item in document["paths"].items()
        if path != STREAM
    }
    return {**document, "paths": {path: item for path, item in paths.items() if item}}


def one_type_each(value: Any) -> Any:
    """The same schema with every list of types spelled as alternatives.

    Where such a list stands below ``anyOf``, the tool's search for what follows from what (4.32.5) ends
    with an error of its own.
    """
    if isinstance(value, list):
        return [one_type_each(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: one_type_each(each) for name, each in value.items()}
    types = inner.get("type")
    if not isinstance(types, list) or not all(isinstance(each, str) for each in types):
        return inner
    del inner["type"]
    said = {
        name: inner.pop(name) for name in ("title", "description", "default", "readOnly") if name in inner
    }
    ways = [{"type": each} if each == "null" else {"type": each, **inner} for each in types]
    return {**said, "anyOf": ways}


def passed_once(path: str, method: str, entry: dict[str, Any], seen: set[str]) -> bool:
    """Whether this is the first route to an operation of the vendor; the others are aliases of it."""
    name = entry.get("x-operation")
    if name is None or name in seen:
        return False
    seen.add(name)
    return True


def conforms(api: Api, document: dict[str, Any], where: Path, *words: str) -> None:
    assert document["paths"]
    (where / "openapi.json").write_text(json.dumps(one_type_each(document)))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", api.url),
            *("--header", f"Authorization: Bearer {api.keys['admin']}"),
            *("--seed", str(SEED), "--generation-database", "none", "--no-shrink"),
            *("--request-timeout", "90", "--checks", ",".join(CHECKS), *words),
        ],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
    (where / "said.txt").write_text(done.stdout)  # how many operations and requests
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_of_the_document_leads_somewhere(target: Api) -> None:
    document = target.get("/openapi.json", key=None)
    for reference in sorted(set(references(document))):
        at: Any = document
        for step in reference.removeprefix("#/").split("/"):
            at = at.get(step.replace("~1", "/").replace("~0", "~"), {})
        assert at, f"{reference} leads nowhere"


def test_the_page_of_the_document_needs_no_other_host(target: Api) -> None:
    answer = target.ask("GET", "/docs", key=None)
    assert answer.status == 200
    assert not re.search(rb"(?:src|href)=[\"']?(?:https?:)?//", answer.body)
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_some_of_each_kind_of_route(target: Api, tmp_path: Path) -> None:
    document = target.get("/openapi.json", key=None)
    seen: set[str] = set()

    def wanted(path: str, method: str, entry: dict[str, Any]) -> bool:
        if "x-operation" not in entry:
            return not path.startswith("/db/") or path in FEW_LISTS
        if "/reporting/" in path:  # a few reports a minute, and who asks for more waits
            return False
        return passed_once(path, method, entry, seen) and len(seen) % EVERY_SO_MANY == 0

    conforms(target, cut(document, wanted), tmp_path, "--phases", "fuzzing", "--max-examples", "3")


@pytest.mark.reliability
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", ["own", "mirror"])
def test_the_whole_document(target: Api, tmp_path: Path, kind: str) -> None:
    def wanted(path: str, method: str, entry: dict[str, Any]) -> bool:
        return "x-operation" not in entry and path.startswith("/db/") == (kind == "mirror")

    cut_out = cut(target.get("/openapi.json", key=None), wanted)
    words = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "10", "--workers", "2")
    conforms(target, cut_out, tmp_path, *words)


@pytest.mark.reliability
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", [*range(PARTS), "aliases"])
def test_the_whole_document_passed_on(target: Api, tmp_path: Path, part: int | str) -> None:
    """Every operation in every way, and by every other path that leads to it a few times.

    Its look for states is left out: nothing in the vendor's documents says what follows from what.
    """
    seen: set[str] = set()

    def wanted(path: str, method: str, entry: dict[str, Any]) -> bool:
        if "/reporting/" in path or "x-operation" not in entry:  # few reports a minute: who asks more waits
            return False
        first = passed_once(path, method, entry, seen)
        return not first if part == "aliases" else first and len(seen) % PARTS == part

    cut_out = cut(target.get("/openapi.json", key=None), wanted)
    ways = ("examples,fuzzing", "2") if part == "aliases" else ("examples,coverage,fuzzing", "10")
    # Two of its workers read a source at once, which Python 3.11's parser does not take.
    words = ("--phases", ways[0], "--max-examples", ways[1], "--workers", "1")
    conforms(target, cut_out, tmp_path, *words)
