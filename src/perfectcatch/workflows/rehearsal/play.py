"""The replay itself: events in the order of time, instances that wait, and decisions as live ones."""

import heapq
import itertools
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from perfectcatch.errors import PerfectCatchError, Undecidable
from perfectcatch.kit import cron
from perfectcatch.messaging.rules import Rules
from perfectcatch.model.workflow import (
    Act,
    Definition,
    Earlier,
    End,
    Go,
    Message,
    Reentry,
    Result,
    Run,
    Sleep,
    Start,
    State,
    Verdict,
)
from perfectcatch.store.events import Event
from perfectcatch.workflows import decisions, expressions
from perfectcatch.workflows.bundle import Bundle
from perfectcatch.workflows.lasting import parted
from perfectcatch.workflows.records import Beside, Company, Records, at_hand
from perfectcatch.workflows.rehearsal.acts import Acts
from perfectcatch.workflows.rehearsal.gate import PastGate
from perfectcatch.workflows.rehearsal.history import History, grouped, senders
from perfectcatch.workflows.rehearsal.instance import TICK, Instance, course_of, ticked
from perfectcatch.workflows.rehearsal.report import Report, with_overlaps
from perfectcatch.workflows.rehearsal.walk import Walk
from perfectcatch.workflows.sieve import Sieve

MOST_STEPS: Final = 500  # of one instance without a wait: more goes in a circle
MOST_LISTED: Final = 50_000
SEGMENT: Final = Decimal(
    "0.0083"
)  # dollars for a part of a text in the United States, as the vendor lists it
_TICK, _WAKE = range(2)  # what comes first where moments are equal, behind the events


