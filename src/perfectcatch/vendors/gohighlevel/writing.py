"""Changes become bodies: the names are exact, because the vendor refuses one that it does not know."""

from collections.abc import Mapping
from typing import Any, Final

from perfectcatch.model.crm import ContactChange, OpportunityChange
from perfectcatch.vendors.gohighlevel.versions import Version

_OF_CONTACT: Final[Mapping[str, str]] = {
    "first_name": "firstName",
    "last_name": "lastName",
    "name": "name",
    "email": "email",
    "phone": "phone",
    "address": "address1",
    "city": "city",
    "state": "state",
    "postal_code": "postalCode",
    "source": "source",
}
_OF_OPPORTUNITY: Final[Mapping[str, str]] = {
    "name": "name",
    "pipeline_id": "pipelineId",
    "stage_id": "pipelineStageId",
    "status": "status",
    "value": "monetaryValue",
}


def contact_body(change: ContactChange, version: Version) -> dict[str, Any]:
    """What is written of a contact. Never ``tags``: in an update they would replace those that are there."""
    return _body(change, _OF_CONTACT, version)


def opportunity_body(change: OpportunityChange, version: Version) -> dict[str, Any]:
    """What is written of an opportunity."""
    return _body(change, _OF_OPPORTUNITY, version)


def _body(
    change: ContactChange | OpportunityChange, names: Mapping[str, str], version: Version
) -> dict[str, Any]:
    body = {name: value for ours, name in names.items() if (value := getattr(change, ours)) is not None}
    if change.custom:
        body["customFields"] = [
            {"id": field_id, version.custom_value: value} for field_id, value in change.custom.items()
        ]
    return body
