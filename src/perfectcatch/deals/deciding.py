"""Field by field: what is written, what is left to people, and what is listed as a conflict. Pure.

Our records own stage, status, value, name and our own custom fields of an opportunity. A person's move
forward is respected until something new happens on our side; what else people change in these fields is
written again, and listed. Everything else in the CRM is theirs and is never touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from perfectcatch.deals.mapping import Stages, plain
from perfectcatch.deals.rules import Forward
from perfectcatch.model.crm import ContactChange, DealStatus, Opportunity, OpportunityChange
from perfectcatch.model.deals import Marks, Spot, Wanted

Texts = Mapping[str, str | None]

STAGE: Final = "stage"
STATUS: Final = "status"
VALUE: Final = "value"
NAME: Final = "name"
ESTIMATE_FIELD: Final = "st_estimate_id"
TECHNICIANS_FIELD: Final = "techs"
DEAL_FIELD: Final = "st_deal"  # the deal's name, by which we know again what we created
CUSTOM: Final = (ESTIMATE_FIELD, TECHNICIANS_FIELD, DEAL_FIELD)
GONE: Final = "opportunity"  # a field of conflicts: a person deleted the whole of it
OURS: Final = "ours"
THEIRS: Final = "theirs"
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A person changed what follows from our records; ``kept``: whose value stands."""

    field: str
    ours: str | None
    theirs: str | None
    kept: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """``changes``: what to write, by field. ``marks``: what is to be kept once that is written."""

    changes: Texts
    marks: Marks
    conflicts: tuple[Conflict, ...] = ()
    agreed: tuple[str, ...] = ()  # fields in which both sides say the same


def texts_wanted(wanted: Wanted, spot: Spot) -> Texts:
    """What an opportunity should say, by field; None is left as it is."""
    return {
        STAGE: f"{spot.pipeline_id}/{spot.stage.id}",
        STATUS: wanted.status.value,
        VALUE: _money(wanted.value),
        NAME: wanted.name,
        ESTIMATE_FIELD: str(wanted.estimate_id) if wanted.estimate_id is not None else None,
        TECHNICIANS_FIELD: wanted.technicians or None,
        DEAL_FIELD: wanted.key,
    }


def texts_seen(opportunity: Opportunity, fields: Mapping[str, str]) -> Texts:
    """What an opportunity says; ``fields``: our custom fields' ids by their names."""
    custom = {name: _text(opportunity.custom.get(fields[name])) for name in CUSTOM if name in fields}
    return {
        STAGE: f"{opportunity.pipeline_id}/{opportunity.stage_id or ''}",
        STATUS: opportunity.status.value,
        VALUE: _money(opportunity.value),
        NAME: opportunity.name,
        **custom,
    }


def is_written(want: Texts, marks: Marks) -> bool:
    """Whether all of it was written or agreed to before, so that the CRM need not be asked."""
    return marks.opportunity_id is not None and marks.pending is None and is_said(want, marks)


def is_said(want: Texts, marks: Marks) -> bool:
    """Whether nothing new is to be said. That a deal has another name is no news by itself."""
    return all(
        _same(name, marks.written.get(name), value)
        for name, value in want.items()
        if value and name != DEAL_FIELD
    )


def decide(want: Texts, seen: Texts, marks: Marks, stages: Stages, forward: Forward) -> Decided:
    """Compare what should be said, what is said, and what we wrote last."""
    written, conceded = dict(marks.written), dict(marks.conceded)
    changes: dict[str, str | None] = {}
    conflicts: list[Conflict] = []
    agreed: list[str] = []
    adopted = NAME not in marks.written  # a name is always written
    for name, value in want.items():
        if value is None or name not in seen:
            continue
        theirs, new = seen[name], not _same(name, marks.written.get(name), value)
        if _same(name, theirs, value):
            agreed.append(name)
            conceded.pop(name, None)
        elif name in conceded and not new and conceded[name] == theirs:
            pass  # known already
        elif (adopted and name in (NAME, VALUE) and _persons(name, theirs, marks)) or (
            name in (STAGE, STATUS) and _concedes(name, value, theirs, marks, new, want, stages, forward)
        ):
            conceded[name] = theirs
            conflicts.append(_conflict(name, value, theirs, THEIRS, stages))
        else:
            changes[name] = value
            if conceded.pop(name, None) is not None:
                agreed.append(name)  # something new has happened
            if _touched(name, theirs, marks) or (name == VALUE and _persons(name, theirs, marks)):
                conflicts.append(_conflict(name, value, theirs, OURS, stages))
        written[name] = value
    return Decided(
        changes=changes,
        marks=replace(marks, written=written, conceded=conceded, pending=None),
        conflicts=tuple(conflicts),
        agreed=tuple(agreed),
    )


def answered(marks: Marks, changes: Texts, seen: Texts) -> Marks:
    """Marks after a write: what the CRM spells in its own way is not taken for a person's change."""
    own_way = {
        name: seen[name]
        for name, value in changes.items()
        if name in seen and not _same(name, seen[name], value)
    }
    return replace(marks, conceded={**marks.conceded, **own_way})


def _touched(name: str, theirs: str | None, marks: Marks) -> bool:
    """Whether somebody else than we has written what is there."""
    if name not in marks.written:
        return False
    ours = [marks.written[name], *([marks.pending[name]] if marks.pending and name in marks.pending else [])]
    known = marks.conceded.get(name)
    return theirs != known and not any(_same(name, theirs, each) for each in ours)


