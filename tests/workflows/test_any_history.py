"""E3: whatever people do through the API, whatever happens and is lost: no effect twice, none after an end.

The company's people use the HTTP API; records come through the merge, messages from people through the door
of the vendor's webhook; workers lose their jobs, a vendor of texts is away or takes a text and does not say
so. At the end everything is mended and time passes: what was begun has ended, or says what it waits for.
"""

import asyncio
import itertools
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from gateway.office import Carrier, Office, open_office
from messaging.counter import NOON
from perfectcatch.errors import OutcomeUnknown, VendorUnavailable
from perfectcatch.messaging import inbound
from perfectcatch.model.messaging import Receipt, Received
from perfectcatch.model.workflow import Mode
from perfectcatch.store import state
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import definitions
from perfectcatch.workflows.definitions import parse
from perfectcatch.workflows.running import worker
from perfectcatch.workflows.running.advance import advance
from perfectcatch.workflows.running.workshop import PLACE

CUSTOMERS = (1, 2, 3)
OURS = "+13035550100"
ASKED = """
name: asked
does: Thanks for a job, asks a person, then writes once more and has it filed.
class: service
trigger: {on: [job_completed]}
key: "'job-' + string(job.id)"
reentry: queued
max_concurrent_per_customer: 2
stop_rules: [reply, gone, opt_out]
templates:
  first: {channel: sms, body: "1 of {{ job.id }}: version 0"}
  second: {channel: sms, body: "2 of {{ job.id }}: version 0"}
steps:
  - {id: first, kind: sms, template: first}
  - {id: noted, kind: task, title: "1 of {{ job.id }}"}
  - {id: may, kind: approval, question: "Again?", within: 2d, outcomes: {refused: end, timeout: end}}
  - {id: rest, kind: wait, for: 1d}
  - {id: second, kind: sms, template: second}
  - {id: filed, kind: task, title: "2 of {{ job.id }}"}
"""
ORDER = ("first", "noted", "may", "rest", "second", "filed")
tenants = itertools.count(61_000)
a_customer, a_draw = st.sampled_from(CUSTOMERS), st.integers(0, 1000)


def number(customer: int) -> str:
    return f"+1303555{customer:04}"


