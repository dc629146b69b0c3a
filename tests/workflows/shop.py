"""A shop whose records go through the merge, so that its rows, history and events are real ones."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from perfectcatch.store.merging import mirror
from perfectcatch.store.merging.mirror import Batch
from perfectcatch.store.pool import Pool
from perfectcatch.vendors.servicetitan.entities import BY_NAME

MONDAY = datetime(2026, 6, 1, 15, tzinfo=UTC)  # 9 o'clock in Denver
PHONE = "303-555-0142"


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@dataclass
class Shop:
    pool: Pool
    tenant: int

    async def merge(self, entity: str, *records: dict[str, Any]) -> None:
        documents = [json.dumps(each).encode() for each in records]
        batch = Batch(tenant_id=self.tenant, entity=BY_NAME[entity], entities=BY_NAME, records=documents)
        outcome = await mirror.merge(self.pool, batch)
        assert not outcome.quarantined, outcome

    async def customer(self, st_id: int, name: str = "Lee, Ann", **values: Any) -> None:
        """A customer of Denver with a telephone, an email address and a place of the same id."""
        address = {"street": "1 Main", "city": "Denver", "state": "CO", "zip": "80202"}
        dated = {"active": True, "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-01-02T00:00:00Z"}
        record = {"id": st_id, "name": name, "type": "Residential", "address": address, **dated, **values}
        await self.merge("customers", record)
        await self.merge("locations", {"id": st_id, "customerId": st_id, "address": address, **dated})
        number = f"303-555-{100 + st_id % 900:04}"
        await self.merge(
            "customer_contacts",
            {"id": st_id * 10, "customerId": st_id, "type": "MobilePhone", "value": number, **dated},
            {
                "id": st_id * 10 + 1,
                "customerId": st_id,
                "type": "Email",
                "value": f"c{st_id}@example.com",
                **dated,
            },
        )

    async def job(
        self, st_id: int, customer: int, at: datetime, status: str = "Scheduled", **values: Any
    ) -> None:
        record = {
            "id": st_id,
            "jobNumber": str(st_id),
            "customerId": customer,
            "locationId": customer,
            "jobStatus": status,
            "total": 400,
            "createdOn": iso(at - timedelta(hours=3)),
            "modifiedOn": iso(at),
            "active": True,
            **({"completedOn": iso(at)} if status == "Completed" else {}),
            **values,
        }
        await self.merge("jobs", record)

    async def estimate(
        self, st_id: int, job: int, customer: int, at: datetime, status: str = "Open", **values: Any
    ) -> None:
        record = {
            "id": st_id,
            "jobId": job,
            "customerId": customer,
            "locationId": customer,
            "status": {"value": 0, "name": status},
            "subtotal": 900,
            "tax": 0,
            "createdOn": iso(values.pop("created", at)),
            "modifiedOn": iso(at),
            "soldOn": iso(at) if status == "Sold" else None,
            "active": True,
            **values,
        }
        await self.merge("estimates", record)

    async def assigned(self, st_id: int, job: int, visit: int, at: datetime, name: str = "Bo Hill") -> None:
        record = {
            "id": st_id,
            "technicianId": 7,
            "technicianName": name,
            "jobId": job,
            "appointmentId": visit,
            "status": "Done",
            "assignedOn": iso(at),
            "createdOn": iso(at),
            "modifiedOn": iso(at),
            "active": True,
        }
        await self.merge("appointment_assignments", record)
