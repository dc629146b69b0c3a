"""What everybody needs who makes something happen in the company: dice, records, a way to write."""

from collections.abc import Callable, Mapping
from functools import cached_property
from random import Random
from typing import Any

from perfectcatch.model.endpoint import Kind
from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.company import ids, skus, trades
from perfectcatch.sandbox.servicetitan.life.agenda import Agenda
from perfectcatch.sandbox.servicetitan.life.busy import Busy
from perfectcatch.sandbox.servicetitan.routes import Route
from perfectcatch.sandbox.servicetitan.table import Id, Record
from perfectcatch.sandbox.servicetitan.tenant import Tenant
from perfectcatch.vendors.servicetitan.shapes import Operation

Did = dict[str, Any]
OWN = Route(method="POST", path="/_sandbox/life", kind=Kind.COMMAND, operation=Operation(), collection="")
_DRAWS = 60
_BOOKS = {
    "Service": "pricebook.services",
    "Material": "pricebook.materials",
    "Equipment": "pricebook.equipment",
}


class Desk:
    """The company's own hands. ``random`` belongs to the one thing that happens now."""

    def __init__(self, tenant: Tenant, seed: int) -> None:
        self.tenant = tenant
        self.seed = seed
        self.agenda = Agenda()
        self.busy = Busy()
        self.deleted: list[tuple[str, Id]] = []  # what may be brought back
        self.random = Random(f"{seed}/life")

    def dice(self, *about: object) -> Random:
        """Dice that fall the same way whenever they are thrown for the same thing."""
        return Random("/".join(map(str, (self.seed, "life", *about))))

    def chance(self, share: float) -> bool:
        """True in ``share`` of the cases."""
        return self.random.random() < share

    @property
    def now(self) -> int:
        """The moment, in microseconds."""
        return moments.micros(self.tenant.clock.now())

    def call(self, body: Any = None, **path: object) -> Call:
        """A request as the vendor's own web pages would make it."""
        return Call(self.tenant, OWN, {name: str(value) for name, value in path.items()}, {}, body)

    # Records ------------------------------------------------------------------------------------

    def known(self, collection: str, record_id: Any) -> Record | None:
        """A record that is there and shown; None where it has gone."""
        if record_id is None:
            return None
        row = self.tenant.table(collection).rows.get(record_id)
        return None if row is None or row.hidden else row.record()

    def some(
        self,
        collection: str,
        fits: Callable[[Record], bool] = lambda _: True,
        *,
        lately: float = 0.4,
        active: bool = True,
    ) -> Record | None:
        """A record that fits, from a few drawn; ``lately`` below 1 draws the newest ones more often."""
        rows = self.tenant.table(collection).by_id()
        for _ in range(_DRAWS if rows else 0):
            row = rows[int(len(rows) * self.random.random() ** lately)]
            if row.active is active and not row.merged and not row.hidden and fits(record := row.record()):
                return record
        return None

    def one(self, collection: str, **wanted: Any) -> Record | None:
        """One of the records with these values, all equally likely."""
        (name, value), *others = wanted.items()
        found = self.tenant.find(collection, name, value)
        found = [each for each in found if all(each[key] == what for key, what in others)]
        return self.random.choice(found) if found else None

    # The made-up company's lists ----------------------------------------------------------------

    @cached_property
    def kinds(self) -> list[tuple[int, trades.Kind]]:
        """Job types that can be booked, by their place in ``trades.KINDS``."""
        rows = self.tenant.table("jpm.job_types").rows
        return [(at, kind) for at, kind in enumerate(trades.KINDS) if kind.active and ids.KINDS[at] in rows]

    def kind_of(self, job: Mapping[str, Any]) -> trades.Kind:
        """What kind of work a job is."""
        return self._by_type.get(job["jobTypeId"], trades.KINDS[0])

    @cached_property
    def _by_type(self) -> dict[Id, trades.Kind]:
        return {ids.KINDS[at]: kind for at, kind in enumerate(trades.KINDS)}

    def shelf(self, kind: str, trade: str, division: str = "") -> list[int]:
        """Ids of the articles of a kind (Service, Material, Equipment) and trade that are on sale."""
        rows = self.tenant.table(_BOOKS[kind]).rows
        return [
            number
            for number, sku in self._articles
            if (sku.type, sku.trade) == (kind, trade)
            and sku.division == (division or sku.division)
            and number in rows
            and rows[number].active
        ]

    def article(self, code: str) -> int:
        """The id of an article by the company's own code."""
        return next(number for number, sku in self._articles if sku.code == code)

    @cached_property
    def _articles(self) -> list[tuple[int, skus.Sku]]:
        return [(ids.SKUS[at], sku) for at, sku in enumerate(skus.SKUS)]

    @cached_property
    def tags(self) -> dict[str, int]:
        """Ids of the tags by name."""
        return {row[0]: ids.TAGS[at] for at, row in enumerate(trades.TAGS)}

    @cached_property
    def clerks(self) -> list[int]:
        """Employees who answer the telephone."""
        rows = self.tenant.table("settings.employees").by_id()
        return [row.id for row in rows if row.active and isinstance(row.id, int)]
