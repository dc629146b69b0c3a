"""How a command ends, whatever happens in it."""

import asyncio
import json
import logging
import os
import signal

import pytest

from perfectcatch.cli.output import Output
from perfectcatch.cli.running import failed, run_command
from perfectcatch.errors import BadSetting, DatabaseUnavailable
from perfectcatch.kit.signals import until_told


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_work_in_order(number: signal.Signals, status: int) -> None:
    closed = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as caught:
        run_command(work())
    assert caught.value.code == status
    assert closed == [True]
    assert signal.getsignal(number) is before


def test_an_error_on_the_way_out_does_not_change_that() -> None:
    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            raise ExceptionGroup("many", [OSError("lost")])

    with pytest.raises(SystemExit) as caught:
        run_command(work())
    assert caught.value.code == 143


def test_a_second_ctrl_c_does_not_wait() -> None:
    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.1)

    with pytest.raises(SystemExit) as caught:
        run_command(work())
    assert caught.value.code == 130


def test_signals_work_again_after_somebody_had_his_own() -> None:
    async def work() -> None:
        async with until_told() as told:
            os.kill(os.getpid(), signal.SIGTERM)
            await told.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(60)

    with pytest.raises(SystemExit) as caught:
        run_command(work())
    assert caught.value.code == 143


def test_what_the_work_gives_comes_back() -> None:
    async def work() -> int:
        return 7

    assert run_command(work()) == 7


def said(capsys: pytest.CaptureFixture[str]) -> str:
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_an_error_of_ours_is_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(BadSetting("X is missing:\n set it.\x1b[2J")) == 2
    assert said(capsys) == "perfectcatch: X is missing: set it. [2J"


def test_the_first_of_a_group_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    inner = ExceptionGroup("inner", [DatabaseUnavailable("away"), BadSetting("later")])
    assert failed(ExceptionGroup("outer", [inner])) == 1
    assert said(capsys) == "perfectcatch: away"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("broken\nmore"),
        ExceptionGroup("many", [DatabaseUnavailable("away"), ValueError("broken\nmore")]),
    ],
)
def test_what_nobody_foresaw_is_one_sentence_too(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    with caplog.at_level(logging.DEBUG, "perfectcatch"):
        assert failed(error) == 1
    line = said(capsys)
    assert "something is wrong with the program itself: ValueError: broken more;" in line
    assert "LOG_LEVEL=debug" in line
    [record] = caplog.records
    assert record.levelno == logging.DEBUG
    assert record.exc_info is not None


def test_json_says_it_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Output, "json", True)
    assert failed(KeyError("postgresql://u:pa55word@h/d")) == 1
    printed = capsys.readouterr()
    told = json.loads(printed.out)["error"]
    assert told["type"] == "KeyError"
    assert told["message"] in printed.err
    assert "pa55word" not in printed.out + printed.err
