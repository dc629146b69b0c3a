"""The faults that are switched on, and their way into a request."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, bad
from perfectcatch.sandbox.servicetitan.door import Door
from perfectcatch.sandbox.servicetitan.faults.kinds import KINDS
from perfectcatch.sandbox.servicetitan.faults.rule import Asked, Fault, Kind, Strike
from perfectcatch.sandbox.servicetitan.tenant import Tenant

_OK = 200
_RULE: Mapping[str, type | tuple[type, ...]] = {
    "on": str,
    "share": (int, float),
    "every": int,
    "after": int,
    "times": int,
    "seed": int,
}


class Faults:
    """The faults of one sandbox, in the order in which they were added."""

    def __init__(self, tenant: Tenant, door: Door, *, token_path: str) -> None:
        self._tenant = tenant
        self._door = door
        self._token_path = token_path
        self._added = 0
        self.active: list[Fault] = []

    # Switching ------------------------------------------------------------------------------------

    def add(self, facts: Mapping[str, Any]) -> Fault:
        """Switch a fault on. Raises 400 for what is no kind, no parameter, or no value for it."""
        name = facts.get("kind")
        kind = KINDS.get(str(name))
        if kind is None:
            raise bad("kind", f"There is no fault called {name}: choose one of {', '.join(sorted(KINDS))}.")
        rule = {each: _fit(each, facts[each], _RULE[each]) for each in _RULE if facts.get(each) is not None}
        if not 0 <= rule.get("share", 1) <= 1 or rule.get("every", 1) < 1 or rule.get("after", 0) < 0:
            raise bad("share", "The share lies between 0 and 1, every is 1 or more, after 0 or more.")
        self._added += 1
        fault = Fault(
            number=self._added,
            kind=kind,
            parameters=_parameters(kind, facts),
            **{"seed": self._tenant.options.seed, **rule},
        )
        self.active.append(fault)
        return fault

    def clear(self, number: int | None = None) -> int:
        """Switch one fault off, or all of them; how many there were. Raises 404 for one that is not there."""
        going = [fault for fault in self.active if number is None or fault.number == number]
        if number is not None and not going:
            raise AnswerError(404, f"There is no fault {number}.")
        self.active = [fault for fault in self.active if fault not in going]
        return len(going)

    # Striking -------------------------------------------------------------------------------------

    def answer(
        self, method: str, path: str, query: str, otherwise: Callable[[], Answer]
    ) -> tuple[Answer, list[str]]:
        """Answer a request with whatever strikes it; gives the names of the kinds that did.

        ``otherwise`` is the vendor's own answer.
        """
        asked = self._asked(method, path, query)
        strikes = [
            Strike(each, asked, self._tenant, self._door) for each in self.active if each.strikes(asked)
        ]
        for strike in strikes:
            if strike.fault.kind.before:
                strike.fault.kind.before(strike)
        first = next((strike for strike in strikes if strike.fault.kind.instead), None)
        names = [
            strike.fault.kind.name for strike in strikes if not strike.fault.kind.instead or strike is first
        ]
        if first is not None and first.fault.kind.instead is not None:
            answer = first.fault.kind.instead(first)
            answer.operation, answer.collection = asked.operation or None, asked.collection
        else:
            with _passed_over(strikes):
                answer = otherwise()
        for strike in strikes:
            if strike.fault.kind.change and (answer.status == _OK or asked.token):
                answer = strike.fault.kind.change(strike, answer)
        return answer, names

    def _asked(self, method: str, path: str, query: str) -> Asked:
        words = dict(parse_qsl(query, keep_blank_values=True))
        if path == self._token_path:
            return Asked(method, path, words, token=True)
        try:
            route, _ = self._tenant.routes.find(method, path)
        except AnswerError:
            return Asked(method, path, words)
        return Asked(method, path, words, route.key, route.collection)


@contextmanager
def _passed_over(strikes: Sequence[Strike]) -> Iterator[None]:
    """Within, the feed that is asked passes over the rows that a fault hides."""
    hidden = [partial(each.fault.kind.unseen, each) for each in strikes if each.fault.kind.unseen]
    asked = strikes[0].asked.collection if hidden else ""
    if not asked:
        yield
        return
    table = strikes[0].tenant.table(asked)
    table.unseen = lambda row: any(hides(row) for hides in hidden)
    try:
        yield
    finally:
        table.unseen = None


def _parameters(kind: Kind, facts: Mapping[str, Any]) -> dict[str, Any]:
    unknown = facts.keys() - kind.parameters.keys() - _RULE.keys() - {"kind"}
    if unknown:
        known = ", ".join([*kind.parameters, *_RULE])
        raise bad(min(unknown), f"The fault {kind.name} has no {min(unknown)}; it has {known}.")
    given = {}
    for name, default in kind.parameters.items():
        wanted = (int, float) if isinstance(default, float) else type(default)
        given[name] = _fit(name, facts[name], wanted) if name in facts else default
        if name in kind.choices and given[name] not in kind.choices[name]:
            raise bad(name, f"The {name} is one of {', '.join(kind.choices[name])}.")
    return given


def _fit(name: str, value: Any, wanted: type | tuple[type, ...]) -> Any:
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise bad(name, f"The value {value!r} is not valid for {name}.")
    return value
