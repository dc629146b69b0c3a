"""What a run did, entity by entity."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from perfectcatch.errors import BadSetting, CredentialsRejected, PerfectCatchError
from perfectcatch.store.merging.clock_rules import Fired
from perfectcatch.store.merging.mirror import Outcome

SUCCEEDED = "succeeded"
FAILED = "failed"
SKIPPED = "skipped"  # somebody else is doing the same work right now
PARTIAL = "partial"  # of a run: some entities failed or wait for a person
HELD = "held"  # read completely, but deletions wait for a person


@dataclass(slots=True, kw_only=True)
class EntityReport:
    """The line of one entity. ``past_events`` are historical ones, ``events`` may reach people.

    ``failure`` is the error behind ``error``, unless that is a mistake of ours.
    """

    entity: str
    mode: str
    outcome: Outcome = field(default_factory=Outcome)
    requests: int = 0
    duration_ms: int = 0
    status: str = SUCCEEDED
    error: str | None = None
    failure: PerfectCatchError | None = None
    events: Counter[str] = field(default_factory=Counter)
    past_events: Counter[str] = field(default_factory=Counter)

    def fails(self, failure: PerfectCatchError) -> None:
        """Note why the entity could not be brought up to date."""
        self.status, self.error, self.failure = FAILED, str(failure), failure

    @property
    def cause(self) -> str | None:
        """``error`` without what is of this entity alone."""
        return self.failure.cause if self.failure else self.error

    def as_row(self) -> dict[str, Any]:
        """The public shape of ``sync ... --json``."""
        return {
            "entity": self.entity,
            "mode": self.mode,
            "fetched": self.outcome.fetched,
            "created": self.outcome.created,
            "updated": self.outcome.updated,
            "unchanged": self.outcome.unchanged + self.outcome.stale,
            "deactivated": self.outcome.deactivated,
            "quarantined": self.outcome.quarantined,
            "requests": self.requests,
            "duration_ms": self.duration_ms,
            "status": self.status,
            "error": self.error,
        }


@dataclass(slots=True, kw_only=True)
class RunReport:
    """A run: its entities in the order in which they ended."""

    run_id: UUID
    mode: str
    entities: list[EntityReport] = field(default_factory=list)
    clock: Fired = field(default_factory=Fired)
    duration_ms: int = 0

    @property
    def failures(self) -> list[EntityReport]:
        """Entities that did not end well, or that wait for a person."""
        return [each for each in self.entities if each.status in (FAILED, HELD)]

    @property
    def status(self) -> str:
        """``succeeded``, ``partial`` or ``failed``."""
        if not self.failures:
            return SUCCEEDED
        all_failed = all(each.status == FAILED for each in self.entities)
        return FAILED if all_failed else PARTIAL

    @property
    def rejection(self) -> PerfectCatchError | None:
        """What refuses every entity alike until a person mends it: credentials or another setting."""
        found = (each.failure for each in self.entities)
        return next((each for each in found if isinstance(each, CredentialsRejected | BadSetting)), None)

    @property
    def single_cause(self) -> str | None:
        """Why nothing at all could be read, where that is one and the same for every entity."""
        causes = {each.cause for each in self.entities}
        nothing = self.status == FAILED and not any(each.outcome.fetched for each in self.entities)
        return causes.pop() if nothing and len(causes) == 1 else None

    @property
    def exit_status(self) -> int:
        """What a command ends with: 0, 2 when nothing but the configuration is wrong, else 1."""
        if not self.failures:
            return 0
        statuses = {each.failure.exit_status if each.failure else 1 for each in self.failures}
        return statuses.pop() if len(statuses) == 1 else 1

    @property
    def events(self) -> Counter[str]:
        """Events by type that may reach people."""
        return sum((each.events for each in self.entities), Counter()) + self.clock.live

    @property
    def past_events(self) -> Counter[str]:
        """Historical events by type."""
        return sum((each.past_events for each in self.entities), Counter()) + self.clock.past

    def totals(self) -> dict[str, int]:
        """The sums over all entities."""
        total = Outcome()
        for each in self.entities:
            total += each.outcome
        numbers = {key: value for key, value in asdict(total).items() if isinstance(value, int)}
        return numbers | {"requests": sum(each.requests for each in self.entities)}
