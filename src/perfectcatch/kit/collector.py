"""Python's collector of cycles, held back where what is in memory stays for good."""

import gc

_BETWEEN = (
    50_000  # objects that are new since the last time; Python's own 700 cost a first load a fifth of its CPU
)


def settle(*, collect: bool = True) -> None:
    """Leave out of every later collection what is here now, and collect less often from now on.

    For the moment when a process has loaded what it works with: routes, declarations, a made-up company.
    ``collect``: whether there may be so much rubbish by then that it is worth looking for, 60 ms.
    """
    if collect:
        gc.collect()
    gc.freeze()
    gc.set_threshold(_BETWEEN, 20, 10)
