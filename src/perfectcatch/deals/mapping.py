"""Which stage of the account stands for which step, found by name or by the beginning of an id."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from perfectcatch.deals.rules import Names, Rules
from perfectcatch.model.crm import Pipeline, Stage
from perfectcatch.model.deals import STEPS, Spot, Step, Track, Unit

_BY_ID: Final = "id:"
# A stage that an account lacks is stood for by the one before; a pipeline by where a deal was till then.
_INSTEAD: Final[Mapping[Step, Step]] = {
    Step.CONTACTED: Step.NEW_LEAD,
    Step.APPOINTMENT_SCHEDULED: Step.CONTACTED,
    Step.PROPOSAL_SENT: Step.APPOINTMENT_SCHEDULED,
    Step.FOLLOW_UP: Step.PROPOSAL_SENT,
    Step.READY_FOR_INSTALL: Step.JOB_SOLD,
    Step.INSTALL_SCHEDULED: Step.READY_FOR_INSTALL,
    Step.INSTALL_COMPLETE: Step.INSTALL_SCHEDULED,
    Step.PAID: Step.INSTALL_COMPLETE,
    Step.NURTURE: Step.CONTACTED,
    Step.REVIEW: Step.JOB_SOLD,
}
_NEEDED: Final = (Step.NEW_LEAD, Step.JOB_SOLD, Step.ESTIMATE_LOST)
_TRACK_OF: Final = {step: track for track, steps in STEPS.items() for step in steps}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A row of the mapping as it was found before: an id goes on meaning its step when it is renamed."""

    track: Track
    step: Step
    pipeline_id: str
    stage_id: str
    pipeline_name: str
    stage_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Every stage that stands for a step, and all pipelines of the account."""

    spots: Mapping[Step, Spot] = field(default_factory=dict)
    pipelines: tuple[Pipeline, ...] = ()
    of_units: Mapping[str, Mapping[Step, Spot]] = field(default_factory=dict)  # by id of a pipeline

    def spot(self, step: Step, unit: Unit | None = None) -> Spot | None:
        """Where a deal at ``step`` belongs; the pipeline of its business unit goes first. None: nowhere."""
        own = self.of_units.get(unit.pipeline_id) if unit is not None and unit.pipeline_id else None
        here: Step | None = step
        while here is not None:
            if own is not None and here in own:
                return own[here]
            if here in self.spots and (own is None or _TRACK_OF[here] is not Track.SALES):
                return self.spots[here]
            here = _INSTEAD.get(here)
        return self.spots.get(step)

    def stage(self, stage_id: str | None) -> tuple[Pipeline, Stage] | None:
        """A stage by its id, with its pipeline."""
        for pipeline in self.pipelines:
            for stage in pipeline.stages:
                if stage.id == stage_id:
                    return pipeline, stage
        return None

    def names(self, stage_id: str | None) -> tuple[str | None, str | None]:
        """How a stage's pipeline and the stage are called."""
        place = self.stage(stage_id)
        return (None, None) if place is None else (place[0].name, place[1].name)

    def track(self, pipeline_id: str) -> Track | None:
        """What a pipeline is for; one of a business unit stands for SALES."""
        if pipeline_id in self.of_units:
            return Track.SALES
        return next(
            (_TRACK_OF[step] for step, spot in self.spots.items() if spot.pipeline_id == pipeline_id), None
        )

    def position(self, stage_id: str | None) -> int | None:
        """How far a stage is in its pipeline."""
        found = self.stage(stage_id)
        return found[1].position if found is not None else None

    @property
    def missing(self) -> tuple[Step, ...]:
        """Steps without which no deal can be written."""
        return tuple(step for step in _NEEDED if step not in self.spots)


def discover(pipelines: Sequence[Pipeline], rules: Rules, known: Iterable[Known] = ()) -> Stages:
    """Find every step's stage: where it was before, if that is still there, else by name."""
    spots: dict[Step, Spot] = {}
    before = {each.step: each for each in known}
    for track in Track:
        names = rules.names[track]
        pipeline = _kept(pipelines, track, before) or _pipeline(pipelines, names.pipeline)
        if pipeline is not None:
            spots |= _steps(pipeline, track, names, before)
    of_units = {each.id: _of_unit(each, rules) for each in pipelines}
    return Stages(spots=spots, pipelines=tuple(pipelines), of_units=of_units)


