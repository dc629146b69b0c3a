"""The company's life: what happens, in the order of its moments, while the simulated clock moves."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import AnswerError
from perfectcatch.sandbox.servicetitan.clock import checked
from perfectcatch.sandbox.servicetitan.life import arrivals, hours, money, quotes, visits
from perfectcatch.sandbox.servicetitan.life.agenda import Entry
from perfectcatch.sandbox.servicetitan.life.desk import Desk, Did
from perfectcatch.sandbox.servicetitan.table import Record, Row
from perfectcatch.sandbox.servicetitan.tenant import Tenant

_PLANS: tuple[tuple[str, Callable[[Desk, Row, Record | None], None]], ...] = (
    ("jpm.appointments", visits.plan),
    ("accounting.invoices", money.plan),
    ("sales.estimates", quotes.plan),
)
_GIVEN_UP = 20 * hours.DAY
_FORGOTTEN = 0.95
_QUIET, _BREATH = (
    8.0,
    2.0,
)  # seconds of the machine: what counts as quiet, how long before the next thing to be


class Life:
    """Makes the company live from its beginning on. It begins when it is first asked."""

    def __init__(
        self,
        tenant: Tenant,
        seed: int,
        *,
        by_itself: bool = False,
        after_each: Callable[[], None] = lambda: None,
    ) -> None:
        self._tenant = tenant
        self._clock = tenant.clock
        self._desk = Desk(tenant, seed)
        self._hour: int | None = None  # the next one to be drawn
        self._lived = 0  # up to here everything has happened
        self.skip_quiet = False
        self._behind = tenant.options.ago > 0  # has not caught up with the machine's time yet
        self._after_each = after_each
        self.awake = asyncio.Event()
        self.by_itself = by_itself

    @property
    def by_itself(self) -> bool:
        """Whether the company lives as its clock goes, without being advanced."""
        return self.awake.is_set()

    @by_itself.setter
    def by_itself(self, wish: bool) -> None:
        if not wish:
            self.awake.clear()
        elif not self.by_itself:
            self._lived = moments.micros(self._clock.now())
            self.awake.set()

    def advance(self, seconds: float) -> Iterator[Did]:
        """Let ``seconds`` of the company's time pass; yields what happens. Raises BadArgument."""
        target = moments.micros(self._clock.now()) + int(checked(seconds) * moments.SECOND)
        yield from self._live(target)
        self._clock.jump(moments.moment_of(target))

    def catch_up(self) -> Iterator[Did]:
        """Let happen what was to happen by now, for a company that lives by itself."""
        yield from self._live(moments.micros(self._clock.now()))

    def keep_pace(self) -> None:
        """Between two looks at what is due: skip what is quiet, slow down when the present is reached."""
        clock = self._clock
        present = clock.real.now()
        if self._behind and clock.now() >= present:
            self._behind = False
            clock.speed = min(clock.speed, 1.0)
        if self.skip_quiet and clock.speed > 1:
            due = self._coming() - int(_BREATH * clock.speed * moments.SECOND)
            moment = min(moments.moment_of(due), present) if self._behind else moments.moment_of(due)
            if moment - clock.now() > timedelta(seconds=_QUIET * clock.speed):
                clock.jump(moment)

    def _coming(self) -> int:
        """The moment of the next thing that happens, or of a week ahead if nothing does until then."""
        assert self._hour is not None
        last = self._hour + 7 * 24
        while (first := self._desk.agenda.first()) is None or first >= self._hour * hours.HOUR:
            if self._hour >= last:
                return last * hours.HOUR
            self._draw_hour()
        return first

    def _live(self, target: int) -> Iterator[Did]:
        first = self._lived if self.by_itself else moments.micros(self._clock.now())
        self._begin(first)
        with self._clock.standing():
            while (entry := self._next(target)) is not None:
                if entry.moment < first and entry.kind in arrivals.BY_CHANCE:
                    continue  # nobody called while the company did not live
                self._clock.move(moments.moment_of(max(first, entry.moment)))
                did = self._perform(entry)
                if did is not None:
                    yield did
            self._lived = target

    def _begin(self, start: int) -> None:
        """Look at what there is, the first time."""
        if self._hour is None:
            self._hour = start // hours.HOUR
            self._desk.busy.follow(self._tenant)
            for name, plan in _PLANS:
                table = self._tenant.table(name)
                for row in list(table.rows.values()):
                    plan(self._desk, row, row.record())
                table.watchers.append(partial(plan, self._desk))
            self._take_up()

    def _take_up(self) -> None:
        """Go on with the leads and bookings that somebody has to come back to."""
        desk, now = self._desk, self._desk.now
        for name, kind, status in (("crm.leads", "lead", "Open"), ("crm.bookings", "booking", "New")):
            for number in sorted(self._tenant.table(name).column("status").ids(status), key=str):
                dice = desk.dice(kind, number)
                if (
                    now - self._tenant.table(name).rows[number].created > _GIVEN_UP
                    and dice.random() < _FORGOTTEN
                ):
                    continue
                desk.agenda.set(
                    kind, number, hours.office_moment(now + int(dice.random() * 10 * hours.DAY), dice)
                )

    def _next(self, target: int) -> Entry | None:
        """The next entry up to ``target``; the hours before it are drawn first."""
        assert self._hour is not None
        agenda = self._desk.agenda
        while True:
            first = agenda.first()
            begins = self._hour * hours.HOUR
            if begins > target or (first is not None and first < begins):
                return agenda.take() if first is not None and first <= target else None
            self._draw_hour()

    def _draw_hour(self) -> None:
        assert self._hour is not None
        for kind, key, moment in arrivals.hour(self._desk, self._hour):
            self._desk.agenda.set(kind, key, moment)
        self._hour += 1

    def _perform(self, entry: Entry) -> Did | None:
        desk, kind = self._desk, entry.kind
        happens = arrivals.STEPS.get(kind) or arrivals.BY_CHANCE.get(kind) or arrivals.BY_ROUTINE[kind]
        desk.random = desk.dice(kind, entry.key, entry.moment)
        self._tenant.actor = desk.random.choice(desk.clerks) if desk.clerks else None
        try:
            return happens(desk, entry.key)
        except AnswerError:  # a refusal of the vendor's own rules: it does not happen
            return None
        finally:
            self._tenant.actor = None
            self._after_each()
