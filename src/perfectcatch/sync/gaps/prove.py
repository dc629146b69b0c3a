"""A run that compares entities with the vendor, leaves its result in the tables, and repairs on request."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import structlog

from perfectcatch.errors import CredentialsRejected, PerfectCatchError
from perfectcatch.kit.finishing import last_words
from perfectcatch.model.entity import Entity
from perfectcatch.store import gaps, runs
from perfectcatch.store.gaps import Gap
from perfectcatch.store.locks import open_locks
from perfectcatch.store.merging import census
from perfectcatch.store.pool import plain_errors
from perfectcatch.sync.engine import Engine, owner, told
from perfectcatch.sync.gaps import judge
from perfectcatch.sync.gaps.examine import LATE, Exam, examine
from perfectcatch.sync.gaps.judge import Kind
from perfectcatch.sync.gaps.look import Allowance, Vendor
from perfectcatch.sync.gaps.mend import mend
from perfectcatch.sync.work import Context

MODE = "gaps"
REQUESTS = 400  # of a whole run: ten seconds of the background's share of the vendor's rate
LEAST = 3  # for each entity beside a page of each of its feeds: a count, and looks at what differs

EQUAL = "equal"
EXPLAINED = "explained"  # every difference has a reason that is none of ours
REPAIRED = "repaired"
LOST = "lost"  # something should be here and is not, or is not as it should be
HELD = "held"  # so much is gone at the vendor that a person has to look
UNSURE = "unsure"  # counts differ, and the allowance did not suffice to say why
UNREAD = "unread"  # there has been no complete read yet that could be compared
FAILED = "failed"
GOOD = (EQUAL, EXPLAINED, REPAIRED, UNREAD)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Proof:
    """What a run found."""

    run_id: UUID
    gaps: list[Gap] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether everything is equal, explained, or repaired."""
        return all(gap.verdict in GOOD for gap in self.gaps)


async def prove(
    engine: Engine,
    entities: Iterable[Entity],
    *,
    repair: bool = False,
    requests: int = REQUESTS,
    trigger: str = "command",
) -> Proof:
    """Compare ``entities`` one after the other, in the order of their references, within ``requests``.

    What an entity does not use is there for the next ones. One that fails does not stop the others. Raises
    CredentialsRejected, which would fail them all.
    """
    chosen = list(entities)
    proof = Proof(uuid4())
    tenant_id = engine.source.tenant_id
    await runs.begin(
        engine.pool,
        tenant_id,
        proof.run_id,
        mode=MODE,
        entities=[entity.name for entity in chosen],
        trigger=trigger,
        owner=owner(),
    )
    try:
        held = runs.lock_of(proof.run_id)
        async with (
            open_locks(engine.pool, engine.clock, owner=held) as locks,
            engine.beating(proof.run_id),
        ):
            context = engine.context(proof.run_id, locks)
            left = requests
            for place, entity in enumerate(chosen):
                share = max(LEAST + len(entity.feeds), left // (len(chosen) - place))
                gap = await _prove_one(context, entity, min(share, max(0, left)), repair=repair)
                left -= gap.requests
                await gaps.put(engine.pool, tenant_id, proof.run_id, gap)
                proof.gaps.append(gap)
    except BaseException as error:
        closing = runs.end(engine.pool, tenant_id, proof.run_id, status="interrupted", error=told(error))
        await last_words(closing)
        raise
    bad = next((gap for gap in proof.gaps if gap.verdict not in GOOD), None)
    await runs.end(
        engine.pool,
        tenant_id,
        proof.run_id,
        status="succeeded" if bad is None else "partial",
        error=f"{bad.entity}: {bad.verdict}; {bad.sure}" if bad else None,
    )
    return proof


async def _prove_one(context: Context, entity: Entity, share: int, *, repair: bool) -> Gap:
    allowance = Allowance(share, reserve=share // 4)
    try:
        with plain_errors():
            return await _examined(context, entity, allowance, repair=repair)
    except CredentialsRejected:
        raise  # what refuses one entity would refuse them all
    except PerfectCatchError as error:
        return _without(entity, FAILED, str(error), allowance.used)
    except Exception as error:
        log.exception("an entity could not be compared", entity=entity.name)
        return _without(entity, FAILED, f"Something is wrong with the program: {error!r}.", allowance.used)


async def _examined(context: Context, entity: Entity, allowance: Allowance, *, repair: bool) -> Gap:
    read = await census.last_read(context.pool, context.tenant_id, entity)
    if read is None:
        return _without(entity, UNREAD, "nothing has been read yet", 0)
    exam = Exam(
        context=context,
        entity=entity,
        vendor=Vendor(context.source, entity, allowance),
        as_of=read - LATE,
        draw=random.Random(context.run_id.int),  # every night another sample
    )
    await examine(exam)
    found = _numbers(exam)
    mended, held = await mend(exam) if repair and exam.differences.ids else (0, False)
    verdict = _verdict(exam, mended=mended, held=held)
    if exam.differences.unexplained:
        log.warning(
            "the mirror lacks what the vendor has",
            entity=entity.name,
            **{
                kind.value: exam.differences.ids[kind][: judge.LISTED]
                for kind in judge.UNEXPLAINED
                if kind in exam.differences.ids
            },
        )
    return Gap(
        entity=entity.name,
        verdict=verdict,
        vendor_count=exam.number_there,
        mirror_count=exam.number_here,
        **found,
        unexplained=exam.differences.unexplained,
        repaired=mended,
        compared=exam.compared,
        requests=allowance.used,
        sure=str(exam.sure),
        at_most=exam.sure.at_most,
        details=exam.differences.as_details(),
    )


def _numbers(exam: Exam) -> dict[str, Any]:
    """What was found before anything was repaired."""
    differences = exam.differences
    return {
        "missing": differences.count(*judge.MISSING),
        "gone": differences.count(*judge.GONE),
        "differing": differences.count(*judge.DIFFERENT),
    }


def _verdict(exam: Exam, *, mended: int, held: bool) -> str:
    differences = exam.differences
    if differences.unexplained:
        return LOST
    if held:
        return HELD
    if exam.undecided or differences.count(Kind.UNCHECKED) or not _compared(exam):
        return UNSURE
    if mended:
        return REPAIRED
    return EXPLAINED if differences.ids else EQUAL


def _compared(exam: Exam) -> bool:
    """Whether anything was compared that allows a conclusion."""
    return exam.whole or exam.compared > 0 or exam.pages > 0


def _without(entity: Entity, verdict: str, sure: str, requests: int) -> Gap:
    return Gap(
        entity=entity.name,
        verdict=verdict,
        vendor_count=None,
        mirror_count=0,
        missing=0,
        gone=0,
        differing=0,
        unexplained=0,
        repaired=0,
        compared=0,
        requests=requests,
        sure=sure,
        at_most=None,
        details={},
    )
