"""What the simulated vendor carries out only some time after it has answered."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from perfectcatch.kit.clock import Clock
from perfectcatch.sandbox.gohighlevel.shapes import RefusedError


@dataclass(slots=True)
class Late:
    """Calls that wait. ``seconds``: how long each does."""

    clock: Clock
    seconds: float = 5.0
    waiting: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def do(self, act: Callable[[], object]) -> None:
        """Carry something out later."""
        self.waiting.append((self.clock.monotonic() + self.seconds, act))

    def catch_up(self) -> None:
        """Carry out what is due; what is refused by then was refused."""
        now = self.clock.monotonic()
        due = [act for at, act in self.waiting if at <= now]
        self.waiting = [each for each in self.waiting if each[0] > now]
        for act in due:
            with suppress(RefusedError):
                act()