def _concedes(
    name: str,
    ours: str,
    theirs: str | None,
    marks: Marks,
    new: bool,
    want: Texts,
    stages: Stages,
    forward: Forward,
) -> bool:
    touched = _touched(name, theirs, marks)
    left = name in marks.conceded and marks.conceded[name] == theirs
    if forward == "overwrite" or not (touched or _first(name, theirs, marks) or left):
        return False
    if touched and marks.pending is not None and _same(name, marks.pending.get(name), ours):
        new = False  # it was being written already, and a person has moved it since
    if name == STATUS:
        return not new and not _first(name, theirs, marks)
    ends = want.get(STATUS) != DealStatus.OPEN.value
    if (ends and new) or theirs is None:
        return False
    here, there = ours.partition("/"), theirs.partition("/")
    if here[0] != there[0]:
        return not new and not _first(name, theirs, marks)
    mine, other = stages.position(here[2]), stages.position(there[2])
    return mine is not None and other is not None and other > mine


def _first(name: str, theirs: str | None, marks: Marks) -> bool:
    """Whether we meet a value for the first time that is not of our own creating."""
    ours = marks.pending is not None and _same(name, theirs, marks.pending.get(name))
    return name not in marks.written and not ours


def _persons(name: str, theirs: str | None, marks: Marks) -> bool:
    """Whether a name or value that we meet for the first time was set by a person; 0 is the CRM's nothing."""
    return theirs not in (None, "", "0.00") and _first(name, theirs, marks)


def _conflict(name: str, ours: str, theirs: str | None, kept: str, stages: Stages) -> Conflict:
    said = _shown(name, theirs, stages)
    should = _shown(name, ours, stages)
    what = "is left there until something new happens" if kept == THEIRS else f"was set to {should} again"
    return Conflict(
        field=name,
        ours=ours,
        theirs=theirs,
        kept=kept,
        sentence=f"Somebody set {name} to {said}, and our records say {should}: it {what}.",
    )


def _shown(name: str, value: str | None, stages: Stages) -> str:
    if name != STAGE or value is None:
        return value or "nothing"
    found = stages.stage(value.partition("/")[2])
    return f"{found[1].name} of {found[0].name}" if found is not None else value


def _same(name: str, one: str | None, other: str | None) -> bool:
    if name == NAME and one is not None and other is not None:
        return " ".join(one.split()) == " ".join(other.split())
    return (one or None) == (other or None)


def _money(value: Decimal | None) -> str | None:
    return None if value is None else str(value.quantize(_CENT))


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)


# What is sent ------------------------------------------------------------------------------------


def change_of(changes: Texts, fields: Mapping[str, str]) -> OpportunityChange:
    """``changes`` as the role takes them; a stage always goes with its pipeline."""
    pipeline, _, stage = (changes.get(STAGE) or "").partition("/")
    value, status = changes.get(VALUE), changes.get(STATUS)
    return OpportunityChange(
        name=changes.get(NAME),
        pipeline_id=pipeline or None,
        stage_id=stage or None,
        status=DealStatus(status) if status else None,
        value=Decimal(value) if value is not None else None,
        custom={fields[name]: changes[name] for name in CUSTOM if name in changes and name in fields},
    )


# Contacts ------------------------------------------------------------------------------------------

_OWN: Final = ("first_name", "last_name", "email", "phone", "address", "city", "state", "postal_code")
CUSTOMER_FIELD: Final = "st_customer_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactDecided:
    """``changes``: what to write; ``written``: what we have written after that, by field."""

    changes: Texts = field(default_factory=dict)
    written: Texts = field(default_factory=dict)


def decide_contact(want: Texts, seen: Texts, written: Texts, pending: Texts | None) -> ContactDecided:
    """People own a contact: we fill what is empty, keep current what we filled, and write our own number."""
    changes: dict[str, str | None] = {}
    kept = dict(written)
    for name, value in want.items():
        if value is None:
            continue
        theirs = seen.get(name)
        ours = [written.get(name), (pending or {}).get(name)]
        if _alike(name, theirs, value):
            kept[name] = value
        elif theirs is None and name != CUSTOMER_FIELD and _alike(name, written.get(name), value):
            continue  # a person took it away
        elif name == CUSTOMER_FIELD or theirs is None or any(_alike(name, theirs, each) for each in ours):
            changes[name] = value
            kept[name] = value
    return ContactDecided(changes=changes, written=kept)


def contact_change_of(changes: Texts, field_id: str | None) -> ContactChange:
    """``changes`` as the role takes them."""
    custom = {field_id: changes[CUSTOMER_FIELD]} if field_id and CUSTOMER_FIELD in changes else {}
    return ContactChange(**{name: changes[name] for name in _OWN if name in changes}, custom=custom)


def _alike(name: str, one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    if name == "phone":
        return digits(one) == digits(other)
    return plain(one) == plain(other) if name != "email" else one.strip().lower() == other.strip().lower()


def digits(phone: str | None) -> str:
    """The last ten digits of a number, which are all that spellings of it have in common."""
    return "".join(each for each in phone or "" if each.isdigit())[-10:]


def is_blank(marks: Marks) -> bool:
    """Whether a deal has no opportunity, awaits none, and nobody deleted one of it."""
    return marks.opportunity_id is None and marks.creating_at is None and GONE not in marks.conceded


def showing(marks: Mapping[str, Marks]) -> tuple[set[str], set[str]]:
    """Deals that have an opportunity, and those whose opportunity a person deleted."""
    own = {key for key, mark in marks.items() if mark.opportunity_id is not None}
    return own, {key for key, mark in marks.items() if GONE in mark.conceded} - own
