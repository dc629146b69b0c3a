"""Every route by every credential: the matrix is made from the route table."""

from typing import Any

import pytest

from live.conftest import Api

OPEN = {"/health", "/openapi.json", "/docs", "/docs/oauth2-redirect"}
NOBODY = "00000000-0000-0000-0000-000000000000"
METHODS = ("get", "post", "put", "patch", "delete")


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, entry[method])
        for path, entry in document["paths"].items()
        for method in METHODS
        if method in entry
    ]


def filled(path: str) -> str:
    """The path with something in its places that fits no record."""
    parts = [
        "00000000-0000-0000-0000-000000000000"
        if part == "{run_id}"
        else "0"
        if part.startswith("{")
        else part
        for part in path.split("/")
    ]
    return "/".join(parts)


def test_every_route_by_every_credential(api: Api) -> None:
    document = api.get("/openapi.json", key=None)
    known = operations(document)
    assert len(known) >= 10
    for method, path, operation in known:
        scope = operation.get("x-required-scope", "missing")
        assert scope != "missing" or path in OPEN, f"{method} {path} does not say who may use it"
        if path in OPEN or scope in ("signature", "token"):
            continue
        assert operation["security"] == [{"apiKey": []}]
        where = filled(path)
        for key in (None, "nonsense", "pck_000000000000_wrong", "expired", "revoked"):
            assert api.ask(method, where, key=key).status == 401, (method, path, key)
        for name in ("read", "write", "send", "workflow"):
            if name != scope:
                assert api.ask(method, where, key=name).status == 403, (method, path, name)


def test_routes_without_a_key_answer(api: Api) -> None:
    assert api.ask("GET", "/health", key=None).json["status"] == "ok"
    assert api.ask("GET", "/docs", key=None).status == 200


def test_a_refusal_says_how_to_mend_it(api: Api) -> None:
    answer = api.ask("GET", "/health/detailed", key=None)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "perfectcatch key create" in answer.json["detail"]
    answer = api.ask("POST", "/api/sync/full", key="read")
    assert "'read' lacks the scope write" in answer.json["detail"]


def test_no_usable_key_is_in_the_database(api: Api) -> None:
    [(dump,)] = api.product.rows("select string_agg(k::text, ' ') from automation.api_keys k")
    for key in api.keys.values():
        assert key not in dump
        assert key.split("_", 2)[2] not in dump


def test_a_key_may_be_one_of_many_and_is_seen_to_be_used(api: Api) -> None:
    api.get("/health/detailed", key="read")
    [(used,)] = api.product.rows(
        "select last_used_at is not null from automation.api_keys where name = 'read'"
    )
    assert used


@pytest.mark.parametrize("words", [[], ["--scope", "all"], ["--scope", "read", "--expires", "tomorrow"]])
def test_a_wrong_key_is_not_made(api: Api, words: list[str]) -> None:
    assert api.product.run("key", "create", *words).returncode == 2


def test_revoking_what_is_not_there_fails(api: Api) -> None:
    done = api.product.run("key", "revoke", "pck_nothing")
    assert done.returncode == 1
    assert "no valid key" in done.stderr
