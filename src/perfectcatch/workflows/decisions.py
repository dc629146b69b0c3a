"""What a definition means at a moment: pure functions, the same for live, shadow and dry run.

``records`` is what ``workflows/records.py`` puts together; nothing here reads a clock or a table. The engine
and the dry run drive an instance alike::

    start = may_start(definition, records, earlier, now)
    step = first(definition)
    loop: look(definition, records, state, now)
      Go    -> enter that step
      Sleep -> come back at its moment, or when one of its events happens (``wakes``)
      Act   -> should_stop(...) on fresh records, else do it, then next_step(...)
      End   -> over

All raise ``Undecidable`` where an expression has no value, except ``may_start`` and ``should_stop``, which
answer for it: a start that cannot be decided is skipped, and a stop rule that cannot be decided stops.
"""

from collections.abc import Container, Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.errors import BadWorkflow, Undecidable
from perfectcatch.model.workflow import (
    Act,
    Branch,
    Definition,
    Earlier,
    End,
    Go,
    Look,
    Reentry,
    Result,
    Sleep,
    Start,
    State,
    Step,
    Stop,
    StopRule,
    Verdict,
    Wait,
)
from perfectcatch.workflows import expressions
from perfectcatch.workflows.lasting import light
from perfectcatch.workflows.readings import READINGS
from perfectcatch.workflows.records import types_of
from perfectcatch.workflows.views import ROLES

Records = Mapping[str, Any]

THE_END: Final = "end"
NOT_WANTED: Final = Start(
    verdict=Verdict.SKIP, reason="condition", sentence="The condition of the trigger does not hold.", key=""
)
FINISHED: Final = End(reason="finished", sentence="The last step is done.")
# What the gate says for good about a person: nothing that follows in the same workflow could reach them.
FINAL: Final = frozenset(
    {
        "opted_out",
        "consent_withdrawn",
        "customer_unknown",
        "customer_deleted",
        "customer_merged",
        "customer_inactive",
        "do_not_service",
    }
)


# Starting ----------------------------------------------------------------------------------------


def may_start(definition: Definition, records: Records, earlier: Sequence[Earlier], now: datetime) -> Start:
    """Whether the trigger's event, tick or webhook starts an instance.

    ``earlier``: instances of this definition for the same customer or with the same ``key_of``.
    """
    wanted = is_wanted(definition, records)
    return wanted if isinstance(wanted, Start) else beside(definition, records, wanted, earlier, now)


def is_wanted(definition: Definition, records: Records) -> str | Start:
    """What a start is about, if its condition holds; else what is decided about it, whatever runs beside."""
    return is_wanted_where(definition.trigger.where, definition, records)


def is_wanted_where(where: str | None, definition: Definition, records: Records) -> str | Start:
    """The same with what is left of the condition, where the rest of it is known to hold."""
    try:
        if not expressions.holds(where, records):
            return NOT_WANTED
        return key_of(definition, records)
    except Undecidable as error:
        return _skip("undecidable", str(error))


def beside(
    definition: Definition, records: Records, key: str, earlier: Sequence[Earlier], now: datetime
) -> Start:
    """Whether what ``is_wanted`` starts beside the ``earlier`` ones."""
    same = [each for each in earlier if each.key == key]
    running = [each for each in same if each.running]
    refused = _too_soon(definition, same, now) if not running else None
    if refused is not None:
        return refused
    customer = (records.get("customer") or {}).get("id")
    others = [each for each in earlier if each.running and each.customer_id == customer is not None]
    if running:
        match definition.reentry:
            case Reentry.SINGLE:
                return _skip("running", f"Instance {running[0].id} is under way for the same thing.", key)
            case Reentry.QUEUED:
                return Start(
                    verdict=Verdict.QUEUE,
                    reason="queued",
                    sentence=f"It begins when instance {running[-1].id} has ended.",
                    key=key,
                )
            case Reentry.RESTART:
                replaced = tuple(each.id for each in running)
                if len([each for each in others if each.id not in replaced]) < most(definition):
                    return Start(
                        verdict=Verdict.REPLACE,
                        reason="restarted",
                        sentence=f"It takes the place of instance {replaced[0]}.",
                        key=key,
                        replaces=replaced,
                    )
    if len(others) >= most(definition):
        return _skip(
            "max_concurrent_per_customer",
            f"{len(others)} of at most {most(definition)} instances are under way for this customer.",
            key,
        )
    return Start(verdict=Verdict.START, reason="started", sentence="Everything speaks for it.", key=key)


def key_of(definition: Definition, records: Records) -> str:
    """What a start is about, as text. Raises Undecidable."""
    if definition.key is not None:
        value = expressions.evaluate(definition.key, records)
        if value is None or value == "":
            raise Undecidable(f"{definition.key!r} is empty, so that nothing tells what this start is about.")
        return str(value)
    event = records.get("event") or {}
    customer = (records.get("customer") or {}).get("id")
    return f"customer-{customer}" if customer is not None else f"{event.get('entity')}-{event.get('id')}"


