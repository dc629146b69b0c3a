"""How a command runs, and how it ends: in order when it is told to, in one sentence when it fails."""

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from perfectcatch.cli.output import Output, one_line, result
from perfectcatch.errors import PerfectCatchError

Result = TypeVar("Result")


def run_command(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's ``work``. Ctrl-C and SIGTERM cancel it, so that everything it opened is closed.

    The exit status is then 128 plus the signal's number, as shells count: 130 and 143. A second Ctrl-C does
    not wait for what the first one has asked to end.
    """
    import uvloop

    told: list[int] = []
    try:
        # Statements of a few rows, one after the other, are most of what commands do: with this loop an
        # incremental read takes a twelfth less.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_cancelled_by_signals(work, told))
    except BaseException:
        if told:
            raise SystemExit(128 + told[0]) from None
        raise


async def _cancelled_by_signals(work: Coroutine[Any, Any, Result], told: list[int]) -> Result:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end(number: int, _: FrameType | None) -> None:
        if told and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not told:
            told.append(number)
            loop.call_soon_threadsafe(task.cancel)  # wakes the loop, which may be waiting for a socket

    with _handled(end):
        return await work


@contextmanager
def _handled(handler: Any) -> Iterator[None]:
    """Not ``loop.add_signal_handler``, which would not be there again after somebody deeper had his own."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def failed(error: BaseException) -> int:
    """Tell what is wrong, in one sentence on stderr and as JSON if that is wanted; returns the exit status.

    The traceback of an error that nobody foresaw goes to the log, at its level ``debug``.
    """
    leaves = list(_leaves(error))
    unforeseen = next((each for each in leaves if not isinstance(each, PerfectCatchError)), None)
    if unforeseen is None:
        understood = leaves[0]
        assert isinstance(understood, PerfectCatchError)
        _tell(understood, one_line(str(understood)))
        return understood.exit_status
    from perfectcatch.kit.log import scrub

    said = one_line(scrub(f"{type(unforeseen).__name__}: {unforeseen}")).rstrip(": .")
    _tell(
        unforeseen,
        f"something is wrong with the program itself: {said}; set LOG_LEVEL=debug for the traceback",
    )
    logging.getLogger(__name__).debug("unforeseen", exc_info=error)
    return 1


def _tell(error: BaseException, sentence: str) -> None:
    if Output.json:
        result({"error": {"type": type(error).__name__, "message": sentence}})
    print(f"perfectcatch: {sentence}", file=sys.stderr)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
