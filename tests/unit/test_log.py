"""The log: one formatter for everybody, and no secret on any line."""

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from perfectcatch.kit import log
from perfectcatch.kit.log import Redactor, scrub

SECRET = "s3cr3t-value"


@pytest.fixture(autouse=True)
def _undo_configuration() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("perfectcatch")
    before = (list(root.handlers), root.level, ours.level)
    yield
    root.handlers, root.level, ours.level = before[0], before[1], before[2]
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def ours() -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger("perfectcatch.somewhere")


def test_a_json_line_holds_event_values_and_context(stream: io.StringIO):
    log.configure(style="json", stream=stream)
    with log.context(run_id="r1", entity="jobs"):
        ours().info("page read", records=500)
    ours().info("done")
    first, second = lines(stream)
    assert first["event"] == "page read"
    assert (first["records"], first["run_id"], first["entity"]) == (500, "r1", "jobs")
    assert (first["level"], first["logger"]) == ("info", "perfectcatch.somewhere")
    assert str(first["timestamp"]).endswith("Z")
    assert "run_id" not in second


async def test_context_stays_in_its_task(stream: io.StringIO):
    log.configure(style="json", stream=stream)

    async def run(entity: str) -> None:
        with log.context(entity=entity):
            await asyncio.sleep(0)
            ours().info("page read", said=entity)

    await asyncio.gather(run("jobs"), run("customers"))
    assert [line["entity"] for line in lines(stream)] == [line["said"] for line in lines(stream)]


def test_a_console_line_is_for_a_person(stream: io.StringIO):
    log.configure(stream=stream)
    ours().info("page read", records=500)
    assert "page read" in stream.getvalue()
    assert "records=500" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("style", ["console", "json"])
def test_no_secret_reaches_a_line(style: log.Style, stream: io.StringIO):
    log.configure(style=style, stream=stream, secrets=[SECRET])
    error = RuntimeError(f"the vendor said no to {SECRET}")
    ours().info("a", value=SECRET, nested={"deep": [SECRET, SecretStr(SECRET)]}, error=error)
    ours().info(f"in the event {SECRET}")
    ours().info(
        "by key", client_secret="other", headers={"Authorization": "Bearer other", "ST-App-Key": "other"}
    )
    ours().warning("positional %s", SECRET)
    logging.getLogger("aiohttp.client").warning("address %s", "postgresql://me:other@host/db")
    try:
        try:
            raise error
        except RuntimeError as cause:
            raise ValueError("postgresql://me:other@host/db") from cause
    except ValueError:
        ours().exception("failed", kept="this")
        logging.getLogger("procrastinate").exception("failed there")
    written = stream.getvalue()
    assert SECRET not in written
    assert "other" not in written
    assert written.count("Traceback") == 4
    assert "this" in written


def test_libraries_are_heard_from_warnings_on_and_fully_at_debug(stream: io.StringIO):
    log.configure(style="json", stream=stream)
    logging.getLogger("procrastinate").info("chatter")
    ours().debug("detail")
    ours().info("ours")
    assert [line["event"] for line in lines(stream)] == ["ours"]
    log.configure(level="debug", style="json", stream=stream)
    logging.getLogger("procrastinate").info("chatter")
    ours().debug("detail")
    assert [line["event"] for line in lines(stream)] == ["ours", "chatter", "detail"]


def test_configuring_again_replaces_and_does_not_double(stream: io.StringIO):
    log.configure(style="json", stream=io.StringIO())
    log.configure(style="json", stream=stream)
    ours().info("once")
    assert len(lines(stream)) == 1


def test_stdout_stays_free(capsys: pytest.CaptureFixture[str]):
    log.configure(style="json")
    ours().error("to stderr")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "to stderr" in captured.err


def test_warnings_are_logged(stream: io.StringIO):
    log.configure(style="json", stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old habit", stacklevel=1)
    assert "old habit" in str(lines(stream)[0]["event"])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://me:pa@ss:w@host:5432/db", "postgresql://me:[hidden]@host:5432/db"),
        ("redis://:word@host/0 and more", "redis://:[hidden]@host/0 and more"),
        ("https://api.example/a?b=c:d@e", "https://api.example/a?b=c:d@e"),
        ('{"access_token": "eyJ", "expires_in": 900}', '{"access_token": [hidden], "expires_in": 900}'),
        ("grant_type=x&client_secret=abc&more=1", "grant_type=x&client_secret=[hidden]&more=1"),
        ("ST-App-Key: ak1.abc", "ST-App-Key: [hidden]"),
        ("password='two words' host=h", "password=[hidden] host=h"),
        ("nothing to hide: 3 of 5", "nothing to hide: 3 of 5"),
        ("the token of the feed came again", "the token of the feed came again"),
    ],
)
def test_text_is_scrubbed(text: str, clean: str):
    assert scrub(text) == clean


@pytest.mark.parametrize("text", ["Authorization: Bearer abc.def", "{'Authorization': 'Bearer abc.def'}"])
def test_an_access_token_is_hidden(text: str):
    assert "abc" not in scrub(text)


def test_a_place_in_a_feed_is_no_secret():
    redactor = Redactor()
    assert redactor.under("continuation_token", "abc") == "abc"
    assert redactor.under("access_token", "abc") == "[hidden]"
    assert redactor.under("access_token", None) is None
    assert redactor.under("token", "abc") == "[hidden]"


def test_longer_secrets_are_masked_before_those_inside_them():
    assert Redactor(["abcd", "abcd-efgh"]).text("x abcd-efgh y abcd z") == "x [hidden] y [hidden] z"
    assert Redactor(["a"]).text("a banana") == "a banana"
