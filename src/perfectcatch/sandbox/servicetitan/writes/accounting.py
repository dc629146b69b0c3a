"""Invoices and adjustments. Money on them is text with two digits."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes.kinds import Area, given, must_exist
from perfectcatch.sandbox.servicetitan.writes.skus import UNKNOWN, Sku

_ROOT = "/accounting/v2/tenant/{tenant}"
_CENT = Decimal("0.01")


def written(amount: Decimal | float | str | None) -> str:
    """Money as invoices and payments carry it."""
    return str(Decimal(str(amount or 0)).quantize(_CENT, ROUND_HALF_UP))


def amount_of(text: Any) -> Decimal:
    """Read such money."""
    return Decimal(str(text or "0"))


# Invoices -------------------------------------------------------------------------------------------


def open_invoice(call: Call, job: Record) -> Record:
    """Write the empty invoice that every job starts with."""
    return _invoice(
        call,
        customer=job["customerId"],
        location=job["locationId"],
        unit=job["businessUnitId"],
        job=job,
        number=job["jobNumber"],
        configuration="JobInvoice",
    )


def counter_invoice(call: Call, customer: int, location: int | None, unit: int, membership: int) -> Record:
    """Write the empty invoice of a membership sale."""
    number = f"M{call.tenant.now() % 10_000_000}"
    return _invoice(
        call,
        customer=customer,
        location=location,
        unit=unit,
        number=number,
        configuration="MembershipInvoice",
        membershipId=membership,
    )


def counter_sale(call: Call, customer: int, location: int | None, unit: int) -> Record:
    """Write the empty invoice of a sale over the counter."""
    number = f"C{call.tenant.now() % 10_000_000}"
    return _invoice(
        call, customer=customer, location=location, unit=unit, number=number, configuration="CounterSales"
    )


def _invoice(
    call: Call,
    *,
    customer: int,
    location: int | None,
    unit: int | None,
    number: str,
    configuration: str,
    job: Record | None = None,
    **more: Any,
) -> Record:
    tenant = call.tenant
    today = f"{moments.write_day(tenant.now())}T00:00:00Z"
    kind = tenant.named("jpm.job_types", job["jobTypeId"]) if job else None
    place = tenant.get("crm.locations", location) if location else None
    return tenant.add(
        "accounting.invoices",
        {
            "syncStatus": "Pending",
            "referenceNumber": number,
            "invoiceDate": today,
            "dueDate": today,
            **dict.fromkeys(("subTotal", "salesTax", "total", "balance", "discountTotal"), "0.00"),
            "taxZoneId": place["taxZoneId"] if place else None,
            "customer": tenant.named("crm.customers", customer),
            "customerAddress": _address(tenant.get("crm.customers", customer)["address"]),
            "location": tenant.named("crm.locations", location),
            "locationAddress": _address(place["address"]) if place else None,
            "businessUnit": tenant.named("settings.business_units", unit),
            "invoiceType": {"id": 1, "name": "Service"},
            "job": {"id": job["id"], "number": job["jobNumber"], "type": kind["name"] if kind else None}
            if job
            else None,
            "projectId": job["projectId"] if job else None,
            "sentStatus": "NotSent",
            "reviewStatus": "NeedsReview",
            "invoiceConfiguration": configuration,
            "items": [],
            "customFields": [],
            **more,
        },
    )


def _address(address: Mapping[str, Any]) -> dict[str, Any]:
    return {name: address.get(name) for name in ("street", "unit", "city", "state", "zip", "country")}


def add_items(
    call: Call, invoice: Record, bodies: Sequence[Mapping[str, Any]], *, replace: bool = False
) -> Record:
    """Put lines on an invoice, replacing those that carry a known id, and add it up again."""
    items = [] if replace else list(invoice["items"] or ())
    for body in bodies:
        old = next((each for each in items if each["id"] == body.get("id")), None)
        line = _item(call, invoice, body, len(items) + 1, old)
        items = [line if each is old else each for each in items] if old else [*items, line]
    return total_up(call, invoice, items=items)


def _item(call: Call, invoice: Record, body: Mapping[str, Any], order: int, old: Record | None) -> Record:
    tenant, moment = call.tenant, call.tenant.stamp()
    sku = Sku.find(tenant, body.get("skuId"), body.get("skuName")) or UNKNOWN
    quantity = amount_of(body.get("quantity", 1))
    price = amount_of(body.get("unitPrice") if body.get("unitPrice") is not None else sku.price)
    cost = amount_of(body.get("cost") if body.get("cost") is not None else sku.cost)
    shape = tenant.routes.all_fields("accounting.invoices")["items"].inner
    known: Record = {
        **(old or {}),
        "id": old["id"] if old else tenant.table("accounting.invoice_items").next_id(),
        "description": body.get("description") or f"<p>{sku.name}</p>",
        "quantity": written(quantity),
        "price": written(price),
        "cost": written(cost),
        "total": written(quantity * price),
        "totalCost": written(quantity * cost),
        "type": sku.kind,
        "skuId": sku.id,
        "skuName": sku.code,
        "displayName": sku.name,
        "taxable": sku.taxable,
        "isChargeable": True,
        "inventory": False,
        "membershipTypeId": 0,
        "soldHours": sku.hours,
        "createdOn": old["createdOn"] if old else moment,
        "modifiedOn": moment,
        "order": old["order"] if old else order,
        "businessUnit": invoice["businessUnit"],
        "addOn": bool(body.get("isAddOn")),
        "memberPrice": written(price),
        **{
            name: value
            for name, value in given(body, "technicianId", "budgetCodeId").items()
            if value is not None
        },
    }
    return tenant.maker.bare(shape.fields, known, "invoice item") if shape else known


def total_up(call: Call, invoice: Record, **changes: Any) -> Record:
    """Add an invoice up from its lines, keep what was paid, and tell its job."""
    tenant = call.tenant
    paid = amount_of(invoice["total"]) - amount_of(invoice["balance"])
    invoice = {**invoice, **changes}
    items = invoice["items"] or []
    sub_total = sum((amount_of(each["total"]) for each in items), Decimal(0))
    taxed = sum((amount_of(each["total"]) for each in items if each["taxable"]), Decimal(0))
    rate = amount_of((invoice.get("salesTaxCode") or {}).get("taxRate"))
    tax = (taxed * rate).quantize(_CENT, ROUND_HALF_UP)
    total = sub_total + tax
    record = tenant.edit(
        "accounting.invoices",
        invoice["id"],
        **changes,
        subTotal=written(sub_total),
        salesTax=written(tax),
        total=written(total),
        balance=written(total - paid),
    )
    if record["job"] is not None and record["job"]["id"] in tenant.table("jpm.jobs").rows:
        bills = tenant.find("accounting.invoices", "job.id", record["job"]["id"])
        tenant.edit(
            "jpm.jobs", record["job"]["id"], total=float(sum(amount_of(each["total"]) for each in bills))
        )
    return record


def bill(call: Call, invoice: Record, lines: list[Record], moment: str, *, due: str | None = None) -> Record:
    """Put a finished job's lines on its invoice; the customer owes their total, by ``due`` or at once."""
    rates = call.tenant.table("accounting.tax_zones").rows.get(invoice["taxZoneId"] or 0)
    rate = rates.record()["rates"][0] if rates else None
    code = {"id": rate["id"], "name": rate["taxName"], "taxRate": rate["taxRate"]} if rate else None
    day = f"{moment[:10]}T00:00:00Z"
    before = amount_of(invoice["balance"])
    changed = call.tenant.edit(
        "accounting.invoices",
        invoice["id"],
        salesTaxCode=code,
        invoiceDate=day,
        dueDate=due or day,
        sentStatus="Sent",
    )
    record = add_items(call, changed, lines)
    owe(call, record["customer"]["id"], amount_of(record["balance"]) - before)
    return record


