"""What the ranking of slots goes by: facts with defaults, each of which a company can change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from psycopg.types.json import Jsonb

from perfectcatch.errors import BadArgument
from perfectcatch.scheduling.intervals import Interval, at
from perfectcatch.store.names import PUBLIC, qualified
from perfectcatch.store.pool import Pool
from perfectcatch.store.reading.fields import nearest
from perfectcatch.store.reading.reads import Reads

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TABLE: Final = qualified(f"{PUBLIC}.scheduling_rules")

_WORKDAY: Final = ["08:00", "17:00"]
_LONGEST: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. ``check`` raises ValueError for what cannot be its value."""

    name: str
    default: Any
    does: str
    check: Callable[[Any], None]


def _minutes(least: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LONGEST:
            raise ValueError(f"give a whole number of minutes from {least} to {_LONGEST}")

    return check


def _one_of(*words: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value not in words:
            raise ValueError(f"give {' or '.join(words)}")

    return check


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError("give true or false")  # noqa: TRY004 - one kind of error for all rules


def _hours(value: Any) -> None:
    wrong = ValueError('give hours for each weekday, such as {"monday": ["08:00", "17:00"], "sunday": null}')
    if not isinstance(value, dict) or set(value) - set(WEEKDAYS):
        raise wrong
    for span in value.values():
        if span is None:
            continue
        if not isinstance(span, list) or len(span) != 2:  # noqa: PLR2004 - from and to
            raise wrong
        try:
            opens, closes = (time.fromisoformat(each) for each in span)
        except (ValueError, TypeError):
            raise wrong from None
        if opens.tzinfo or closes.tzinfo or opens >= closes:
            raise wrong


def _durations(value: Any) -> None:
    wrong = ValueError('give minutes by the id of the job type, such as {"5113": 90}')
    if not isinstance(value, dict):
        raise wrong
    for key, minutes in value.items():
        if not str(key).isdecimal():
            raise wrong
        _minutes(1)(minutes)


def _weights(value: Any) -> None:
    names = set(_WEIGHTS)
    if not isinstance(value, dict) or set(value) - names:
        raise ValueError(f"give weights for {', '.join(sorted(names))}")
    for weight in value.values():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1000:  # noqa: PLR2004
            raise ValueError("a weight is a number from 0 to 1000")


_WEIGHTS: Final = {"sooner": 30, "zone": 30, "workload": 20, "fit": 20}

RULES: Final = (
    Rule(
        "business_hours",
        {day: None if day == "sunday" else _WORKDAY for day in WEEKDAYS},
        "When visits may take place, in the company's time; a day that is null or left out is closed.",
        _hours,
    ),
    Rule(
        "default_duration_minutes",
        120,
        "How long a visit takes when neither the request nor the job type says it.",
        _minutes(1),
    ),
    Rule(
        "duration_minutes",
        {},
        "How long a visit of a job type takes, by its id; it goes before what the vendor says.",
        _durations,
    ),
    Rule(
        "job_type_duration_unit",
        "seconds",
        "What the vendor's `duration` of a job type counts: seconds or minutes.",
        _one_of("seconds", "minutes"),
    ),
    Rule("buffer_minutes", 30, "Time for the way between two visits.", _minutes(0)),
    Rule("step_minutes", 30, "Visits begin at multiples of so many minutes after the hour.", _minutes(5)),
    Rule("notice_minutes", 60, "No visit is offered earlier than so long after the question.", _minutes(0)),
    Rule(
        "zones",
        "require",
        "A technician of another zone: require refuses, prefer ranks lower, ignore does not look.",
        _one_of("require", "prefer", "ignore"),
    ),
    Rule(
        "arrival_windows",
        True,
        "Whether a visit has to begin inside one of the company's arrival windows, if it has any.",
        _flag,
    ),
    Rule("on_call", False, "Whether time on call can be booked.", _flag),
    Rule(
        "weights",
        _WEIGHTS,
        "How much counts: being sooner, the zone, little work on that day, and fitting without idle time.",
        _weights,
    ),
)
BY_NAME: Final = {rule.name: rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules in force."""

    values: Mapping[str, Any]

    def hours(self, day: date, zone: ZoneInfo) -> Interval | None:
        """When visits may take place on ``day``."""
        span = self.values["business_hours"].get(WEEKDAYS[day.weekday()])
        if span is None:
            return None
        opens, closes = (time.fromisoformat(each) for each in span)
        return Interval(at(day, opens, zone), at(day, closes, zone))

    def minutes(self, name: str) -> timedelta:
        """A rule that is a number of minutes."""
        return timedelta(minutes=self.values[name])

    def duration(self, job_type: int | None, vendors: int | None) -> timedelta:
        """How long a visit takes; ``vendors`` is the job type's own duration, as the vendor counts it."""
        own = self.values["duration_minutes"].get(str(job_type))
        if own is not None:
            return timedelta(minutes=own)
        if vendors:
            return timedelta(**{self.values["job_type_duration_unit"]: vendors})
        return self.minutes("default_duration_minutes")

    @property
    def zones(self) -> Literal["require", "prefer", "ignore"]:
        """What a technician of another zone means."""
        found: Literal["require", "prefer", "ignore"] = self.values["zones"]
        return found

    def weight(self, part: str) -> float:
        """How much a part of the score counts."""
        return float(self.values["weights"].get(part, _WEIGHTS[part]))


DEFAULTS: Final = Rules({rule.name: rule.default for rule in RULES})


async def in_force(reads: Reads, tenant_id: int) -> Rules:
    """The company's rules; what it has not changed is as by default."""
    rows = await reads.rows(f"select name, value from {TABLE} where tenant_id = %s", (tenant_id,))
    changed = {row["name"]: row["value"] for row in rows if row["name"] in BY_NAME}
    return Rules({**DEFAULTS.values, **changed})


async def change(pool: Pool, tenant_id: int, name: str, value: Any) -> None:
    """Set a rule; null makes it as by default. Raises ``BadArgument``."""
    rule = BY_NAME.get(name)
    if rule is None:
        raise BadArgument(f"There is no rule {name[:60]!r}{nearest(name, BY_NAME)}")
    if value is not None:
        try:
            rule.check(value)
        except ValueError as error:
            raise BadArgument(f"{name} cannot be that: {error}.") from None
    async with pool.connection() as connection:
        if value is None:
            await connection.execute(
                f"delete from {TABLE} where tenant_id = %s and name = %s", (tenant_id, name)
            )
        else:
            await connection.execute(
                f"""
                insert into {TABLE} (tenant_id, name, value, updated_at) values (%s, %s, %s, now())
                on conflict (tenant_id, name) do update set value = excluded.value, updated_at = now()
                """,
                (tenant_id, name, Jsonb(value)),
            )
