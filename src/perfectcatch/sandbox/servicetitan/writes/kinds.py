"""Names that all areas of writes share."""

from collections.abc import Callable, Mapping
from typing import Any

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError
from perfectcatch.sandbox.servicetitan.call import Call

Write = Callable[[Call], Answer]
Area = Mapping[tuple[str, str], Write]


def must_exist(call: Call, field: str, collection: str, record_id: Any) -> None:
    """Check that a body names a record that exists. Raises 404."""
    if (
        record_id is not None
        and call.tenant.key(collection, record_id) not in call.tenant.table(collection).rows
    ):
        raise AnswerError(
            404, f"{field} {record_id} was not found.", **{field: f"{record_id} was not found."}
        )


def given(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The fields among ``names`` that the body has, as it has them."""
    return {name: body[name] for name in names if name in body}


def external_data(
    body: Mapping[str, Any], before: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """The record's external data after a request that may patch, replace or not mention it."""
    change = body.get("externalData")
    if not isinstance(change, dict):
        return list(before or [])
    pairs = {pair["key"]: pair for pair in before or ()}
    if change.get("patchMode") == "Replace":
        pairs = {}
    for pair in change.get("externalData") or ():
        if pair.get("value") is None:
            pairs.pop(pair["key"], None)  # null takes a pair away
        else:
            pairs[pair["key"]] = {"key": pair["key"], "value": pair["value"]}
    return list(pairs.values())


def custom_fields(
    call: Call, collection: str, body: Mapping[str, Any], before: Any = ()
) -> list[dict[str, Any]]:
    """The record's custom fields after a request; the types' names come from the list of types."""
    values = {each["typeId"]: each for each in before or ()}
    for change in body.get("customFields") or ():
        types = call.tenant.table(f"{collection}_custom_fields").rows
        row = types.get(change["typeId"])
        name = row.record()["name"] if row else f"Field {change['typeId']}"
        values[change["typeId"]] = {"typeId": change["typeId"], "name": name, "value": change.get("value")}
    return list(values.values())