def most(definition: Definition) -> int:
    """How many instances may run for one customer at once."""
    return max(1, definition.max_concurrent_per_customer)


def _too_soon(definition: Definition, same: Sequence[Earlier], now: datetime) -> Start | None:
    if definition.again_after is None or not same:
        return None
    last = max(each.started_at for each in same)
    if now - last >= definition.again_after:
        return None
    days = definition.again_after / timedelta(days=1)
    return _skip(
        "again_after", f"The last one began on {last:%Y-%m-%d}, less than {days:g} days before.", same[0].key
    )


def _skip(reason: str, sentence: str, key: str = "") -> Start:
    return Start(verdict=Verdict.SKIP, reason=reason, sentence=sentence, key=key)


# Stopping ----------------------------------------------------------------------------------------


def should_stop(definition: Definition, records: Records, step: str | None = None) -> End | Go | None:
    """What a stop rule demands before ``step`` acts, on fresh records; None: nothing.

    ``step`` None: something happened, and no step is about to act; rules for certain steps are left out, and
    those that read nothing of what it happened to.
    """
    happening = records.get("happening") if step is None else None
    types = types_of(records) if any(rule.events for rule in definition.stop_rules) else frozenset()
    rules = [
        rule
        for rule in definition.stop_rules
        if (not rule.steps or step in rule.steps)
        and (not rule.events or not types.isdisjoint(rule.events))
        and (happening is None or rule.events or _concerns(rule.when, happening["entity"]))
    ]
    if len(rules) > 1 and _none_holds(tuple(rule.when for rule in rules), records):
        return None
    for rule in rules:
        stopped = _stopped(rule, records)
        if stopped is not None:
            return stopped
    return None


def _none_holds(conditions: tuple[str, ...], records: Records) -> bool:
    """Whether all of them are false, asked at once: a third of the time. False: each has to be asked."""
    try:
        return not expressions.holds(_either(conditions), records)
    except (Undecidable, BadWorkflow):  # or together they are too long
        return False


@lru_cache(maxsize=1024)
def _either(conditions: tuple[str, ...]) -> str:
    return " || ".join(f"({each})" for each in conditions)


@lru_cache(maxsize=4096)
def _concerns(when: str, entity: str) -> bool:
    """Whether a change of a record of ``entity`` can change what ``when`` says."""
    return any(entity in _read_by(path) for path in expressions.compiled(when).paths)


def _read_by(path: tuple[str, ...]) -> Container[str]:
    """The entities that a field is made of; everything where that is not known."""
    root, field = path[0], path[1] if len(path) > 1 else ""
    entity = _ENTITIES.get(root)
    if entity is not None and field in (*READINGS[entity].columns, *_COMMON):
        return (entity,)
    return _MADE_OF.get(root, _EVERYTHING)


class _Everything(Container[str]):
    def __contains__(self, _: object) -> bool:
        return True


_EVERYTHING: Final = _Everything()
_ENTITIES: Final = {**ROLES, "customer": "customers", "location": "locations"}
_COMMON: Final = ("id", "created_on", "modified_on", "active", "deleted")
_MADE_OF: Final[Mapping[str, Container[str]]] = {
    "estimate": ("estimates",),
    "invoice": ("invoices",),
    "appointment": ("appointments", "appointment_assignments"),
    "instance": (),  # a person's word wakes the instance by itself
}


def _stopped(rule: StopRule, records: Records) -> End | Go | None:
    try:
        if not expressions.holds(rule.when, records):
            return None
    except Undecidable as error:
        return End(reason=rule.name, sentence=f"Whether to stop cannot be decided, so it stops: {error}")
    if rule.go is not None and rule.go != THE_END:
        return Go(to=rule.go, sentence=rule.sentence)
    return End(reason=rule.name, sentence=rule.sentence)


# Going on ----------------------------------------------------------------------------------------


def first(definition: Definition) -> str:
    """The id of the step that an instance begins with."""
    return definition.steps[0].id


def look(definition: Definition, records: Records, state: State, now: datetime) -> Look:
    """What the instance's step wants at ``now``. Raises Undecidable."""
    step = definition.step(state.step)
    if step is None:
        return FINISHED
    if not expressions.holds(step.when, records):
        return _onward(definition, step, f"{step.id} is passed over: its condition does not hold.")
    match step:
        case Stop():
            return End(reason="finished", sentence=step.sentence)
        case Branch():
            return _branched(definition, step, records, state)
        case Wait():
            return _waiting(definition, step, records, state, now)
    return Act(step=step)


