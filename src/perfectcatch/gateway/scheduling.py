"""``/scheduling/...``: technicians, teams, zones, kinds of jobs, and the rules of scheduling."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from perfectcatch.errors import BadArgument
from perfectcatch.gateway import answers
from perfectcatch.gateway import scheduling_models as models
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.scheduling import rules as rulebook
from perfectcatch.scheduling.board import SOURCES
from perfectcatch.store.reading import dispatching
from perfectcatch.store.reading.fields import nearest
from perfectcatch.store.reading.freshness import Age

router = APIRouter(prefix="/scheduling", tags=["scheduling"])

_COUNTED: Final = (
    *SOURCES,
    "teams",
    "zones",
    "job_types",
    "technician_skills",
    "appointment_assignments",
    "arrival_windows",
)

Active = Annotated[bool | None, Query(description="`true`: only those that are switched on.")]


@dataclass(frozen=True, slots=True)
class Kept:
    """A list that is remembered, the age of its records, and for how long it has been remembered."""

    value: Any
    age: Age
    seconds: int

    def answer(self, data: Any, **more: Any) -> Response:
        """An answer with ``data``, what was made of the value."""
        head = {"data_as_of": self.age.as_of, "cached_seconds": self.seconds, "data": data}
        return answers.json(head | more, self.age)


async def _cached(
    gateway: Gateway, name: str, sources: tuple[str, ...], make: Callable[[], Awaitable[Any]]
) -> Kept:
    """What ``make`` gives, remembered for a minute."""

    async def dated() -> Any:
        return await gateway.freshness.of(*sources), await make()

    found = await gateway.lists.get(name, dated)
    age, value = found.value
    seconds = None if age.seconds is None else age.seconds + found.age
    return Kept(value, Age(age.as_of, seconds), int(found.age))


def minutes_in(span: timedelta) -> int:
    """Whole minutes."""
    return round(span / timedelta(minutes=1))


def _switched(rows: list[dict[str, Any]], active: bool | None) -> list[dict[str, Any]]:
    return rows if active is None else [row for row in rows if row["active"] is active]


# Lists -----------------------------------------------------------------------------------------


async def _technicians(gateway: Gateway) -> Kept:
    return await _cached(
        gateway,
        "technicians",
        ("technicians", "technician_skills"),
        lambda: dispatching.technicians(gateway.reads, gateway.tenant_id, gateway.entities),
    )


@router.get(
    "/technicians", summary="Technicians with their skills.", response_model=models.Technicians,
    **scoped(Scope.READ),
)  # fmt: skip
async def technicians(request: Request, active: Active = None) -> Response:
    """Everybody, remembered for a minute."""
    kept = await _technicians(gateway_of(request))
    return kept.answer(_switched(kept.value, active))


@router.get(
    "/technicians/by-skills", summary="Technicians with certain skills.", response_model=models.BySkills,
    **scoped(Scope.READ),
)  # fmt: skip
async def by_skills(
    request: Request,
    skills: Annotated[str, Query(min_length=1, max_length=1000, description="Separated by commas.")],
    match: Annotated[Literal["all", "any"], Query(description="Whether all are needed.")] = "all",
    active: Active = True,
) -> Response:
    """Who has all of the skills, or any of them; names in any case."""
    kept = await _technicians(gateway_of(request))
    known = {skill.casefold(): skill for row in kept.value for skill in row["skills"]}
    wanted = list(dict.fromkeys(part.strip() for part in skills.split(",") if part.strip()))
    for skill in wanted:
        if skill.casefold() not in known:
            raise BadArgument(f"Nobody has the skill {skill!r}{nearest(skill, sorted(known.values()))}")
    found = []
    for row in _switched(kept.value, active):
        own = {skill.casefold() for skill in row["skills"]}
        has = [known[skill.casefold()] for skill in wanted if skill.casefold() in own]
        lacks = [known[skill.casefold()] for skill in wanted if skill.casefold() not in own]
        if has and (match == "any" or not lacks):
            found.append(row | {"has": has, "lacks": lacks})
    found.sort(key=lambda row: (-len(row["has"]), row["name"], row["st_id"]))
    return kept.answer(found, skills=sorted(known.values()))


async def _listed(request: Request, name: str, sources: tuple[str, ...], read: Any) -> Response:
    gateway = gateway_of(request)
    kept = await _cached(
        gateway, name, sources, lambda: read(gateway.reads, gateway.tenant_id, gateway.entities)
    )
    return kept.answer(json.loads(kept.value))


@router.get("/teams", summary="Teams.", response_model=models.Teams, **scoped(Scope.READ))
async def teams(request: Request) -> Response:
    """Teams with their technicians, remembered for a minute."""
    return await _listed(request, "teams", ("teams", "technicians"), dispatching.teams)


@router.get("/zones", summary="Zones.", response_model=models.Zones, **scoped(Scope.READ))
async def zones(request: Request) -> Response:
    """Zones with their technicians, remembered for a minute."""
    return await _listed(request, "zones", ("zones", "technicians"), dispatching.zones)


@router.get("/job-types", summary="Kinds of jobs.", response_model=models.JobTypes, **scoped(Scope.READ))
async def job_types(request: Request, active: Active = None) -> Response:
    """Kinds of jobs with how long they take and the skills that they need, remembered for a minute."""
    gateway = gateway_of(request)
    kept = await kinds_of_jobs(gateway)
    rules = await rulebook.in_force(gateway.reads, gateway.tenant_id)
    told = [
        row | {"duration_minutes": minutes_in(rules.duration(row["st_id"], row["duration"]))}
        for row in _switched(kept.value, active)
    ]
    return kept.answer(told)


async def kinds_of_jobs(gateway: Gateway) -> Kept:
    """Kinds of jobs, and how old the list is."""
    return await _cached(
        gateway,
        "job types",
        ("job_types",),
        lambda: dispatching.job_types(gateway.reads, gateway.tenant_id, gateway.entities),
    )


@router.get(
    "/rules", summary="What slots are ranked by.", response_model=models.RulesShown, **scoped(Scope.READ)
)
async def rules(request: Request) -> Response:
    """Each rule with its value, its default and what it does."""
    gateway = gateway_of(request)
    values = (await rulebook.in_force(gateway.reads, gateway.tenant_id)).values
    told = [
        {
            "name": rule.name,
            "value": values[rule.name],
            "default": rule.default,
            "changed": values[rule.name] != rule.default,
            "does": rule.does,
        }
        for rule in rulebook.RULES
    ]
    age = answers.live(gateway)
    return answers.json({"data_as_of": age.as_of, "data": told}, age)


@router.put(
    "/rules/{name}", summary="Change a rule.", response_model=models.RulesShown, **scoped(Scope.WRITE)
)
async def change_rule(
    request: Request, name: Annotated[str, Path(max_length=100)], asked: models.RuleValue
) -> Response:
    """Set a rule; null makes it as by default."""
    gateway = gateway_of(request)
    await rulebook.change(gateway.pool, gateway.tenant_id, name, asked.value)
    return await rules(request)


@router.get(
    "/stats", summary="Numbers of what is scheduled.", response_model=models.Stats, **scoped(Scope.READ)
)
async def stats(request: Request) -> Response:
    """How many records there are of each entity, and how old they are."""
    gateway = gateway_of(request)
    rows = await dispatching.numbers(gateway.reads, gateway.tenant_id, gateway.entities, _COUNTED)
    ages = {name: await gateway.freshness.of(name) for name in _COUNTED}
    oldest = await gateway.freshness.of(*_COUNTED)
    told = [row | {"data_as_of": ages[row["entity"]].as_of} for row in rows]
    return answers.json({"data_as_of": oldest.as_of, "data": told}, oldest)
