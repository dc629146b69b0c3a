"""One instance of a replay, and the words for how it went."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from perfectcatch.model.workflow import Definition, End, State
from perfectcatch.store.events import Event
from perfectcatch.workflows.rehearsal.report import Course

TICK: Final = "tick"


@dataclass(slots=True)
class Instance:
    """An instance under way; ``waits``: a timer with another number is out of date."""

    id: int
    definition: Definition
    event: Event
    customer_id: int | None
    key: str
    started_at: datetime
    state: State
    results: dict[str, Any] = field(default_factory=dict)
    waits: int = 0
    listens: tuple[str, ...] = ()
    meant_at: datetime | None = None  # when a message that the gate put off was first meant to go
    ended_at: datetime | None = None
    end: End | None = None

    @property
    def who(self) -> int | str:
        """Whom it is about: the customer, else what it began with, such as a number."""
        return self.key if self.customer_id is None else self.customer_id


def ticked(entity: str, st_id: int, now: datetime) -> Event:
    """A clock's tick, as the event that starts an instance."""
    return Event(0, TICK, entity, st_id, now.isoformat(), now, now, historical=False, data={})


def course_of(instance: Instance) -> Course:
    """How it went."""
    end = instance.end
    return Course(
        workflow=instance.definition.name,
        customer_id=instance.customer_id,
        event=instance.event.event_type,
        event_id=instance.event.id,
        started_at=instance.started_at,
        ended_at=instance.ended_at,
        reason=end.reason if end is not None else "under_way",
        sentence=end.sentence if end is not None else f"It would wait at {instance.state.step}.",
    )
