"""Models in turn, what a day of them may cost, and what their recorded answers decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from perfectcatch.errors import AskPerson, Refused, Retry
from perfectcatch.kit.asking import answer_of
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.retry import Rules, next_wait
from perfectcatch.model.roles import Thinker
from perfectcatch.model.workflow import Definition, End, Result, Think
from perfectcatch.workflows import decisions

_AWAY: Final = timedelta(minutes=1)  # a model that could not be asked is left alone for so long
_ATTEMPTS: Final = Rules(attempts=3, first_wait=0.5, longest_wait=8.0, total=90.0)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What questions to models may cost on a day of the company's calendar."""

    dollars: Decimal = Decimal(5)
    calls: int = 500

    @staticmethod
    def since(now: datetime, zone: str) -> datetime:
        """When the day began."""
        local = now.astimezone(ZoneInfo(zone))
        return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(now.tzinfo)


class InTurn:
    """The models that may be asked: the first, and the next where it is away or refuses our key."""

    def __init__(self, thinkers: Sequence[Thinker], clock: Clock) -> None:
        assert thinkers, "without a model nobody is asked"
        self._thinkers = thinkers
        self._clock = clock
        self._away: dict[int, float] = {}

    def order(self) -> list[Thinker]:
        """In their order, those that were away a moment ago last."""
        now = self._clock.monotonic()
        return sorted(self._thinkers, key=lambda each: self._away.get(id(each), 0) > now)

    def answers(self, thinker: Thinker) -> None:
        """It could be asked."""
        self._away.pop(id(thinker), None)

    async def waits(self, thinker: Thinker, trouble: Retry | AskPerson, attempt: int, began: float) -> bool:
        """Wait until ``thinker`` can be asked again; False: it is left alone for a while."""
        wait = None
        if isinstance(trouble, Retry):
            elapsed = self._clock.monotonic() - began
            wait = next_wait(attempt, elapsed, _ATTEMPTS, told=trouble.after_seconds)
        if wait is None:
            self._away[id(thinker)] = self._clock.monotonic() + _AWAY.total_seconds()
            _log.warning("a model cannot be asked", error=str(trouble))
            return False
        await self._clock.sleep(wait)
        return True


def outcome_of(step: Think, answer: Mapping[str, Any]) -> str:
    """The word of an answer that decides where the instance goes."""
    return str(answer.get(step.decides)) if step.decides is not None else "done"


def leads_to(definition: Definition, step: Think, outcome: str) -> str:
    """The step that follows an answer."""
    following = decisions.next_step(definition, step, Result(outcome=outcome))
    return decisions.THE_END if isinstance(following, End) else following.to


def decided_again(
    definition: Definition, step: Think, words: str | None, *, answered: bool
) -> tuple[Mapping[str, Any], str, str]:
    """Answer, outcome and following step of recorded words, decided anew; nobody is asked.

    ``answered``: the words were taken for an answer when they came. Others leave the rules to decide.
    """
    answer: Mapping[str, Any] = step.otherwise
    if answered:
        try:
            answer = answer_of(words, step.schema, who="The model")
        except Refused as error:
            _log.warning("a recorded answer fits no more", step=step.id, error=str(error))
    outcome = outcome_of(step, answer)
    return answer, outcome, leads_to(definition, step, outcome)