class Unsure(Carrier):
    """Takes a text, or is away, or takes it and breaks off before it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.next: list[str] = []

    async def send(self, message: Any) -> Receipt:
        trouble = self.next.pop(0) if self.next else ""
        if trouble == "away":
            raise VendorUnavailable("It is away.")
        receipt = await super().send(message)
        if trouble == "cut off":
            raise OutcomeUnknown("It broke off.")
        return receipt


class People(RuleBasedStateMachine):
    runner: ClassVar[asyncio.Runner]
    url: ClassVar[str]

    @initialize()
    def opens(self) -> None:
        self.jobs, self.said, self.version = itertools.count(100), itertools.count(1), 0
        self.stopped: dict[str, int] = {}  # texts that a number had got when it ended messages
        self.over: dict[int, int] = {}  # texts of a job when its instance was ended by a person
        self.carrier = Unsure()
        self.run(self._open())
        for customer in CUSTOMERS:
            self.completes(customer, at_once=True)

    async def _open(self) -> None:
        self.stack = AsyncExitStack()
        office = open_office(self.url, tenant=next(tenants), start=NOON)
        self.office: Office = await self.stack.enter_async_context(office)
        desk = self.office.gateway.workshop.desk
        object.__setattr__(desk, "messenger", self.carrier)
        dated = {"active": True, "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": "2026-01-02T00:00:00Z"}
        address = {"street": "1 Main", "city": "Denver", "state": "CO", "zip": "80202"}
        await self.office.merge(
            "customers",
            *({"id": each, "name": "Ann Lee", "type": "Residential", "address": address, **dated}
              for each in CUSTOMERS),
        )  # fmt: skip
        await self.office.merge(
            "customer_contacts",
            *({"id": each, "customerId": each, "type": "MobilePhone", "value": number(each), **dated}
              for each in CUSTOMERS),
        )  # fmt: skip
        await self._put(ASKED)
        await worker.settle(self.office.gateway.workshop)
        self.place = (await state.get(self.office.pool, self.office.tenant, PLACE))[PLACE]

    async def _put(self, text: str) -> None:
        workshop = self.office.gateway.workshop
        async with transaction(workshop.pool) as connection:
            await definitions.put(
                connection, workshop.tenant_id, parse(text), mode=Mode.LIVE, source="imported", by="test"
            )
        workshop.catalogue.forget()

    # What happens ------------------------------------------------------------------------------

    @rule(customer=a_customer, at_once=st.booleans())
    def completes(self, customer: int, *, at_once: bool) -> None:
        job = next(self.jobs)
        record = {"id": job, "jobNumber": str(job), "customerId": customer, "active": True}
        for status, day in (("Scheduled", 1), ("Completed", 2)):
            dated = {"createdOn": "2026-06-01T00:00:00Z", "modifiedOn": f"2026-06-0{day}T00:00:00Z"}
            done = {"completedOn": "2026-06-02T00:00:00Z"} if status == "Completed" else {}
            self.run(self.office.merge("jobs", {**record, "jobStatus": status, **dated, **done}))
        if at_once:
            self.run(self._work())

    @rule()
    def works(self) -> None:
        self.run(self._work())

    @rule(hours=st.sampled_from((1, 3, 13, 25)))
    def passes(self, hours: int) -> None:
        self.office.clock.advance(hours * 3600)
        self.run(self._work())

    @rule()
    def goes_well(self) -> None:
        """A day on which people agree to what they are asked, and the next."""
        self.run(self._work())
        self.run(self._answer("approved"))
        self.passes(1)
        self.passes(25)

    @rule(customer=a_customer, words=st.sampled_from(("STOP", "STOP", "START", "It leaks")))
    def says(self, customer: int, words: str) -> None:
        received = Received(
            vendor_id=f"SM{next(self.said)}", sender=number(customer), to=OURS, body=words,
            at=self.office.clock.now(),
        )  # fmt: skip
        self.run(inbound.take(self.office.gateway.workshop.desk, received))
        if words == "STOP":
            self.stopped.setdefault(number(customer), len(self._texts(number(customer))))
        if words == "START":
            self.stopped.pop(number(customer), None)

    @rule()
    def edits(self) -> None:
        self.version += 1
        self.run(self._put(ASKED.replace("version 0", f"version {self.version}")))

    # What people do ----------------------------------------------------------------------------

    @rule(word=st.sampled_from(("enable", "enable", "enable", "shadow", "disable")))
    def switches(self, word: str) -> None:
        self.run(self.office.send("POST", f"/api/workflows/asked/{word}", None))

    @rule(draw=a_draw, word=st.sampled_from(("pause", "resume", "cancel", "take-over")))
    def changes(self, draw: int, word: str) -> None:
        self.run(self._change(draw, word))

    async def _change(self, draw: int, word: str) -> None:
        found = (await self.office.get("/api/instances"))["data"]
        if found:
            chosen = found[draw % len(found)]
            answer = await self.office.http.post(f"/api/instances/{chosen['id']}/{word}")
            assert answer.status_code in (200, 422), answer.text
            if answer.status_code == 200 and word in ("cancel", "take-over"):
                job = chosen["trigger"]["st_id"]
                self.over.setdefault(job, len(self._of_job(job)))

    @rule(word=st.sampled_from(("approved", "approved", "refused")), at_once=st.booleans())
    def answers(self, word: str, *, at_once: bool) -> None:
        self.run(self._answer(word))
        if at_once:
            self.run(self._work())

    async def _answer(self, word: str) -> None:
        for each in (await self.office.get("/api/approvals"))["data"]:
            await self.office.send("POST", f"/api/approvals/{each['id']}", {"answer": word})

    @rule(draw=a_draw)
    def files(self, draw: int) -> None:
        self.run(self._one_of(draw, "tasks", "/done", None))

    @rule(draw=a_draw)
    def redrives(self, draw: int) -> None:
        self.run(self._one_of(draw, "dead-letters", "/redrive", None))

    async def _one_of(self, draw: int, what: str, then: str, body: Any) -> None:
        found = (await self.office.get(f"/api/{what}"))["data"]
        if found:
            await self.office.send("POST", f"/api/{what}/{found[draw % len(found)]['id']}{then}", body)

    # What goes wrong -----------------------------------------------------------------------------

    @rule(trouble=st.sampled_from(("away", "cut off")))
    def stumbles(self, trouble: str) -> None:
        self.carrier.next.append(trouble)

    @rule()
    def loses_its_jobs(self) -> None:
        self.run(self._lose())

    async def _lose(self) -> None:
        await worker.settle(self.office.gateway.workshop)
        await self._take()

    @rule()
    def reads_all_events_again(self) -> None:
        self.run(self._from_the_beginning())

    async def _from_the_beginning(self) -> None:
        async with transaction(self.office.pool) as connection:
            await state.put(connection, self.office.tenant, PLACE, self.place)
        await self._work()

    # The machine -----------------------------------------------------------------------------------

    def run(self, doing: Any) -> Any:
        found = self.runner.run(doing)
        self._holds()
        return found

    async def _work(self, limit: int = 400) -> None:
        workshop = self.office.gateway.workshop
        self.office.clock.advance(1)
        for _ in range(limit):
            await worker.settle(workshop)
            await worker.sweep(workshop)
            taken = await self._take()
            if not taken:
                return
            for each in taken:
                await advance(workshop, each["instance_id"], each.get("happening"))
        raise AssertionError("it never rests")

    async def _take(self) -> list[dict[str, Any]]:
        rows = await self.office.rows(
            "delete from procrastinate_jobs j using automation.workflow_instances i "
            "where j.task_name = 'workflows.advance' and j.status = 'todo' and i.tenant_id = %s "
            "and i.id = (j.args ->> 'instance_id')::bigint returning j.args, j.id",
            self.office.tenant,
        )
        return [args for args, _ in sorted(rows, key=lambda row: row[1])]

    def _texts(self, to: str) -> list[Any]:
        """What a number was sent by workflows; confirmations of the gate are none of these."""
        return [each for each in self.carrier.taken if each.to == to and " of " in each.body]

    def _of_job(self, job: int) -> list[str]:
        return [each.body[0] for each in self.carrier.taken if f" of {job}:" in each.body]

    def _holds(self) -> None:
        """What has to be true at every moment."""
        sent = Counter(each.body.partition(":")[0] for each in self.carrier.taken if " of " in each.body)
        assert [each for each, times in sent.items() if times > 1] == []
        for to, before in self.stopped.items():
            assert len(self._texts(to)) == before, f"{to} has ended messages"
        for job, before in self.over.items():
            assert len(self._of_job(job)) == before, f"the instance of {job} is over"
        for job in {each.body.split()[2] for each in self.carrier.taken if " of " in each.body}:
            assert self._of_job(int(job.rstrip(":"))) in (["1"], ["1", "2"])

    def teardown(self) -> None:
        try:
            self.switches("enable")
            self.says(CUSTOMERS[0], "STOP")
            for customer in CUSTOMERS:
                self.completes(customer, at_once=True)
            self.run(self._settle())
        finally:
            self.runner.run(self.stack.aclose())

    async def _settle(self) -> None:
        """Nothing fails any more, people resume what they paused, and time passes."""
        self.carrier.next.clear()
        for each in (await self.office.get("/api/instances?status=paused"))["data"]:
            await self.office.send("POST", f"/api/instances/{each['id']}/resume", None)
        for _ in range(8):
            await self._untouched()
            await worker.release(self.office.gateway.workshop)
            await self._work()
            self.office.clock.advance(20 * 3600)
            await self._work()
        tenant = self.office.tenant
        found = await self.office.rows(
            "select id, status, shadow, (trigger ->> 'st_id')::bigint, sentence"
            " from automation.workflow_instances where tenant_id = %s",
            tenant,
        )
        assert [each for each in found if each[1] not in ("ended", "cancelled")] == []
        steps = await self.office.rows(
            "select workflow_instance_id, step, started_at, ended_at from automation.workflow_step_executions"
            " where tenant_id = %s order by workflow_instance_id, started_at, ended_at",
            tenant,
        )
        for _, mine in itertools.groupby(steps, key=lambda each: each[0]):
            names = [each[1] for each in mine]
            assert names == sorted(set(names), key=ORDER.index), list(map(str, steps))
        shadows = {each[3] for each in found if each[2]}
        assert [job for job in shadows if self._of_job(job)] == [], "what is in shadow writes to nobody"
        rows = await self.office.rows(
            "select body, status from automation.messaging_log where tenant_id = %s and not shadow"
            " and workflow is not null",
            tenant,
        )
        kept = dict(rows)
        assert len(kept) == len(rows)
        for each in self.carrier.taken:
            if " of " in each.body:
                assert kept[each.body] in ("sent", "delivered", "unknown")
        titles = await self.office.rows(
            "select title, count(*) from automation.tasks where tenant_id = %s and workflow_instance_id"
            " is not null group by 1 having count(*) > 1",
            tenant,
        )
        assert titles == []
        starts = await self.office.rows(
            "select count(*), count(workflow_instance_id) from automation.workflow_starts"
            " where tenant_id = %s",
            tenant,
        )
        assert starts[0][1] == len(found), "every instance has the trigger that started it"

    async def _untouched(self) -> None:
        """As if some time had passed since instances were written: rows carry the machine's own time."""
        await self.office.rows(
            "update automation.workflow_instances set updated_at = %s - interval '1 hour'"
            " where tenant_id = %s returning 1",
            self.office.clock.now(),
            self.office.tenant,
        )


def histories(url: str, **more: Any) -> None:
    People.url = url
    with asyncio.Runner() as People.runner:
        run_state_machine_as_test(
            People,
            settings=settings(
                deadline=None, derandomize=True, database=None, print_blob=False,
                suppress_health_check=list(HealthCheck), phases=[Phase.generate], **more,
            ),
        )  # fmt: skip


SIZES: list[Any] = [(2, 8), pytest.param(200, 30, marks=pytest.mark.reliability)]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("sequences", "steps"), SIZES)
def test_whatever_people_do(workflows_database: str, sequences: int, steps: int) -> None:
    histories(workflows_database, max_examples=sequences, stateful_step_count=steps)
