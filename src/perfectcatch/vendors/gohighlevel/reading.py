"""Documents become contacts, opportunities, pipelines and fields, in either version's spelling."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from perfectcatch.errors import VendorUnavailable
from perfectcatch.model.crm import (
    Contact,
    CustomField,
    DealStatus,
    Holder,
    Note,
    Opportunity,
    Pipeline,
    Stage,
)
from perfectcatch.vendors.gohighlevel.refusals import WHO

# A field's value is written under one name and read back under another, which differs by operation too.
_VALUES: Final = (
    "value",
    "fieldValue",
    "field_value",
    "fieldValueString",
    "fieldValueNumber",
    "fieldValueDate",
    "fieldValueArray",
    "fieldValueFile",
)
_STATUSES: Final = {each.value: each for each in DealStatus}


def contact_of(document: Any) -> Contact:
    """A contact. Raises VendorUnavailable for what is none."""
    said = _object(document, "contact")
    first, last = _text(said, "firstName"), _text(said, "lastName")
    whole = " ".join(filter(None, (first, last)))
    tags = said.get("tags")
    return Contact(
        id=_id(said, "contact"),
        first_name=first,
        last_name=last,
        name=_text(said, "name") or _text(said, "contactName") or whole or None,
        email=_text(said, "email"),
        phone=_text(said, "phone"),
        source=_text(said, "source"),
        tags=tuple(str(each) for each in tags) if isinstance(tags, list) else (),
        custom=_custom(said),
        added_at=moment_of(said.get("dateAdded")),
        updated_at=moment_of(said.get("dateUpdated")),
        document=said,
    )


def note_of(document: Any) -> Note:
    """A note. Raises VendorUnavailable for what is none."""
    said = _object(document, "note")
    return Note(
        id=_id(said, "note"), body=_text(said, "body") or "", added_at=moment_of(said.get("dateAdded"))
    )


def opportunity_of(document: Any) -> Opportunity:
    """An opportunity. Raises VendorUnavailable for what is none."""
    said = _object(document, "opportunity")
    person = said.get("contact")
    contact_id = _text(said, "contactId") or (_text(person, "id") if isinstance(person, dict) else None)
    return Opportunity(
        id=_id(said, "opportunity"),
        name=_text(said, "name") or "",
        contact_id=contact_id or "",  # its contact may have been deleted
        pipeline_id=_text(said, "pipelineId") or "",
        stage_id=_text(said, "pipelineStageId"),
        # A page must not fail by a word that came since: what is not known to be over is open.
        status=_STATUSES.get((_text(said, "status") or "").casefold(), DealStatus.OPEN),
        value=money_of(said.get("monetaryValue")),
        assigned_to=_text(said, "assignedTo"),
        custom=_custom(said),
        added_at=moment_of(said.get("createdAt") or said.get("dateAdded")),
        updated_at=moment_of(said.get("updatedAt") or said.get("dateUpdated")),
        document=said,
    )


def pipeline_of(document: Any) -> Pipeline:
    """A pipeline with its stages in order. The vendor's document says that a stage is a list: it is none."""
    said = _object(document, "pipeline")
    stages = said.get("stages")
    known = [_object(each, "stage") for each in stages] if isinstance(stages, list) else []
    found = [
        Stage(id=_id(each, "stage"), name=_text(each, "name") or "", position=_position(each, place))
        for place, each in enumerate(known)
    ]
    return Pipeline(
        id=_id(said, "pipeline"),
        name=_text(said, "name") or "",
        stages=tuple(sorted(found, key=lambda stage: stage.position)),
    )


def field_of(document: Any, holder: Holder) -> CustomField:
    """A field that the account added."""
    said = _object(document, "custom field")
    return CustomField(
        id=_id(said, "custom field"),
        name=_text(said, "name") or "",
        key=_text(said, "fieldKey") or "",
        holder=holder,
    )


def moment_of(value: Any) -> datetime | None:
    """A moment as the vendor writes it: ISO 8601, or milliseconds since 1970. None for anything else."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, tz=UTC)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def money_of(value: Any) -> Decimal | None:
    """An amount as it was written: up to fifteen digits come out of JSON's numbers unharmed."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def listed(answer: Mapping[str, Any], name: str) -> list[Any]:
    """The list of that name in an answer; raises VendorUnavailable where there is none."""
    found = answer.get(name)
    if not isinstance(found, list):
        raise VendorUnavailable(f"{WHO} gave an answer without a list of {name}.")
    return found


def total_of(answer: Mapping[str, Any]) -> int | None:
    """How many records a search has in all."""
    meta = answer.get("meta")
    for said in (answer, meta if isinstance(meta, dict) else {}):
        if isinstance(total := said.get("total"), int) and not isinstance(total, bool):
            return total
    return None


def _object(document: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise VendorUnavailable(f"{WHO} gave a {what} that cannot be read.")
    return document


def _id(said: Mapping[str, Any], what: str) -> str:
    if (found := _text(said, "id") or _text(said, "_id")) is None:
        raise VendorUnavailable(f"{WHO} gave a {what} without an id.")
    return found


def _text(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) and value else None


def _position(said: Mapping[str, Any], place: int) -> int:
    value = said.get("position")
    return value if isinstance(value, int) and not isinstance(value, bool) else place


def _custom(said: Mapping[str, Any]) -> dict[str, Any]:
    items = said.get("customFields") or said.get("custom_fields") or []
    values = {}
    for item in items if isinstance(items, list) else []:
        name = next((each for each in _VALUES if isinstance(item, dict) and each in item), None)
        if name is not None and (field_id := _text(item, "id")) is not None:
            values[field_id] = item[name]
    return values
