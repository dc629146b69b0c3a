"""Which pipeline the deals of a business unit use: shown, and set by name or id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from perfectcatch.deals.desk import Deals
from perfectcatch.deals.mapping import Stages, plain
from perfectcatch.errors import BadArgument, NothingKnown
from perfectcatch.model.crm import Pipeline
from perfectcatch.model.deals import Step
from perfectcatch.store.deals import queue
from perfectcatch.store.deals import units as kept
from perfectcatch.store.deals.queue import Mark
from perfectcatch.store.deals.units import UnitRow
from perfectcatch.store.pool import transaction

_SHOWN: Final = 20
_LEAST: Final = 2  # stages that stand for steps: the first of any pipeline may stand for one


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A business unit with its pipeline, and how many customers' deals are looked at because of it."""

    st_id: int
    name: str
    pipeline_id: str | None
    pipeline_name: str | None
    customers: int = 0


async def chosen(deals: Deals) -> list[Chosen]:
    """Every business unit with the pipeline that it uses; without one it uses SALES and INSTALL."""
    names = {each.id: each.name for each in (await deals.stages()).pipelines}
    return [
        Chosen(
            st_id=each.st_id,
            name=each.name,
            pipeline_id=each.pipeline_id,
            pipeline_name=names.get(each.pipeline_id or ""),
        )
        for each in await kept.units(deals.pool, deals.tenant_id, deals.entities)
    ]


async def choose(deals: Deals, unit: str, pipeline: str | None) -> Chosen:
    """Let a business unit's deals use a pipeline, both given by id or name; None: those of everybody.

    Its deals are looked at and move. Raises NothingKnown for a business unit that is not there, BadArgument
    for a name that several have, and for a pipeline that the account lacks or that has no stage for a deal.
    """
    deals.forget()  # the pipeline may just have been added
    row = _unit(await kept.units(deals.pool, deals.tenant_id, deals.entities), unit)
    found = _pipeline(await deals.stages(), pipeline) if pipeline is not None else None
    its_id = found.id if found is not None else None
    customers: list[int] = []
    if its_id != row.pipeline_id:
        async with transaction(deals.pool) as connection:
            await kept.put_pipeline(connection, deals.tenant_id, deals.entities, row.st_id, its_id)
            customers = await kept.customers_of(connection, deals.tenant_id, deals.entities, row.st_id)
            marks = [Mark(customer_id=each, reason="pipeline_chosen") for each in customers]
            await queue.want(connection, deals.tenant_id, marks)
    return Chosen(
        st_id=row.st_id,
        name=row.name,
        pipeline_id=its_id,
        pipeline_name=found.name if found is not None else None,
        customers=len(customers),
    )


def told(unit: Chosen) -> dict[str, Any]:
    """A business unit and the pipeline that its deals use, as commands and routes tell it."""
    return {
        "business_unit_id": unit.st_id,
        "name": unit.name,
        "ghl_pipeline_id": unit.pipeline_id,
        "pipeline_name": unit.pipeline_name,
    }


def shown(stages: Stages) -> list[dict[str, Any]]:
    """Pipelines of the account, and which step of a deal each stage stands for."""
    steps = {spot.stage.id: step.value for step, spot in stages.spots.items()}
    return [
        {
            "id": each.id,
            "name": each.name,
            "stages": [
                {
                    "id": stage.id,
                    "name": stage.name,
                    "position": stage.position,
                    "stands_for": steps.get(stage.id),
                }
                for stage in each.stages
            ],
        }
        for each in stages.pipelines
    ]


def missing(stages: Stages) -> list[str]:
    """Steps that no stage stands for."""
    return [step.value for step in Step if step not in stages.spots]


def _unit(rows: Sequence[UnitRow], said: str) -> UnitRow:
    fitting = [each for each in rows if str(each.st_id) == said.strip()]
    fitting = fitting or [each for each in rows if plain(each.name) == plain(said)]
    if not fitting:
        there = ", ".join(each.name for each in rows[:_SHOWN]) or "none has been read yet"
        raise NothingKnown(f"There is no business unit {said!r}: {there}.")
    if len(fitting) > 1:
        ids = ", ".join(str(each.st_id) for each in fitting)
        raise BadArgument(f"Several business units are called {said!r}: give one of the ids {ids}.")
    return fitting[0]


def _pipeline(stages: Stages, said: str) -> Pipeline:
    fitting = [each for each in stages.pipelines if each.id == said.strip()]
    fitting = fitting or [each for each in stages.pipelines if plain(each.name) == plain(said)]
    if not fitting:
        there = ", ".join(each.name for each in stages.pipelines) or "none"
        raise BadArgument(f"The account has no pipeline {said!r}: it has {there}.")
    if len(fitting) > 1:
        ids = ", ".join(each.id for each in fitting)
        raise BadArgument(f"Several pipelines are called {said!r}: give one of the ids {ids}.")
    if len(stages.of_units.get(fitting[0].id, ())) < _LEAST:
        raise BadArgument(
            f"Hardly a stage of the pipeline {fitting[0].name!r} is called as a step of a deal is: name them "
            "so, or say in GHL_RULES_FILE how steps are called."
        )
    return fitting[0]
