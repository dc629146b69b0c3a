"""An office that sends: a desk with vendors that keep a ledger, customers in the mirror, and a clock."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from perfectcatch.kit.clock import FakeClock
from perfectcatch.messaging import gate
from perfectcatch.messaging.desk import Company, Desk
from perfectcatch.model.messaging import (
    Channel,
    Decision,
    Intent,
    Mail,
    Purpose,
    Receipt,
    Received,
    Status,
    Text,
)
from perfectcatch.store.merging import mirror
from perfectcatch.store.merging.mirror import Batch
from perfectcatch.store.messages import people
from perfectcatch.store.pool import Pool, transaction
from perfectcatch.vendors.servicetitan.entities import BY_NAME

NOON = datetime(2026, 6, 10, 18, tzinfo=UTC)  # a Wednesday, 12:00 in Denver
NUMBER = "+13035550142"  # Denver
ADDRESS = "ann@example.com"


class Carrier:
    """A vendor of texts and emails. ``answers`` says what becomes of each; by default it is taken."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.texts: list[Text] = []
        self.mails: list[Mail] = []
        self.times: list[datetime] = []
        self.answer: Callable[[Any], Receipt | Exception] | None = None

    async def send(self, message: Any) -> Receipt:
        ledger: list[Any] = self.texts if isinstance(message, Text) else self.mails
        answer = self.answer(message) if self.answer else None
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        ledger.append(message)
        self.times.append(self.clock.now())
        return answer or Receipt(vendor_id=f"V{message.reference}", status=Status.SENT, segments=1)

    async def find(self, message: Any, *, since: datetime) -> Receipt | None:
        if not isinstance(message, Text) or message.reference not in {each.reference for each in self.texts}:
            return None
        return Receipt(vendor_id=f"V{message.reference}", status=Status.SENT, segments=1)

    async def received(self, *, since: datetime) -> list[Received]:
        return []


@dataclass
class Counter:
    desk: Desk
    clock: FakeClock
    carrier: Carrier
    numbers: int = field(default=0)

    @property
    def pool(self) -> Pool:
        return self.desk.pool

    @property
    def tenant(self) -> int:
        return self.desk.tenant_id

    def intent(self, **values: Any) -> Intent:
        self.numbers += 1
        usual: dict[str, Any] = {
            "key": f"intent {self.numbers}",
            "channel": Channel.SMS,
            "purpose": Purpose.SERVICE,
            "recipient": NUMBER,
            "body": f"Message {self.numbers} for you.",
        }
        return Intent(**{**usual, **values})

    async def send(self, **values: Any) -> Decision:
        return await gate.send(self.desk, self.intent(**values))

    def ruled(self, **rules: Any) -> None:
        self.desk = replace(self.desk, rules=replace(self.desk.rules, **rules))

    async def rows(self, query: str, *values: Any) -> list[Any]:
        async with self.pool.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def log(self, columns: str = "status, reason") -> list[Any]:
        query = f"select {columns} from automation.messaging_log where tenant_id = %s order by id"
        return await self.rows(query, self.tenant)

    async def customer(self, st_id: int, *contacts: dict[str, Any], **values: Any) -> int:
        """A customer of Denver with contacts."""
        record = {
            "id": st_id,
            "active": True,
            "name": "Ann Lee",
            "type": "Residential",
            "address": {"street": "1 Main", "city": "Denver", "state": "CO", "zip": "80202"},
            "createdOn": "2026-01-01T00:00:00Z",
            "modifiedOn": "2026-01-02T00:00:00Z",
            **values,
        }
        await self.merge("customers", record)
        for number, contact in enumerate(contacts):
            await self.merge("customer_contacts", _contact(st_id * 10 + number, "customerId", st_id, contact))
        return st_id

    async def location(self, st_id: int, customer_id: int, state: str, zip_: str = "", **values: Any) -> int:
        record = {
            "id": st_id,
            "customerId": customer_id,
            "active": True,
            "name": "Home",
            "address": {"street": "1 Main", "state": state, "zip": zip_},
            "createdOn": "2026-01-01T00:00:00Z",
            "modifiedOn": "2026-01-02T00:00:00Z",
            **values,
        }
        await self.merge("locations", record)
        return st_id

    async def merge(self, entity: str, *records: dict[str, Any]) -> None:
        documents = [json.dumps(each).encode() for each in records]
        batch = Batch(tenant_id=self.tenant, entity=BY_NAME[entity], entities=BY_NAME, records=documents)
        outcome = await mirror.merge(self.pool, batch)
        assert not outcome.quarantined, outcome

    async def agree(
        self, address: str = NUMBER, channel: str = "sms", given: bool = True, **values: Any
    ) -> None:
        async with transaction(self.pool) as connection:
            await people.add_consent(
                connection,
                self.tenant,
                customer_id=values.get("customer_id"),
                channel=channel,
                address=address,
                purpose="marketing",
                given=given,
                source="form",
                wording="Yes, text me offers.",
                evidence={},
                at=self.clock.now(),
                by="test",
            )


def _contact(st_id: int, owner: str, owner_id: int, contact: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": st_id,
        owner: owner_id,
        "active": True,
        "createdOn": "2026-01-01T00:00:00Z",
        "modifiedOn": "2026-01-02T00:00:00Z",
        **contact,
    }


def mobile(number: str = NUMBER, **values: Any) -> dict[str, Any]:
    return {"type": "MobilePhone", "value": number, **values}


def email(address: str = ADDRESS, **values: Any) -> dict[str, Any]:
    return {"type": "Email", "value": address, **values}


def open_counter(pool: Pool, *, tenant: int, start: datetime = NOON) -> Counter:
    clock = FakeClock(start)
    carrier = Carrier(clock)
    company = Company(
        name="Perfect Air",
        postal_address="1 Main Street, Denver CO 80202",
        phone="+13035550100",
        public_url="https://office.example",
        secret="s" * 40,
    )
    desk = Desk(pool=pool, tenant_id=tenant, clock=clock, company=company, messenger=carrier, mailer=carrier)
    return Counter(desk, clock, carrier)