def enter(state: State, step: str, now: datetime, *, way_back: str | None = None) -> State:
    """The state after the instance came to ``step``."""
    taken = dict(state.taken)
    if way_back is not None:
        taken[way_back] = taken.get(way_back, 0) + 1
    visits = {**state.visits, step: state.visits.get(step, 0) + 1}
    return State(
        step=step,
        entered_at=now,
        started_at=state.started_at,
        visits=visits,
        taken=taken,
        results=state.results,
    )


def next_step(definition: Definition, step: Step, result: Result) -> Go | End:
    """Where the instance goes after ``step`` gave ``result``."""
    target = step.outcomes.get(result.outcome)
    if target is None and result.reason:
        target = step.outcomes.get(result.reason)
    if target is None and result.reason in FINAL:
        return End(reason=result.reason, sentence="Nothing further can reach this person.")
    if target is None and result.outcome == "refused" and step.outcomes.get("approved"):
        return End(reason="refused", sentence="A person said no.")
    if target is not None:
        return _to(target, f"{step.id} ended with {result.outcome}.")
    return _onward(definition, step, f"{step.id} ended with {result.outcome}.")


def wakes(definition: Definition, records: Records, state: State) -> bool:
    """Whether the event in ``records["event"]`` ends the wait of the instance."""
    step = definition.step(state.step)
    if not isinstance(step, Wait) or (records.get("happening") or {}).get("type") not in step.events:
        return False
    return expressions.holds(step.where, records)


def _onward(definition: Definition, step: Step, sentence: str) -> Go | End:
    target = step.next or definition.below(step.id)
    return FINISHED if target is None else _to(target, sentence)


def _to(target: str, sentence: str) -> Go | End:
    return FINISHED if target == THE_END else Go(to=target, sentence=sentence)


def _branched(definition: Definition, step: Branch, records: Records, state: State) -> Go | End:
    for choice in step.choices:
        way = f"{step.id}>{choice.go}"
        if choice.at_most is not None and state.taken.get(way, 0) >= choice.at_most:
            continue
        if _holds(choice.when, records):
            if choice.go == THE_END:
                return End(reason="finished", sentence=f"{step.id}: {choice.when}")
            counted = way if choice.at_most is not None else None
            return Go(to=choice.go, sentence=f"{step.id}: {choice.when}", way_back=counted)
    return _onward(definition, step, f"{step.id}: no condition holds.")


def _holds(when: str, records: Records) -> bool:
    part = light(when)
    if part is not None and expressions.decided(part, records) is False:
        return False
    return expressions.holds(when, records)


# Waiting -----------------------------------------------------------------------------------------


def _waiting(definition: Definition, step: Wait, records: Records, state: State, now: datetime) -> Look:
    until = wakes_at(step, records, state)
    if until is None or until > now:
        words = f"until {until:%Y-%m-%d %H:%M} UTC" if until is not None else "without an end"
        return Sleep(until=until, sentence=f"{step.id}: it waits {words}.", events=step.events)
    if step.if_past is not None and until <= state.entered_at:
        return _to(step.if_past, f"{step.id}: {until:%Y-%m-%d %H:%M} UTC had passed already.")
    if step.events and "timeout" in step.outcomes:
        return _to(step.outcomes["timeout"], f"{step.id}: nothing happened in time.")
    return _onward(definition, step, f"{step.id}: the wait is over.")


def wakes_at(step: Wait, records: Records, state: State) -> datetime | None:
    """The moment at which the wait is over; None: only an event ends it. Raises Undecidable."""
    if step.until is None and step.span is None and step.days is None and step.at is None:
        return None
    zone = zone_for(step, records)
    base = expressions.moment(step.until, records) if step.until is not None else state.entered_at
    base += step.span or timedelta()
    if step.days is not None or step.at is not None:
        base = _on_the_calendar(step, base, zone)
    if step.between is not None:
        base = _within(base, step.between, zone)
    return base


def zone_for(step: Wait, records: Records) -> ZoneInfo:
    """The time zone that the wait counts in: that of the customer's place where it is known."""
    place = (records.get("location") or {}).get("zone") if step.zone == "customer" else None
    return ZoneInfo(place) if place else expressions.zone_of(records)


def _on_the_calendar(step: Wait, base: datetime, zone: ZoneInfo) -> datetime:
    local = base.astimezone(zone)
    day = local.date() + timedelta(days=step.days or 0)
    found = datetime.combine(day, step.at or local.time(), zone)
    if step.days is None and found < base:
        found = datetime.combine(day + timedelta(days=1), step.at or local.time(), zone)
    return found.astimezone(base.tzinfo)


def _within(moment: datetime, between: tuple[time, time], zone: ZoneInfo) -> datetime:
    opens, closes = between
    local = moment.astimezone(zone)
    if opens <= local.time() < closes:
        return moment
    day = local.date() + timedelta(days=1 if local.time() >= closes else 0)
    return datetime.combine(day, opens, zone).astimezone(moment.tzinfo)
