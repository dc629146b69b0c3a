"""What the control surface says about time: the clock, how fast it goes, and an advance of it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from perfectcatch.errors import BadArgument
from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import bad
from perfectcatch.sandbox.servicetitan.clock import checked, seconds_of
from perfectcatch.sandbox.servicetitan.service import Service


def clock(service: Service) -> dict[str, Any]:
    """The company's time, how far behind the machine's it is, how fast it goes, whether the company lives."""
    now = service.clock.now()
    return {
        "now": moments.write(moments.micros(now)),
        "behind_seconds": round((service.options.clock.now() - now).total_seconds(), 3),
        "speed": service.clock.speed,
        "lives": service.life.by_itself,
    }


def set_speed(service: Service, facts: dict[str, Any]) -> dict[str, Any]:
    """Let the company live by itself at so many simulated seconds a second; null: only when advanced."""
    factor = facts["factor"]
    if factor is not None and (isinstance(factor, bool) or not isinstance(factor, int | float)):
        raise bad("factor", "The factor is a number of simulated seconds a second, or null.")
    try:
        service.clock.speed = 1.0 if factor is None else float(factor)
    except BadArgument as error:
        raise bad("factor", str(error)) from None
    service.life.by_itself = factor is not None
    service.life.skip_quiet = facts.get("skip_quiet") is True
    return clock(service)


class Advance:
    """One advance of the clock. Iterate over it to the end, then ask for its ``report``."""

    def __init__(self, service: Service, facts: dict[str, Any]) -> None:
        self._service = service
        self._seconds = _span(facts)
        self._kinds: Counter[str] = Counter()
        self._from = moments.write(moments.micros(service.clock.now()))

    def __iter__(self) -> Iterator[None]:
        for did in self._service.life.advance(self._seconds):
            self._kinds[did["what"]] += 1
            yield

    def report(self) -> dict[str, Any]:
        """From when to when, and what happened: how often by kind."""
        return {
            "from": self._from,
            "to": clock(self._service)["now"],
            "happened": self._kinds.total(),
            "kinds": dict(self._kinds.most_common()),
        }


def _span(facts: dict[str, Any]) -> float:
    try:
        if "seconds" in facts:
            seconds = facts["seconds"]
            if isinstance(seconds, bool) or not isinstance(seconds, int | float):
                raise bad("seconds", "The seconds are a number.")
            return checked(float(seconds))
        if "by" not in facts:
            raise bad("by", "The by field is required.")
        return seconds_of(str(facts["by"]))
    except BadArgument as error:
        raise bad("by", str(error)) from None
