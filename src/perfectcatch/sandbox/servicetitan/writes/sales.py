"""Estimates: written, changed, sold, unsold, dismissed; their items."""

from collections.abc import Mapping
from typing import Any

from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes.crm import into_answer
from perfectcatch.sandbox.servicetitan.writes.kinds import Area, given, must_exist
from perfectcatch.sandbox.servicetitan.writes.skus import UNKNOWN, Sku

_ROOT = "/sales/v2/tenant/{tenant}/estimates"
_VALUES = {"Open": 0, "Sold": 1, "Dismissed": 2}
_PLAIN = [
    "name",
    "summary",
    "tax",
    "reviewStatus",
    "isRecommended",
    "budgetCodeId",
    "depositAmount",
    "depositPercent",
    "requireDepositOnSignature",
]


def create_estimate(call: Call) -> Answer:
    """Write an estimate for a job, a project or a location."""
    body = call.body
    if not any(body.get(name) for name in ("jobId", "projectId", "locationId")):
        raise AnswerError(400, jobId="One of jobId, projectId and locationId is required.")
    record = add_estimate(call, body)
    return document(into_answer(call, record), call.route.status)


def add_estimate(call: Call, body: Mapping[str, Any]) -> Record:
    """Write an estimate with its items; the job lists it."""
    tenant = call.tenant
    for field, collection in (
        ("jobId", "jpm.jobs"),
        ("projectId", "jpm.projects"),
        ("locationId", "crm.locations"),
    ):
        must_exist(call, field, collection, body.get(field))
    job = tenant.get("jpm.jobs", body["jobId"]) if body.get("jobId") else None
    owner = job or (tenant.get("jpm.projects", body["projectId"]) if body.get("projectId") else None)
    location = body.get("locationId") or (owner["locationId"] if owner else None)
    customer = owner["customerId"] if owner else tenant.get("crm.locations", location)["customerId"]
    unit = tenant.named("settings.business_units", job["businessUnitId"]) if job else None
    items = [_item(call, each, None) for each in body.get("items") or ()]
    record = tenant.add(
        "sales.estimates",
        {
            "jobId": body.get("jobId"),
            "projectId": body.get("projectId") or (job["projectId"] if job else None),
            "locationId": location,
            "customerId": customer,
            "jobNumber": job["jobNumber"] if job else None,
            "status": _status("Open"),
            "reviewStatus": "None",
            "isRecommended": False,
            "isChangeOrder": False,
            "tax": 0.0,
            **{name: value for name, value in given(body, *_PLAIN).items() if value is not None},
            "items": items,
            "externalLinks": _links(body),
            "subtotal": _sum(items),
            "businessUnitId": unit["id"] if unit else None,
            "businessUnitName": unit["name"] if unit else None,
        },
    )
    if job:
        tenant.edit("jpm.jobs", job["id"], estimateIds=[*job["estimateIds"], record["id"]])
    if body.get("status") in {"Sold", "Dismissed"}:
        record = set_status(call, record, body["status"], body.get("soldBy"))
    return record


def _status(name: str) -> dict[str, Any]:
    return {"value": _VALUES[name], "name": name}


def _links(body: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": each.get("name") or "", "url": each.get("url") or ""}
        for each in body.get("externalLinks") or ()
    ]


def _sum(items: list[Record]) -> float:
    return float(round(sum(each["total"] for each in items), 2))


def _item(call: Call, body: Mapping[str, Any], old: Record | None) -> Record:
    tenant, moment = call.tenant, call.tenant.stamp()
    sku = Sku.find(tenant, body.get("skuId"), body.get("skuName")) or UNKNOWN
    before: Mapping[str, Any] = old or {
        "qty": 1.0,
        "unitRate": sku.price,
        "unitCost": sku.cost,
        "chargeable": True,
        "itemGroupName": "",
    }
    told = {name: value for name, value in body.items() if value is not None}
    quantity: float = told.get("quantity", before["qty"])
    rate: float = told.get("unitPrice", before["unitRate"])
    cost: float = told.get("unitCost", before["unitCost"])
    shown = {
        "id": sku.id,
        "name": sku.code,
        "displayName": sku.name,
        "type": sku.kind,
        "soldHours": sku.hours,
        "generalLedgerAccountId": 0,
        "generalLedgerAccountName": f"{sku.kind} Revenue",
        "modifiedOn": sku.modified,
    }
    return {
        "id": old["id"] if old else tenant.table("sales.estimates_items").next_id(),
        "sku": old["sku"] if old and not body.get("skuId") else shown,
        "skuAccount": f"{sku.kind} Revenue",
        "description": body.get("description") or (old["description"] if old else f"<p>{sku.name}</p>"),
        "membershipTypeId": None,
        "qty": float(quantity),
        "unitRate": float(rate),
        "total": round(quantity * rate, 2),
        "unitCost": float(cost),
        "totalCost": round(quantity * cost, 2),
        "itemGroupName": body.get("itemGroupName") or before["itemGroupName"],
        "itemGroupRootId": body.get("itemGroupRootId"),
        "createdOn": old["createdOn"] if old else moment,
        "modifiedOn": moment,
        "chargeable": told.get("chargeable", before["chargeable"]),
        "invoiceItemId": None,
        "budgetCodeId": body.get("budgetCodeId"),
    }


