"""A shop with deals: what is merged becomes events, and events become opportunities in a CRM in memory."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deals.memory_crm import Memory
from perfectcatch.deals import rules, working
from perfectcatch.deals.desk import Deals
from perfectcatch.deals.dispatch import settle
from perfectcatch.kit.clock import FakeClock
from perfectcatch.model.crm import Opportunity
from perfectcatch.store.pool import Pool
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from workflows.shop import MONDAY, Shop, iso

RULES = rules.read()


@dataclass
class Dealer:
    shop: Shop
    crm: Memory
    clock: FakeClock
    deals: Deals

    @classmethod
    def new(cls, pool: Pool, tenant: int, **crm: Any) -> "Dealer":
        clock = FakeClock(MONDAY)
        memory = Memory(clock, **crm)
        deals = Deals(pool=pool, tenant_id=tenant, clock=clock, entities=BY_NAME, crm=memory, rules=RULES)
        return cls(Shop(pool, tenant), memory, clock, deals)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def run(self) -> None:
        """Deal with every event, and with everything that is due or that was refused."""
        await settle(self.deals)
        await self.due()
        await working.drain(self.deals, side_by_side=1)  # so that a history is the same every time

    async def due(self) -> None:
        """The database's clock is not ours: what waits for a moment is due now."""
        await self.rows(
            "update integrations.deal_queue set next_try_at = now() - interval '1 second'"
            " where tenant_id = %s returning 1"
        )

    def pass_by(self, **span: float) -> None:
        self.clock.advance(timedelta(**span).total_seconds())

    async def rows(self, query: str, *values: Any) -> list[Any]:
        async with self.deals.pool.connection() as connection:
            return await (await connection.execute(query, (self.deals.tenant_id, *values))).fetchall()

    async def waiting(self) -> list[Any]:
        return await self.rows(
            "select st_customer_id, error, cause, attempts from integrations.deal_queue where tenant_id = %s"
        )

    def places(self) -> list[tuple[str, str]]:
        """Stage and status of every opportunity, in the order of their creation."""
        return [(self.crm.stage_of(each), each.status.value) for each in self.all()]

    def all(self) -> list[Opportunity]:
        return sorted(self.crm.opportunities.values(), key=lambda each: each.id)

    async def visit(
        self, st_id: int, job: int, customer: int, at: datetime, status: str = "Scheduled"
    ) -> None:
        record = {
            "id": st_id,
            "jobId": job,
            "customerId": customer,
            "appointmentNumber": str(st_id),
            "start": iso(at),
            "end": iso(at + timedelta(hours=2)),
            "arrivalWindowStart": iso(at),
            "arrivalWindowEnd": iso(at + timedelta(hours=2)),
            "status": status,
            "createdOn": iso(at),
            "modifiedOn": iso(self.now),
            "active": True,
            "unused": False,
        }
        await self.shop.merge("appointments", record)

    async def unit(self, st_id: int, name: str) -> None:
        record = {
            "id": st_id,
            "name": name,
            "active": True,
            "createdOn": "2026-01-01T00:00:00Z",
            "modifiedOn": "2026-01-02T00:00:00Z",
        }
        await self.shop.merge("business_units", record)

    async def begin(self) -> None:
        """From now on events count."""
        await settle(self.deals)


class Collecting(Shop):
    """Merges what was collected, in few steps."""

    def __init__(self, pool: Pool, tenant: int) -> None:
        super().__init__(pool, tenant)
        self.kept: dict[str, dict[int, dict[str, Any]]] = {}

    async def merge(self, entity: str, *documents: dict[str, Any]) -> None:
        self.kept.setdefault(entity, {}).update({each["id"]: each for each in documents})

    async def flush(self) -> None:
        for entity, documents in self.kept.items():
            listed = list(documents.values())
            for start in range(0, len(listed), 500):
                await super().merge(entity, *listed[start : start + 500])
        self.kept = {}
