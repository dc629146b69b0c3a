"""Which of the planned faults strikes a call."""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Planned(Protocol):
    """A fault of a ``share`` of the calls, at most ``times`` often; ``struck`` counts."""

    share: float
    times: int | None
    struck: int


Fault = TypeVar("Fault", bound=Planned)


def strike(faults: Iterable[Fault], drawn: float) -> Fault | None:
    """The fault of a call for which ``drawn``, 0 to 1, was drawn; one draw a call, so that shares add up."""
    for fault in faults:
        if fault.times is not None and fault.struck >= fault.times:
            continue
        if drawn < fault.share:
            fault.struck += 1
            return fault
        drawn -= fault.share
    return None