def create_adjustment(call: Call) -> Answer:
    """Correct an invoice by a second one that names it."""
    return document(adjust(call)["id"], call.route.status)


def adjust(call: Call) -> Record:
    """Write the correction that the body describes."""
    must_exist(call, "adjustmentToId", "accounting.invoices", call.body["adjustmentToId"])
    base = call.tenant.get("accounting.invoices", call.body["adjustmentToId"])
    job = call.tenant.get("jpm.jobs", base["job"]["id"]) if base["job"] else None
    record = _invoice(
        call,
        customer=base["customer"]["id"],
        location=base["location"]["id"] if base["location"] else None,
        unit=base["businessUnit"]["id"] if base["businessUnit"] else None,
        number=call.body.get("number") or f"{base['referenceNumber']}-A",
        configuration=base["invoiceConfiguration"],
        job=job,
        adjustmentToId=base["id"],
        salesTaxCode=base["salesTaxCode"],
        summary=call.body.get("summary"),
    )
    record = add_items(call, record, call.body.get("items") or [])
    owe(call, base["customer"]["id"], amount_of(record["total"]))
    return record


def update_invoice(call: Call) -> Answer:
    """Change an invoice."""
    tenant, body = call.tenant, call.body
    invoice = tenant.get("accounting.invoices", call.path["id"])
    before = amount_of(invoice["balance"])
    changes = {
        name: value
        for name, value in given(body, "summary", "reviewStatus", "exportId").items()
        if value is not None
    }
    for name, field in (
        ("number", "referenceNumber"),
        ("invoicedOn", "invoiceDate"),
        ("taxZoneId", "taxZoneId"),
    ):
        if body.get(name) is not None:
            changes[field] = body[name]
    if body.get("dueDate"):
        changes["dueDate"] = f"{body['dueDate'][:10]}T00:00:00Z"
    if body.get("assignedToId"):
        changes["assignedTo"] = tenant.named("settings.employees", body["assignedToId"])
    invoice = tenant.edit("accounting.invoices", invoice["id"], **changes)
    if body.get("items"):
        invoice = add_items(call, invoice, body["items"])
        owe(call, invoice["customer"]["id"], amount_of(invoice["balance"]) - before)
    return nothing(call.route.status)


