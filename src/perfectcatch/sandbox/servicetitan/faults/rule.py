"""One fault: its kind and which requests it strikes. Its seed and the order of requests decide it all."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Any
from zlib import crc32

from perfectcatch.sandbox.servicetitan.answers import Answer
from perfectcatch.sandbox.servicetitan.door import Door
from perfectcatch.sandbox.servicetitan.table import Row
from perfectcatch.sandbox.servicetitan.tenant import Tenant

TOUCHED = 100_000  # records that a fault remembers to have spoiled
_WHOLE = 1 << 32


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as faults see it. ``operation`` and ``collection`` are empty where there is no such route."""

    method: str
    path: str
    query: Mapping[str, str]
    operation: str = ""
    collection: str = ""
    token: bool = False  # it asks for an access token

    def fits(self, pattern: str) -> bool:
        """Whether ``pattern`` names this request: by collection, operation or path; ``*`` is anything.

        A pattern without ``*`` may stand anywhere in the path.
        """
        names = (self.collection, self.operation, self.path)
        return any(fnmatchcase(name, pattern) for name in names) or pattern in self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault: one of the functions does it.

    ``before`` acts before the vendor answers, ``instead`` answers in its place, ``change`` spoils its good
    answer or the way of it, ``unseen`` tells of a row that a feed passes over. ``token``: it strikes calls
    for a token too; ``api``: it strikes the others.
    """

    name: str
    does: str
    parameters: Mapping[str, Any] = field(default_factory=dict)  # with their defaults
    choices: Mapping[str, Collection[str]] = field(default_factory=dict)  # of those that are words
    before: "Callable[[Strike], None] | None" = None
    instead: "Callable[[Strike], Answer] | None" = None
    change: "Callable[[Strike, Answer], Answer] | None" = None
    unseen: "Callable[[Strike, Row], bool] | None" = None
    token: bool = False
    api: bool = True


@dataclass(slots=True, eq=False)
class Fault:
    """A fault that is switched on. Of the requests that fit ``on`` it leaves the first ``after`` alone.

    Of the others it strikes each ``every``-th, or a ``share`` of them by lot, at most ``times`` in all.
    """

    number: int
    kind: Kind
    seed: int
    parameters: Mapping[str, Any]
    on: str = ""
    share: float = 1.0
    every: int = 1
    after: int = 0
    times: int | None = None
    matched: int = 0
    struck: int = 0
    touched: dict[Any, str] = field(default_factory=dict)  # id of a record -> what was done to it
    kept: Any = None  # what the kind carries from one strike to the next

    def strikes(self, asked: Asked) -> bool:
        """Whether this request is struck; counts it."""
        if not (self.kind.token if asked.token else self.kind.api):
            return False
        if self.on and not asked.fits(self.on):
            return False
        self.matched += 1
        turn = self.matched - self.after
        if turn <= 0 or turn % self.every or (self.times is not None and self.struck >= self.times):
            return False
        if self.share < 1 and self.random().random() >= self.share:
            return False
        self.struck += 1
        return True

    def random(self) -> Random:
        """The lot of this moment: the same for the same seed, fault and number of requests."""
        return Random(f"{self.seed}/{self.kind.name}/{self.on}/{self.matched}")

    def chooses(self, key: Any, share: float) -> bool:
        """Whether a record is among the ``share`` that this fault spoils: always the same ones."""
        return self.part_of(key) < share

    def part_of(self, key: Any) -> float:
        """A number from 0 to below 1 that belongs to ``key``: always the same."""
        return crc32(f"{self.seed}/{self.kind.name}/{key}".encode()) / _WHOLE

    def touch(self, key: Any, what: str) -> None:
        """Remember what was done to a record."""
        if len(self.touched) < TOUCHED:
            self.touched[key] = what

    def row(self) -> dict[str, Any]:
        """The fault as the control surface shows it."""
        return {
            "id": self.number,
            "kind": self.kind.name,
            "does": self.kind.does,
            "on": self.on,
            "share": self.share,
            "every": self.every,
            "after": self.after,
            "times": self.times,
            "seed": self.seed,
            **self.parameters,
            "matched": self.matched,
            "struck": self.struck,
            "touched": len(self.touched),
        }


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at work on one request."""

    fault: Fault
    asked: Asked
    tenant: Tenant
    door: Door

    def __getitem__(self, name: str) -> Any:
        """The parameter ``name``."""
        return self.fault.parameters[name]
