"""What a dry run found: plain values, to be listed, counted and written as JSON."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

OVERLAP: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Would:
    """One thing that would have been done. ``status``: sent, suppressed, held for messages, else done."""

    at: datetime
    workflow: str
    step: str
    kind: str  # sms, email, task, chat, http, mirror, write, crm, ai, approval, workflow
    status: str
    reason: str
    sentence: str
    customer_id: int | None
    customer: str | None
    to: str | None = None
    text: str | None = None
    subject: str | None = None
    purpose: str | None = None
    segments: int = 0
    cost: Decimal = Decimal()
    event: str = ""
    event_id: int = 0
    waited_since: datetime | None = None  # a message that had to wait: when it was first meant to go
    approximate: bool = False  # a record was older than every version that is known
    overlaps: tuple[str, ...] = ()  # other messages to the same person within a day

    @property
    def is_message(self) -> bool:
        """Whether it is a message to a person."""
        return self.kind in ("sms", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How one instance went."""

    workflow: str
    customer_id: int | None
    event: str
    event_id: int
    started_at: datetime
    ended_at: datetime | None  # None: it would still be under way
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A dry run. ``skipped``: triggers that started nothing, by workflow and reason."""

    workflows: tuple[str, ...]
    since: datetime
    until: datetime
    events: int
    would: Sequence[Would]
    courses: Sequence[Course]
    skipped: dict[str, dict[str, int]] = field(default_factory=dict)
    cut: int = 0  # actions beyond the most that are listed

    def of(self, workflow: str) -> list[Would]:
        """What one workflow would have done, in the order of time."""
        return [each for each in self.would if each.workflow == workflow]

    def summary(self, workflow: str) -> dict[str, Any]:
        """The figures of one workflow."""
        mine = self.of(workflow)
        messages = [each for each in mine if each.is_message]
        sent = [each for each in messages if each.status == "sent"]
        courses = [each for each in self.courses if each.workflow == workflow]
        return {
            "workflow": workflow,
            "since": self.since,
            "until": self.until,
            "events_replayed": self.events,
            "started": len(courses),
            "customers_written_to": len({each.customer_id or each.to for each in sent}),
            "messages": len(messages),
            "sent": len(sent),
            "not_sent": dict(Counter(each.reason for each in messages if each.status != "sent")),
            "delayed": sum(each.waited_since is not None for each in sent),
            "segments": sum(each.segments for each in sent),
            "cost": sum((each.cost for each in sent), Decimal()),
            "other_actions": dict(Counter(each.kind for each in mine if not each.is_message)),
            "overlapping": sum(bool(each.overlaps) for each in sent),
            "ended": dict(Counter(each.reason for each in courses)),
            "skipped": self.skipped.get(workflow, {}),
            "approximate": sum(each.approximate for each in mine),
        }


def with_overlaps(would: Iterable[Would], beside: Sequence[tuple[int | None, datetime, str]]) -> list[Would]:
    """Name, at each message that would go, the other ones to the same customer within a day.

    ``beside``: customer, moment and words of messages that really went.
    """
    every = list(would)
    by_customer: dict[int, list[tuple[datetime, str, int]]] = {}
    for place, each in enumerate(every):
        if each.is_message and each.status == "sent" and each.customer_id is not None:
            words = f"{each.workflow}/{each.step} at {each.at:%Y-%m-%d %H:%M}"
            by_customer.setdefault(each.customer_id, []).append((each.at, words, place))
    for customer_id, at, words in beside:
        if customer_id is not None:
            by_customer.setdefault(customer_id, []).append((at, f"{words} at {at:%Y-%m-%d %H:%M} (sent)", -1))
    for mine in by_customer.values():
        if len(mine) > 1:
            for at, _, place in mine:
                others = tuple(
                    words for when, words, other in mine if other != place and abs(when - at) <= OVERLAP
                )
                if place >= 0 and others:
                    every[place] = replace(every[place], overlaps=others)
    return every
