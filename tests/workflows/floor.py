"""Workflows that run in this process: jobs are taken from the queue of the database one by one."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from messaging.counter import Counter
from perfectcatch.model.workflow import Definition, Mode
from perfectcatch.store.jobs.queue import Jobs
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import definitions
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows.definitions import parse
from perfectcatch.workflows.records import Company
from perfectcatch.workflows.running import dues, worker
from perfectcatch.workflows.running.advance import advance
from perfectcatch.workflows.running.catalogue import Catalogue
from perfectcatch.workflows.running.workshop import Workshop


@dataclass
class Floor:
    counter: Counter
    workshop: Workshop

    @property
    def tenant(self) -> int:
        return self.counter.tenant

    async def enable(self, text: str, mode: Mode = Mode.LIVE) -> Definition:
        definition = parse(text)
        async with transaction(self.workshop.pool) as connection:
            await definitions.put(
                connection, self.tenant, definition, mode=mode, source="imported", by="test"
            )
        self.workshop.catalogue.forget()
        return definition

    async def begin(self) -> None:
        """From now on events count."""
        await worker.settle(self.workshop)

    async def run(self, limit: int = 100) -> int:
        """Deal with all events, due timers and jobs that there are; how many jobs were done."""
        done = 0
        while done < limit:
            await worker.settle(self.workshop)
            await dues.sweep(self.workshop)
            jobs = await self.take()
            if not jobs:
                return done
            self.counter.clock.advance(0.001)  # a job never comes in the same moment as what ordered it
            for arguments in jobs:
                await advance(self.workshop, arguments["instance_id"], arguments.get("happening"))
                done += 1
        raise AssertionError(f"more than {limit} jobs")

    async def take(self) -> list[dict[str, Any]]:
        """Take the jobs of this company out of the queue."""
        rows = await self.counter.rows(
            "delete from procrastinate_jobs j using automation.workflow_instances i "
            "where j.task_name = 'workflows.advance' and j.status = 'todo' and i.tenant_id = %s "
            "and i.id = (j.args ->> 'instance_id')::bigint returning j.args, j.id",
            self.tenant,
        )
        return [args for args, _ in sorted(rows, key=lambda row: row[1])]

    async def later(self, **span: float) -> int:
        """Let time pass, then run."""
        self.counter.clock.advance(timedelta(**span).total_seconds())
        return await self.run()

    async def instances(self, columns: str = "status, reason") -> list[Any]:
        query = f"select {columns} from automation.workflow_instances where tenant_id = %s order by id"
        return await self.counter.rows(query, self.tenant)

    async def steps(self, columns: str = "step, outcome") -> list[Any]:
        return await self.counter.rows(
            f"select {columns} from automation.workflow_step_executions where tenant_id = %s "
            "order by workflow_instance_id, started_at, ended_at, occurrence",
            self.tenant,
        )


def open_floor(counter: Counter, jobs: Jobs) -> Floor:
    workshop = Workshop(
        pool=counter.pool,
        tenant_id=counter.tenant,
        clock=counter.clock,
        entities=BY_NAME,
        company=Company(name="Bluewater Pools", phone="+13035550100", zone="America/Denver"),
        desk=counter.desk,
        jobs=jobs,
        catalogue=Catalogue(counter.pool, counter.tenant, counter.clock),
    )
    worker.declare(workshop)
    return Floor(counter, workshop)


def with_roles(floor: Floor, **roles: Any) -> None:
    """Connect something."""
    floor.workshop = replace(floor.workshop, **roles)
