"""What a workflow is: frozen words, no input or output. docs/how-to/write-a-workflow.md tells of its file.

A definition says which event, tick or webhook starts an *instance*, for whom, and the steps that it goes
through. What the words mean at a moment is decided by the pure functions of ``workflows/decisions.py``, for
the live engine, for shadow mode and for a dry run over the past alike.

``Expression``: text of the Common Expression Language over the records at hand (``workflows/shapes.py``).
``Template``: text with merge fields over the same records.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final

from perfectcatch.model.messaging import Channel, Purpose

Expression = str
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Mode(StrEnum):
    """Whether a definition starts instances, and whether these act."""

    DISABLED = "disabled"
    SHADOW = "shadow"  # everything is decided and recorded, nothing leaves
    LIVE = "live"


class Reentry(StrEnum):
    """What happens to a second start with the key of an instance that is under way."""

    SINGLE = "single"  # it is skipped
    RESTART = "restart"  # the first ends, the second begins
    QUEUED = "queued"  # it begins when the first has ended
    PARALLEL = "parallel"  # both run


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What starts an instance: exactly one of ``events``, ``clock`` and ``webhook`` is given.

    ``clock`` is a line of cron on the company's calendar. With ``each``, the name of an entity, every record
    of it that fulfils ``where`` gets an instance of its own at each tick, at most ``at_most`` of them;
    without, the tick starts one instance that is about no customer.
    """

    events: tuple[str, ...] = ()
    clock: str | None = None
    each: str | None = None
    at_most: int | None = None
    webhook: str | None = None
    where: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRule:
    """When nothing further may happen.

    Checked against fresh records before every step that acts, and when something happens.
    ``steps`` empty: before every step. ``go``: the instance goes on there instead of ending. ``events``:
    it cannot hold before one of these happened with the customer since the instance began.
    """

    name: str
    when: Expression
    sentence: str  # "The customer answered."
    steps: tuple[str, ...] = ()
    go: str | None = None
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Words of a message. ``html`` is made from the text where it is None."""

    name: str
    channel: Channel
    body: str
    subject: str | None = None
    html: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What all steps have. ``when`` false: it is passed over. ``next``: the step after it, else that below.

    ``outcomes`` names the step for an outcome that does not simply go on: suppressed, failed, refused,
    approved, timeout, and for an AI step the words of its answer. "end" ends the instance.
    """

    id: str
    when: Expression | None = None
    next: str | None = None
    outcomes: Mapping[str, str] = field(default_factory=dict)
    does: str = ""

    # Whether it has an effect outside of the instance: then stop rules are checked before it.
    acts: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Step):
    """Time passes.

    The moment: ``until`` (or when the step began) plus ``span``, ``days`` later on the calendar of ``zone``,
    at the time of day ``at``; moved into ``between`` where it lies outside of it. With ``events`` the wait
    ends as soon as one of these happens with the customer while ``where`` holds (outcome "event"), and with
    the outcome "timeout" at that moment. ``if_past`` is where to go when the moment has passed already.
    """

    span: timedelta | None = None
    until: Expression | None = None
    days: int | None = None
    at: time | None = None
    between: tuple[time, time] | None = None
    zone: str = "customer"  # or "company"
    events: tuple[str, ...] = ()
    where: Expression | None = None
    if_past: str | None = None

    acts: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way out of a branch. ``at_most``: how often an instance may take it, for a way that leads back."""

    when: Expression
    go: str
    at_most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch(Step):
    """The first choice whose condition holds is taken, else the instance goes on below."""

    choices: tuple[Choice, ...]

    acts: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Step):
    """An SMS or an email through the gate.

    ``to`` is an expression; without it the contact of the instance is meant. ``customer``, an expression for
    an id, says whose address ``to`` is where it is not the instance's customer. ``data`` goes to the gate
    with the intent: ``notice``, ``may_repeat``, ``reply``. ``expires`` is an expression for the moment after
    which the message is of no use. ``tracks`` names the setting whose address leaves as a short link that
    tells when it is opened.
    """

    channel: Channel
    template: str
    purpose: Purpose | None = None  # None: that of the workflow's class
    to: Expression | None = None
    customer: Expression | None = None
    expires: Expression | None = None
    tracks: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Step):
    """Something that a person has to do. ``title`` and ``body`` are templates. ``due`` counts from now."""

    title: str
    body: str = ""
    role: str = "office"
    due: timedelta | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Step):
    """An HTTP request to an allowed host; ``url`` and the texts in ``body`` are templates."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Step):
    """A change at the source of the mirror, by the name of its operation; texts in values are templates."""

    operation: str
    path: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crm(Step):
    """An action of the CRM by its role, such as ``move_opportunity``; texts in ``values`` are templates."""

    action: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post(Step):
    """A line in the company's chat; ``text`` is a template. ``channel`` is a name that settings resolve."""

    channel: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Think(Step):
    """A question to an AI model whose answer has to fit ``schema`` (JSON Schema).

    ``question`` is a template; records of the customer come to the model as data, never as instructions.
    ``decides`` is the property of the answer that is the outcome. ``otherwise`` is the answer without a
    model: rules only.
    """

    question: str
    schema: Mapping[str, Any]
    otherwise: Mapping[str, Any]
    decides: str | None = None
    shows: tuple[str, ...] = ()  # which records the model sees, such as "event" and "job"
    budget: int = 2000  # tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Step):
    """A person says yes (outcome "approved") or no ("refused"); ``within`` is over: "timeout"."""

    question: str
    role: str = "office"
    within: timedelta = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Step):
    """Another workflow for the same customer and event. ``waits``: until it has ended."""

    workflow: str
    waits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Step):
    """The end, with its reason."""

    sentence: str = "The last step is done."

    acts: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A workflow. ``version`` is a digest of everything that has a meaning; instances are pinned to it.

    ``key`` is an expression for what a start is about (a customer, an opportunity): re-entry and
    ``again_after``, the least span between two starts, are counted for it. ``needs`` are connections without
    which it cannot be switched on, such as "calls", "chat", "crm". ``settings`` are a company's figures and
    words, at hand as ``settings`` in expressions and templates.
    """

    name: str
    does: str
    purpose: Purpose
    trigger: Trigger
    steps: tuple[Step, ...]
    title: str = ""
    recipe: str | None = None
    key: Expression | None = None
    again_after: timedelta | None = None
    max_concurrent_per_customer: int = 1
    reentry: Reentry = Reentry.SINGLE
    priority: int = 50  # 0 to 100, the higher first
    stop_rules: tuple[StopRule, ...] = ()
    templates: Mapping[str, Template] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    version: str = ""
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def step(self, id_: str) -> Step | None:
        """The step with this id."""
        return next((step for step in self.steps if step.id == id_), None)

    def below(self, id_: str) -> str | None:
        """The id of the step after it in the order of the file; None at the end."""
        ids = [step.id for step in self.steps]
        place = ids.index(id_) + 1
        return ids[place] if place < len(ids) else None


# An instance at a moment ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier instance of the same definition, for the same customer or with the same key."""

    id: int
    key: str
    customer_id: int | None
    started_at: datetime
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where an instance stands.

    ``visits`` counts how often each step was entered, this time included, ``taken`` how often each way back
    was taken, by "step>target". ``results`` holds what steps gave, by their ids.
    """

    step: str
    entered_at: datetime  # when the instance came to this step
    started_at: datetime
    visits: Mapping[str, int] = field(default_factory=dict)
    taken: Mapping[str, int] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def occurrence(self) -> int:
        """Which visit of the step this is, from 1."""
        return max(1, self.visits.get(self.step, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a step that acted.

    ``outcome``: done, sent, suppressed, refused, unknown, failed, approved, timeout, event, or a word of an
    AI step's answer. ``reason`` is the gate's word. ``value`` is kept under the step's id for later steps.
    """

    outcome: str = "done"
    reason: str = ""
    value: Any = None


# What is decided --------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What becomes of a trigger."""

    START = "start"
    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"  # end ``replaces``, then start


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Whether an instance starts, and why. ``reason`` is a word, ``sentence`` is for people."""

    verdict: Verdict
    reason: str
    sentence: str
    key: str = ""
    replaces: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """The instance goes on at ``to`` at once, without any effect."""

    to: str
    sentence: str
    way_back: str | None = None  # to be counted in ``State.taken``


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """The step's effect is due now; its result goes to ``decisions.next_step``."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleep:
    """Nothing happens before ``until``, except that one of ``events`` wakes the instance earlier."""

    until: datetime | None
    sentence: str
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The instance is over. ``reason``: finished, or the name of the stop rule."""

    reason: str
    sentence: str


Look = Go | Act | Sleep | End
