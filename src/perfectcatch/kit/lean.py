"""Imports without what a library would take along if it is there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """While inside, package ``name`` cannot be imported anew, as if it were not installed.

    For libraries that take an optional package along wherever they find it, used or not. What is imported
    already stays so. Nobody else may import while it lasts: it is for the start of a process.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment] # Python's own word for "not there"
    try:
        yield
    finally:
        del sys.modules[name]