def update_items(call: Call) -> Answer:
    """Add a line to an invoice or change the one that the body names."""
    invoice = call.tenant.get("accounting.invoices", call.path["invoiceId"])
    after = add_items(call, invoice, [call.body])
    owe(call, invoice["customer"]["id"], amount_of(after["total"]) - amount_of(invoice["total"]))
    return nothing(call.route.status)


def delete_item(call: Call) -> Answer:
    """Take a line off an invoice. Raises 404 where it is not on."""
    invoice = call.tenant.get("accounting.invoices", call.path["invoiceId"])
    rest = [each for each in invoice["items"] or () if each["id"] != call.number("itemId")]
    if len(rest) == len(invoice["items"] or ()):
        raise AnswerError(404)
    after = total_up(call, invoice, items=rest)
    owe(call, invoice["customer"]["id"], amount_of(after["total"]) - amount_of(invoice["total"]))
    return nothing(call.route.status)


def owe(call: Call, customer: int, by: Decimal) -> None:
    """Let a customer owe more, or less."""
    record = call.tenant.get("crm.customers", customer)
    if by:
        call.tenant.edit("crm.customers", customer, balance=float(amount_of(record["balance"]) + by))


WRITES: Area = {
    ("POST", f"{_ROOT}/invoices"): create_adjustment,
    ("PATCH", f"{_ROOT}/invoices/{{id}}"): update_invoice,
    ("PATCH", f"{_ROOT}/invoices/{{invoiceId}}/items"): update_items,
    ("DELETE", f"{_ROOT}/invoices/{{invoiceId}}/items/{{itemId}}"): delete_item,
}
