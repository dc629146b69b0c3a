"""Python's collector of cycles, held back where what is in memory stays for good."""

import gc

_BETWEEN = (
    50_000  # objects that are new since the last time; Python's own 700 cost a first load a fifth of its CPU
)


def settle() -> None:
    """Leave out of every later collection what is here now, and collect less often from now on.

    For the moment when a process has loaded what it works with: routes, declarations, a made-up company.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_BETWEEN, 20, 10)