def renamed(mapping: Stages, known: Iterable[Known]) -> Iterator[str]:
    """A sentence for each stage or pipeline that is called otherwise now, or that is gone."""
    for each in known:
        found = mapping.stage(each.stage_id)
        what = f"{each.stage_name} ({each.step}) of {each.pipeline_name}"
        if found is None:
            yield f"The stage {what} is gone from the account."
        elif (found[0].name, found[1].name) != (each.pipeline_name, each.stage_name):
            yield f"The stage {what} is called {found[1].name} of {found[0].name} now."


def of_name(stages: Stages, rules: Rules, pipeline: str, stage: str) -> Spot | None:
    """A stage by the words of a person: one of the account, or one that stands for a step of that name."""
    track = next((each for each in Track if _means(pipeline, each.value, rules.names[each].pipeline)), None)
    for step in STEPS[track] if track is not None else ():
        if (
            step in stages.spots
            and track is not None
            and _means(stage, step.value, rules.names[track].stages[step])
        ):
            return stages.spots[step]
    found = _pipeline(stages.pipelines, (pipeline,))
    here = _named(found.stages, (stage,)) if found is not None else None
    if found is None or here is None:
        return None
    return Spot(pipeline_id=found.id, pipeline_name=found.name, stage=here)


def _means(said: str, word: str, names: Sequence[str]) -> bool:
    return plain(said) in {plain(word), plain(word.replace("_", " ")), *map(plain, names)}


def plain(name: str) -> str:
    """A name without what people write differently."""
    return " ".join(re.sub(r"[^\w]+", " ", name.replace("&", " and ").casefold()).split())


def _kept(pipelines: Sequence[Pipeline], track: Track, before: Mapping[Step, Known]) -> Pipeline | None:
    ids = {before[step].pipeline_id for step in STEPS[track] if step in before}
    return next((each for each in pipelines if each.id in ids), None)


def _steps(pipeline: Pipeline, track: Track, names: Names, before: Mapping[Step, Known]) -> dict[Step, Spot]:
    found: dict[Step, Spot] = {}
    taken: set[str] = set()
    stages = {stage.id: stage for stage in pipeline.stages}
    for step in STEPS[track]:
        stage = stages.get(before[step].stage_id) if step in before else None
        if stage is None:
            stage = _named([each for each in pipeline.stages if each.id not in taken], names.stages[step])
        if stage is None and step is STEPS[track][0] and track is not Track.SALES and pipeline.stages:
            stage = min(pipeline.stages, key=lambda each: each.position)
        if stage is not None:
            taken.add(stage.id)
            found[step] = Spot(pipeline_id=pipeline.id, pipeline_name=pipeline.name, stage=stage)
    return found


def _of_unit(pipeline: Pipeline, rules: Rules) -> dict[Step, Spot]:
    """A pipeline as a business unit may have one: for its sales or for its installations."""
    sales = _steps(pipeline, Track.SALES, rules.names[Track.SALES], {})
    if len(sales) > 1:
        return sales
    return _steps(pipeline, Track.INSTALL, rules.names[Track.INSTALL], {})


def _pipeline(pipelines: Sequence[Pipeline], names: Sequence[str]) -> Pipeline | None:
    for name in names:
        for each in pipelines:
            if _is(name, each.id, each.name):
                return each
    return None


def _named(stages: Sequence[Stage], names: Sequence[str]) -> Stage | None:
    for name in names:
        fitting = [each for each in stages if _is(name, each.id, each.name)]
        if len(fitting) == 1 or (fitting and not name.startswith(_BY_ID)):
            return fitting[0]
    return None


def _is(name: str, its_id: str, its_name: str) -> bool:
    if name.startswith(_BY_ID):
        return its_id.startswith(name.removeprefix(_BY_ID).rstrip("-"))
    return plain(name) == plain(its_name)
