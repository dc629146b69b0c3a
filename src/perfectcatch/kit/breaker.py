"""A circuit breaker per key: after repeated failures calls stop, and single probes find out when to go on.

Opens after five failures in a row, or when half of at least twenty calls within sixty seconds failed. One
probe is let through after thirty seconds; each probe that fails doubles the pause, to ten minutes. A call
that is neither a success nor a failure (rate limited, cancelled) changes nothing.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from perfectcatch.errors import CircuitOpen
from perfectcatch.kit.clock import Clock


class State(StrEnum):
    """What a caller meets."""

    CLOSED = "closed"  # calls pass
    OPEN = "open"  # calls are refused
    PROBING = "probing"  # one call is on its way to find out


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a breaker opens and how long it stays so; seconds and counts."""

    failures_in_a_row: int = 5
    window: float = 60.0
    window_calls: int = 20
    window_share: float = 0.5
    first_pause: float = 30.0
    longest_pause: float = 600.0


@dataclass(frozen=True, slots=True)
class Status:
    """A breaker as a page or a metric shows it. ``opens_again_in`` is the time to the next probe."""

    state: State
    failures_in_a_row: int
    opens_again_in: float
    last_failure: str


@dataclass(slots=True)
class _Circuit:
    in_a_row: int = 0
    recent: deque[tuple[float, bool]] = field(default_factory=deque)
    open: bool = False
    pause: float = 0.0
    probe_at: float = 0.0
    probing: bool = False
    last_failure: str = ""


class Verdict:
    """What one guarded call turned out to be; say nothing and it counts for nothing."""

    __slots__ = ("ok", "reason")

    def __init__(self) -> None:
        self.ok: bool | None = None
        self.reason = ""

    def succeeded(self) -> None:
        """Note that the other side works."""
        self.ok = True

    def failed(self, reason: str) -> None:
        """Note that the other side does not work; ``reason`` is shown to people."""
        self.ok, self.reason = False, reason


class Breaker:
    """Circuit breakers by key, in this process."""

    def __init__(self, clock: Clock, thresholds: Thresholds | None = None) -> None:
        self._clock = clock
        self._rules = thresholds or Thresholds()
        self._circuits: dict[str, _Circuit] = {}

    def check(self, key: str) -> None:
        """Raise CircuitOpen if a call with ``key`` would be refused now; takes no probe."""
        circuit = self._circuits.get(key)
        if circuit is not None and circuit.open:
            wait = circuit.probe_at - self._clock.monotonic()
            if wait > 0 or circuit.probing:
                raise self._refusal(key, circuit, max(wait, 1.0))

    @contextmanager
    def guard(self, key: str) -> Iterator[Verdict]:
        """Let one call through and take its verdict; raise CircuitOpen without calling when open."""
        self.check(key)
        circuit = self._circuits.setdefault(key, _Circuit())
        probe = circuit.open
        circuit.probing = probe
        verdict = Verdict()
        try:
            yield verdict
        finally:
            if probe:
                circuit.probing = False
            if verdict.ok is not None:
                self._note(circuit, verdict, probe=probe)

    def status(self) -> Mapping[str, Status]:
        """Every key that has been used, with its state."""
        now = self._clock.monotonic()
        return {
            key: Status(
                state=self._state(circuit),
                failures_in_a_row=circuit.in_a_row,
                opens_again_in=max(0.0, circuit.probe_at - now) if circuit.open else 0.0,
                last_failure=circuit.last_failure,
            )
            for key, circuit in self._circuits.items()
        }

    def _note(self, circuit: _Circuit, verdict: Verdict, *, probe: bool) -> None:
        now = self._clock.monotonic()
        if verdict.ok:
            circuit.in_a_row = 0
            if probe:
                circuit.open, circuit.pause = False, 0.0
                circuit.recent.clear()
        else:
            circuit.in_a_row += 1
            circuit.last_failure = verdict.reason
        circuit.recent.append((now, bool(verdict.ok)))
        while circuit.recent and circuit.recent[0][0] < now - self._rules.window:
            circuit.recent.popleft()
        # Calls that were under way when the circuit opened say nothing new about when to probe.
        if not verdict.ok and (probe or (not circuit.open and self._too_many(circuit))):
            circuit.pause = min(circuit.pause * 2 or self._rules.first_pause, self._rules.longest_pause)
            circuit.open, circuit.probe_at = True, now + circuit.pause

    def _too_many(self, circuit: _Circuit) -> bool:
        if circuit.in_a_row >= self._rules.failures_in_a_row:
            return True
        calls = len(circuit.recent)
        failures = sum(not ok for _, ok in circuit.recent)
        return calls >= self._rules.window_calls and failures >= calls * self._rules.window_share

    @staticmethod
    def _state(circuit: _Circuit) -> State:
        if not circuit.open:
            return State.CLOSED
        return State.PROBING if circuit.probing else State.OPEN

    @staticmethod
    def _refusal(key: str, circuit: _Circuit, wait: float) -> CircuitOpen:
        return CircuitOpen(
            f"{circuit.last_failure}; after repeated failures calls to {key} pause for {wait:.0f} s",
            after_seconds=wait,
            cause=circuit.last_failure,
        )
