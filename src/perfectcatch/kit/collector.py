"""Python's collector of cycles, held back where what is in memory stays for good."""

import gc
from types import TracebackType

# Objects that are new since the last time; Python's own 700 cost a first load a fifth of its CPU, and a
# dry run half.
_BETWEEN = 50_000


def settle(*, collect: bool = True) -> None:
    """Leave out of every later collection what is here now, and collect less often from now on.

    For the moment when a process has loaded what it works with: routes, declarations, a made-up company.
    ``collect``: whether there may be so much rubbish by then that it is worth looking for, 60 ms.
    """
    if collect:
        gc.collect()
    gc.freeze()
    begin()


def begin() -> None:
    """Collect less often, from the start of a process: what it makes first, its modules, stays.

    Of a command's imports Python's own 700 took a fifth, 0.15 s.
    """
    gc.set_threshold(_BETWEEN, 20, 10)


class Rarely:
    """While one or several are in it, Python collects rarely, and then again as it did before.

    For work that makes most of what it needs at once and keeps it: half the time of a dry run was spent on
    looking through the same records again. What is in cycles is still collected, later.
    """

    def __init__(self) -> None:
        self._inside = 0
        self._before = gc.get_threshold()

    def __enter__(self) -> None:
        self._inside += 1
        if self._inside == 1:
            self._before = gc.get_threshold()
            gc.set_threshold(max(_BETWEEN, self._before[0]), *self._before[1:])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
        if self._inside == 0:
            gc.set_threshold(*self._before)


RARELY = Rarely()