class Player:
    """Replays a history for some definitions. ``primary``: those whose actions are listed."""

    def __init__(
        self,
        history: History,
        definitions: Sequence[Definition],
        *,
        company: Company,
        rules: Rules | None = None,
        assume_consent: bool = False,
        segment_price: Decimal = SEGMENT,
        public_url: str = "",
    ) -> None:
        self.history = history
        self.company = company
        self.definitions = {each.name: each for each in definitions}
        gate = PastGate(history, rules or Rules(), assume_consent=assume_consent)
        self.acts = Acts(gate, segment_price, public_url)
        self.zone = ZoneInfo(company.zone)
        self.skipped: dict[str, Counter[str]] = defaultdict(Counter)
        self._by_event: dict[str, list[Definition]] = defaultdict(list)
        for each in sorted(definitions, key=lambda each: -each.priority):
            for event in each.trigger.events:
                self._by_event[event].append(each)
        self._events = grouped(history)
        self._moments = {who: [each.occurred_at for each in rows] for who, rows in self._events.items()}
        self._instances: list[Instance] = []
        self._running: dict[int | str, list[Instance]] = defaultdict(list)
        self._of_key: dict[tuple[str, str], list[Instance]] = defaultdict(list)
        self._of_customer: dict[tuple[str, int | None], list[Instance]] = defaultdict(list)
        self._queued: dict[tuple[str, str], list[tuple[Event, int | None]]] = defaultdict(list)
        self._started: dict[tuple[str, str, int], datetime] = {}  # by workflow and record, for clocks
        self._agenda: list[tuple[datetime, int, int, Any]] = []
        self._order = itertools.count()
        self._walks: dict[str, Walk] = {}

    def run(self) -> Report:
        """Play everything from the first event to the last moment."""
        for definition in self.definitions.values():
            for moment in self._ticks(definition):
                self._at(moment, _TICK, definition)
        for event in self.history.events:
            if event.occurred_at >= self.history.until:
                break
            self._until(event.occurred_at)
            self._happens(event, event.occurred_at)
        self._until(self.history.until)
        beside = [
            (row["customer_id"], row["at"], row["workflow"] or "a message") for row in self.history.sends
        ]
        return Report(
            workflows=tuple(self.definitions),
            since=self.history.since,
            until=self.history.until,
            events=len(self.history.events),
            would=with_overlaps(self.acts.would, beside),
            courses=[course_of(each) for each in self._instances],
            skipped={name: dict(reasons) for name, reasons in self.skipped.items()},
            cut=self.acts.cut,
        )

    def _at(self, moment: datetime, kind: int, what: Any) -> None:
        heapq.heappush(self._agenda, (moment, kind, next(self._order), what))

    # What starts something ------------------------------------------------------------------------

    def _ticks(self, definition: Definition) -> Iterator[datetime]:
        if definition.trigger.clock is None:
            return
        schedule = cron.parse(definition.trigger.clock, f"The clock of {definition.name}")
        moment = schedule.next_after(self.history.since, self.zone)
        while moment < self.history.until:
            yield moment
            moment = schedule.next_after(moment, self.zone)

    def _until(self, moment: datetime) -> None:
        """Play ticks and waits that are over before ``moment``."""
        while self._agenda and self._agenda[0][0] < moment:
            now, kind, _, what = heapq.heappop(self._agenda)
            if kind == _TICK:
                self._tick(what, now)
            else:
                instance, number = what
                if instance.waits == number and instance.end is None:
                    self._advance(instance, now)

    def _tick(self, definition: Definition, now: datetime) -> None:
        entity = definition.trigger.each
        if entity is None:
            self._trigger(definition, ticked("clock", 0, now), None, now)
            return
        started = 0
        walk = self._walks.get(definition.name)
        if walk is None:
            ids = self.history.candidates.get(entity, ())
            sieve = Sieve(definition, entity, self.zone)
            walk = self._walks[definition.name] = Walk(self.history.past, sieve, entity, ids)
        for st_id, _ in walk.at(now):
            if definition.trigger.at_most is not None and started >= definition.trigger.at_most:
                return
            last = self._started.get((definition.name, entity, st_id))
            if last is not None and now - last < (definition.again_after or timedelta()):
                continue
            customer = self.history.owner.get((entity, st_id))
            started += self._trigger(definition, ticked(entity, st_id, now), customer, now)

    def _happens(self, event: Event, now: datetime) -> None:
        customer = self.history.customer_of(event)
        concerned = [
            each for who in (customer, *senders(event)) if who for each in self._running.get(who, ())
        ]
        for instance in {each.id: each for each in concerned}.values() if concerned else ():
            self._tell(instance, event, now)
        for definition in self._by_event.get(event.event_type, ()):
            self._trigger(definition, event, customer, now)

    def _trigger(self, definition: Definition, event: Event, customer: int | None, now: datetime) -> bool:
        records = self._records(event, customer, now, Beside(settings=definition.settings))
        key = self._wanted(definition, event, customer, records, now)
        if isinstance(key, Start):
            self.skipped[definition.name][key.reason] += 1
            return False
        found = {
            each.id: each
            for each in (*self._of_key[definition.name, key], *self._of_customer[definition.name, customer])
        }
        earlier = [
            Earlier(
                id=each.id,
                key=each.key,
                customer_id=each.customer_id,
                started_at=each.started_at,
                running=each.end is None,
            )
            for each in found.values()
        ]
        start = decisions.beside(definition, records, key, earlier, now)
        if start.verdict is Verdict.SKIP:
            self.skipped[definition.name][start.reason] += 1
            return False
        if start.verdict is Verdict.QUEUE:
            self._queued[definition.name, start.key].append((event, customer))
            return False
        for number in start.replaces:
            self._end(self._instances[number - 1], End(reason="replaced", sentence=start.sentence), now)
        self._begin(definition, event, customer, start.key, now)
        return True

    def _wanted(
        self, definition: Definition, event: Event, customer: int | None, records: Records, now: datetime
    ) -> str | Start:
        """As ``decisions.is_wanted``; what lasts of a clock's condition is asked once for the same rows."""
        if event.event_type != TICK or definition.trigger.where is None:
            return decisions.is_wanted(definition, records)
        lasting, passing = parted(definition.trigger.where)
        name = ("lasting", definition.name, event.entity, event.st_id)
        holds = self._bundle(event, customer, now).once(name, lambda: expressions.decided(lasting, records))
        if holds is None:
            return decisions.is_wanted(definition, records)
        return decisions.is_wanted_where(passing, definition, records) if holds else decisions.NOT_WANTED

    def _begin(
        self, definition: Definition, event: Event, customer: int | None, key: str, now: datetime
    ) -> None:
        first = decisions.first(definition)
        state = State(step=first, entered_at=now, started_at=now, visits={first: 1})
        instance = Instance(len(self._instances) + 1, definition, event, customer, key, now, state)
        self._instances.append(instance)
        self._of_key[definition.name, key].append(instance)
        self._of_customer[definition.name, customer].append(instance)
        self._started[definition.name, event.entity, event.st_id] = now
        self._running[instance.who].append(instance)
        self._advance(instance, now)

    # How an instance goes on ----------------------------------------------------------------------

    def _tell(self, instance: Instance, event: Event, now: datetime) -> None:
        """Something happened with the customer: a stop rule may end the instance, or a wait is over."""
        if instance.end is not None or event.id == instance.event.id != 0:
            return
        records = self._of(instance, now, happening=event)
        stopped = decisions.should_stop(instance.definition, records)
        if isinstance(stopped, End):
            self._end(instance, stopped, now)
            return
        if isinstance(stopped, Go):
            instance.state = decisions.enter(instance.state, stopped.to, now)
            self._advance(instance, now)
            return
        try:
            woken = decisions.wakes(instance.definition, records, instance.state)
        except Undecidable:
            woken = False
        if woken:
            step = instance.definition.step(instance.state.step)
            assert step is not None
            instance.waits += 1
            self._go(instance, decisions.next_step(instance.definition, step, Result(outcome="event")), now)
            if instance.end is None:
                self._advance(instance, now, happening=event)

    def _advance(self, instance: Instance, now: datetime, happening: Event | None = None) -> None:
        for _ in range(MOST_STEPS):
            records = self._of(instance, now, happening=happening)
            try:
                look = decisions.look(instance.definition, records, instance.state, now)
            except PerfectCatchError as error:
                self._end(instance, End(reason="failed", sentence=str(error)), now)
                return
            if isinstance(look, Sleep):
                instance.waits += 1
                if look.until is not None:
                    self._at(look.until, _WAKE, (instance, instance.waits))
                return
            following: Go | End | None = (
                look if isinstance(look, Go | End) else self._act(instance, look, records, now)
            )
            if following is None:
                return  # the gate put it off
            self._go(instance, following, now)
            if instance.end is not None:
                return
        self._end(instance, End(reason="failed", sentence="It goes in a circle."), now)

    def _go(self, instance: Instance, following: Go | End, now: datetime) -> None:
        if isinstance(following, End):
            self._end(instance, following, now)
        else:
            instance.state = decisions.enter(instance.state, following.to, now, way_back=following.way_back)

    def _act(
        self, instance: Instance, act: Act, records: Mapping[str, Any], now: datetime
    ) -> Go | End | None:
        step = act.step
        stopped = decisions.should_stop(instance.definition, records, step.id)
        if stopped is not None:
            return stopped
        if isinstance(step, Message):
            bundle = self._bundle(instance.event, instance.customer_id, now)
            answer = self.acts.message(instance, step, records, bundle, now)
            if isinstance(answer, datetime):
                instance.waits += 1
                self._at(answer, _WAKE, (instance, instance.waits))
                return None
            result = answer
        else:
            result = self.acts.other(instance, step, records, now)
        if isinstance(step, Run) and step.workflow in self.definitions:
            self._trigger(self.definitions[step.workflow], instance.event, instance.customer_id, now)
        instance.meant_at = None
        instance.results[step.id] = result.value
        instance.state = replace(instance.state, results=instance.results)
        return decisions.next_step(instance.definition, step, result)

    def _end(self, instance: Instance, end: End, now: datetime) -> None:
        instance.end, instance.ended_at = end, now
        instance.waits += 1
        if instance in self._running[instance.who]:
            self._running[instance.who].remove(instance)
        waiting = self._queued.get((instance.definition.name, instance.key))
        if waiting and instance.definition.reentry is Reentry.QUEUED:
            event, customer = waiting.pop(0)
            self._trigger(instance.definition, event, customer, now)

    # What is known --------------------------------------------------------------------------------

    def _of(self, instance: Instance, now: datetime, happening: Event | None = None) -> Mapping[str, Any]:
        beside = Beside(
            instance_id=instance.id,
            started_at=instance.started_at,
            results=instance.results,
            settings=instance.definition.settings,
            happened=self._since(instance, now),
            happening=happening,
        )
        return self._records(instance.event, instance.customer_id, now, beside)

    def _records(self, event: Event, customer: int | None, now: datetime, beside: Beside) -> Records:
        return at_hand(
            self._bundle(event, customer, now),
            self.history.names,
            event,
            customer,
            now=now,
            company=self.company,
            beside=beside,
        )

    def _bundle(self, event: Event, customer: int | None, now: datetime) -> Bundle:
        return self.history.past.at(customer, now, [(event.entity, event.st_id)])

    def _since(self, instance: Instance, now: datetime) -> Sequence[Event]:
        moments = self._moments.get(instance.who, [])
        first, last = bisect_right(moments, instance.started_at), bisect_right(moments, now)
        return self._events.get(instance.who, [])[first:last]
