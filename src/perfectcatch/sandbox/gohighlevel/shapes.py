"""What the API takes, by operation and version; a name that it does not know is refused."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

FIRST, THIRD = "2021-07-28", "v3"
VERSIONS: Final = (FIRST, THIRD)
_REASONS: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
}
STATUSES: Final = ("open", "won", "lost", "abandoned")


class RefusedError(Exception):
    """The vendor says no: status and body."""

    def __init__(self, status: int, message: str | list[str], **more: Any) -> None:
        super().__init__(str(message))
        self.status = status
        error = {"error": _REASONS[status]} if status in _REASONS else {}
        self.body = {"statusCode": status, "message": message, **error, "traceId": str(uuid4()), **more}


def _text(value: Any) -> str | None:
    return None if value is None or isinstance(value, str) else "must be a string"


def _number(value: Any) -> str | None:
    ok = isinstance(value, int | float) and not isinstance(value, bool)
    return None if ok else "must be a number conforming to the specified constraints"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be a boolean value"


def _texts(value: Any) -> str | None:
    ok = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return None if ok else "must be an array of strings"


def _list(value: Any) -> str | None:
    return None if isinstance(value, list) else "must be an array"


def _object(value: Any) -> str | None:
    return None if isinstance(value, dict) else "must be an object"


def _status(value: Any) -> str | None:
    return None if value in STATUSES else f"must be one of the following values: {', '.join(STATUSES)}"


def _holder(value: Any) -> str | None:
    return None if value in ("contact", "opportunity") else "must be either contact or opportunity"


Check = Callable[[Any], str | None]
Shape = Mapping[str, Check]

_UPDATE_CONTACT: Final[Shape] = {
    **dict.fromkeys(
        (
            "firstName",
            "lastName",
            "name",
            "email",
            "phone",
            "address1",
            "city",
            "state",
            "postalCode",
            "website",
            "timezone",
            "source",
            "country",
            "assignedTo",
        ),
        _text,
    ),
    "dnd": _boolean,
    "dndSettings": _object,
    "inboundDndSettings": _object,
    "tags": _texts,
    "customFields": _list,
    "dateOfBirth": _text,
}
_UPDATE_OPPORTUNITY: Final[Shape] = {
    **dict.fromkeys(("pipelineId", "name", "pipelineStageId", "assignedTo"), _text),
    "status": _status,
    "monetaryValue": _number,
    "customFields": _list,
}
_FORECAST: Final[Shape] = {"forecastExpectedCloseDate": _text, "forecastProbability": _number}

# Operation: what it takes, and what it needs.
SHAPES: Final[Mapping[str, tuple[Shape, tuple[str, ...]]]] = {
    "create contact": (
        {**_UPDATE_CONTACT, "locationId": _text, "gender": _text, "companyName": _text},
        ("locationId",),
    ),
    "update contact": (_UPDATE_CONTACT, ()),
    "tags": ({"tags": _texts}, ("tags",)),
    "note": (
        {**dict.fromkeys(("userId", "body", "title", "color"), _text), "pinned": _boolean},
        ("body",),
    ),
    "search contacts": (
        {
            "locationId": _text,
            "page": _number,
            "pageLimit": _number,
            "searchAfter": _list,
            "query": _text,
            "filters": _list,
            "sort": _list,
        },
        ("locationId", "pageLimit"),
    ),
    "search opportunities": (
        {
            "locationId": _text,
            "page": _number,
            "limit": _number,
            "searchAfter": _list,
            "query": _text,
            "filters": _list,
            "sort": _list,
            "additionalDetails": _object,
        },
        ("locationId", "limit"),
    ),
    "create opportunity": (
        {**_UPDATE_OPPORTUNITY, "locationId": _text, "contactId": _text},
        ("pipelineId", "locationId", "name", "status", "contactId"),
    ),
    "update opportunity": (_UPDATE_OPPORTUNITY, ()),
    "create field": (
        {
            **dict.fromkeys(
                ("name", "dataType", "placeholder", "parentId", "fieldKey", "description"), _text
            ),
            "position": _number,
            "model": _holder,
            "acceptedFormat": _texts,
            "isMultipleFile": _boolean,
            "maxNumberOfFiles": _number,
            "textBoxListOptions": _list,
        },
        ("name", "dataType"),
    ),
}
_QUERIES: Final[Mapping[str, Mapping[str, str]]] = {
    # The list of opportunities: what each version calls its parameters.
    FIRST: {
        "location": "location_id",
        "contact": "contact_id",
        "pipeline": "pipeline_id",
        "stage": "pipeline_stage_id",
    },
    THIRD: {
        "location": "locationId",
        "contact": "contactId",
        "pipeline": "pipelineId",
        "stage": "pipelineStageId",
    },
}
_FURTHER: Final = ("q", "status", "id", "order", "endDate", "startAfter", "startAfterId", "date", "page")


def checked(operation: str, version: str, body: Any) -> dict[str, Any]:
    """A body that may be used; RefusedError (422) with a sentence for each thing that is wrong."""
    shape, needed = SHAPES[operation]
    if version == THIRD and operation in ("create opportunity", "update opportunity"):
        shape = {**shape, **_FORECAST}
    if not isinstance(body, dict):
        raise RefusedError(400, "Unexpected token in JSON")
    wrong = [f"property {name} should not exist" for name in body if name not in shape]
    wrong += [f"{name} should not be empty" for name in needed if body.get(name) in (None, "")]
    for name, value in body.items():
        if name in shape and value is not None and (said := shape[name](value)) is not None:
            wrong.append(f"{name} {said}")
    wrong += _custom_fields(body.get("customFields"), version)
    if wrong:
        raise RefusedError(422, wrong)
    return body


def _custom_fields(items: Any, version: str) -> list[str]:
    names = {"id", "key", "field_value"} | ({"fieldValue"} if version == THIRD else set())
    wrong = []
    for place, item in enumerate(items if isinstance(items, list) else []):
        if not isinstance(item, dict):
            wrong.append(f"customFields.{place} must be an object")
            continue
        wrong += [
            f"customFields.{place}.property {name} should not exist" for name in item if name not in names
        ]
    return wrong


def asked(version: str, query: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the list of opportunities under one name each."""
    names = _QUERIES[version]
    known = {*names.values(), *_FURTHER, "limit", "assigned_to", "assignedTo", "country", "campaignId"}
    wrong = [f"property {name} should not exist" for name in query if name not in known]
    if not query.get(names["location"]):
        wrong.append(f"{names['location']} can't be undefined")
    if wrong:
        raise RefusedError(422, wrong)
    back = {spelled: name for name, spelled in names.items()}
    return {back.get(name, name): value for name, value in query.items()}