def _estimate(call: Call) -> Record:
    return call.tenant.get("sales.estimates", call.path["id"])


def update_estimate(call: Call) -> Answer:
    """Change an estimate; ``items``, when given, are added or changed by id."""
    record, body = _estimate(call), call.body
    changes = {name: value for name, value in given(body, *_PLAIN).items() if value is not None}
    if body.get("externalLinks") is not None:
        changes["externalLinks"] = _links(body)
    record = call.tenant.edit("sales.estimates", record["id"], **changes)
    for each in body.get("items") or ():
        record = _put_item(call, record, each)[0]
    if body.get("status") and body["status"] != (record["status"] or {}).get("name"):
        record = set_status(call, record, body["status"], body.get("soldBy"))
    return document(into_answer(call, record), call.route.status)


def set_status(call: Call, record: Record, name: str, sold_by: int | None = None) -> Record:
    """Write an estimate's status, when and by whom it was sold, and the change into its log."""
    tenant, sold = call.tenant, name == "Sold"
    old = (record["status"] or {}).get("name")
    tenant.add(
        "sales.status_estimates_changes",
        {"oldStatus": old, "newStatus": name, "createdOn": tenant.stamp(), "createdById": tenant.office()},
        (str(record["id"]),),
    )
    return tenant.edit(
        "sales.estimates",
        record["id"],
        status=_status(name),
        soldOn=tenant.stamp() if sold else None,
        soldBy=sold_by if sold else None,
    )


def sell(call: Call) -> Answer:
    """Sell an open estimate. Raises 409 for one that is sold, 404 for an unknown seller."""
    record = _estimate(call)
    seller = call.body["soldBy"]
    known = (
        seller in call.tenant.table(name).rows for name in ("settings.technicians", "settings.employees")
    )
    if not any(known):
        raise AnswerError(404, soldBy=f"{seller} was not found.")
    if (record["status"] or {}).get("name") == "Sold":
        raise AnswerError(409, "The estimate is sold.")
    return document(into_answer(call, set_status(call, record, "Sold", seller)), call.route.status)


def unsell(call: Call) -> Answer:
    """Take a sale back. Raises 409 for an estimate that is not sold."""
    record = _estimate(call)
    if (record["status"] or {}).get("name") != "Sold":
        raise AnswerError(409, "The estimate is not sold.")
    set_status(call, record, "Open")
    return nothing(call.route.status)


def dismiss(call: Call) -> Answer:
    """Dismiss an open estimate. Raises 409 for one that is sold."""
    record = _estimate(call)
    if (record["status"] or {}).get("name") == "Sold":
        raise AnswerError(409, "The estimate is sold.")
    set_status(call, record, "Dismissed")
    return nothing(call.route.status)


def put_item(call: Call) -> Answer:
    """Add an item to an estimate or change the one that the body names."""
    record, item = _put_item(call, _estimate(call), call.body)
    return document(into_answer(call, {**item, "estimateId": record["id"]}), call.route.status)


def change_item(call: Call, record: Record, body: Mapping[str, Any]) -> Record:
    """Change an item of an estimate; returns the estimate."""
    return _put_item(call, record, body)[0]


def _put_item(call: Call, record: Record, body: Mapping[str, Any]) -> tuple[Record, Record]:
    items = list(record["items"] or ())
    old = next((each for each in items if each["id"] == body.get("id")), None)
    if body.get("id") and old is None:
        raise AnswerError(404, id=f"The estimate has no item {body['id']}.")
    item = _item(call, body, old)
    items = [item if each is old else each for each in items] if old else [*items, item]
    return call.tenant.edit("sales.estimates", record["id"], items=items, subtotal=_sum(items)), item


def delete_item(call: Call) -> Answer:
    """Take an item off an estimate. Raises 404 where it is not on."""
    record = _estimate(call)
    items = [each for each in record["items"] or () if each["id"] != call.number("itemId")]
    if len(items) == len(record["items"] or ()):
        raise AnswerError(404)
    call.tenant.edit("sales.estimates", record["id"], items=items, subtotal=_sum(items))
    return nothing(call.route.status)


WRITES: Area = {
    ("POST", _ROOT): create_estimate,
    ("PUT", f"{_ROOT}/{{id}}"): update_estimate,
    ("PUT", f"{_ROOT}/{{id}}/sell"): sell,
    ("PUT", f"{_ROOT}/{{id}}/unsell"): unsell,
    ("PUT", f"{_ROOT}/{{id}}/dismiss"): dismiss,
    ("PUT", f"{_ROOT}/{{id}}/items"): put_item,
    ("DELETE", f"{_ROOT}/{{id}}/items/{{itemId}}"): delete_item,
}
