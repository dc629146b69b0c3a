"""Payments, and what they leave owing on invoices and by customers."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.writes.accounting import amount_of, owe, written
from perfectcatch.sandbox.servicetitan.writes.kinds import Area, given, must_exist

_ROOT = "/accounting/v2/tenant/{tenant}/payments"


def create_payment(call: Call) -> Answer:
    """Take a payment (withdrawn from the documents, may still answer) and apply it to invoices."""
    body = call.body
    must_exist(call, "typeId", "accounting.payment_types", body["typeId"])
    splits = [each for each in body.get("splits") or () if each.get("invoiceId")]
    for split in splits:
        must_exist(call, "invoiceId", "accounting.invoices", split["invoiceId"])
    payment = pay(call, splits, body["typeId"], body)
    return document(_shown(call, payment, body), call.route.status)


def pay(call: Call, splits: list[Mapping[str, Any]], type_id: int, body: Mapping[str, Any]) -> Record:
    """Write a payment; invoices that it is applied to owe less, and so does the customer."""
    tenant, moment = call.tenant, call.tenant.stamp()
    applied, total = [], amount_of(body.get("amount"))
    customer = body.get("customerId")
    for number, split in enumerate(splits):
        invoice = tenant.get("accounting.invoices", split["invoiceId"])
        amount = amount_of(split.get("amount"))
        customer = customer or invoice["customer"]["id"]
        balance = amount_of(invoice["balance"]) - amount
        changes = {"balance": written(balance)}
        if balance == 0:
            changes["paidOn"] = f"{moments.write_day(tenant.now())}T00:00:00Z"
        tenant.edit("accounting.invoices", invoice["id"], **changes)
        owe(call, invoice["customer"]["id"], -amount)
        applied.append(
            {
                "appliedAmount": written(amount),
                "appliedBy": "Office",
                "appliedId": tenant.now() % 1_000_000_000 + number,
                "appliedOn": moment,
                "appliedTo": invoice["id"],
                "appliedToReferenceNumber": invoice["referenceNumber"],
            }
        )
    spent = sum((amount_of(each["appliedAmount"]) for each in applied), Decimal(0))
    total = total or spent
    kind = tenant.named("accounting.payment_types", type_id)
    number = tenant.table("accounting.payments").next_id()
    return tenant.add(
        "accounting.payments",
        {
            "id": number,
            **given(body, "authCode", "checkNumber", "memo"),
            "appliedTo": applied,
            "customer": tenant.named("crm.customers", customer),
            "customFields": [],
            "date": body.get("paidOn") or f"{moments.write_day(tenant.now())}T00:00:00Z",
            "referenceNumber": f"P{number % 10_000_000}",
            "syncStatus": body.get("status") or "Pending",
            "total": written(total),
            "type": kind["name"] if kind else None,
            "typeId": str(type_id),
            "unappliedAmount": written(total - spent),
        },
    )


def _shown(call: Call, payment: Record, body: Mapping[str, Any]) -> Any:
    splits = [
        {
            "amount": float(amount_of(each["appliedAmount"])),
            "invoiceId": each["appliedTo"],
            "invoiceNumber": None,
        }
        for each in payment["appliedTo"] or ()
    ]
    known = {
        **{name: payment.get(name) for name in ("id", "active", "authCode", "checkNumber", "memo")},
        "customerId": payment["customer"]["id"] if payment["customer"] else None,
        "paidOn": payment["date"],
        "splits": splits,
        "typeId": int(payment["typeId"]),
        "status": body.get("status"),
        "exportId": body.get("exportId"),
    }
    return call.shaped(call.route.answer, known) if call.route.answer else known


def update_payment(call: Call) -> Answer:
    """Change a payment; new splits take the old ones off their invoices first."""
    tenant, body = call.tenant, call.body
    payment = tenant.get("accounting.payments", call.path["id"])
    must_exist(call, "typeId", "accounting.payment_types", body["typeId"])
    for split in body["splits"]:
        must_exist(call, "invoiceId", "accounting.invoices", split.get("invoiceId"))
    kind = tenant.named("accounting.payment_types", body["typeId"])
    changes = {
        name: value
        for name, value in given(body, "active", "authCode", "checkNumber", "memo").items()
        if value is not None
    }
    applied = _reapply(call, payment, [each for each in body["splits"] if each.get("invoiceId")])
    spent = sum((amount_of(each["appliedAmount"]) for each in applied), Decimal(0))
    total = max(amount_of(payment["total"]), spent)
    payment = tenant.edit(
        "accounting.payments",
        payment["id"],
        **changes,
        typeId=str(body["typeId"]),
        type=kind["name"] if kind else None,
        date=body.get("paidOn") or payment["date"],
        appliedTo=applied,
        total=written(total),
        unappliedAmount=written(total - spent),
    )
    return document(_shown(call, payment, body), call.route.status)


def _reapply(call: Call, payment: Record, splits: list[Mapping[str, Any]]) -> list[Record]:
    tenant = call.tenant
    before = {each["appliedTo"]: amount_of(each["appliedAmount"]) for each in payment["appliedTo"] or ()}
    after = {each["invoiceId"]: amount_of(each.get("amount")) for each in splits}
    for number in before.keys() | after.keys():
        by = after.get(number, Decimal(0)) - before.get(number, Decimal(0))
        if by and number in tenant.table("accounting.invoices").rows:
            invoice = tenant.get("accounting.invoices", number)
            tenant.edit("accounting.invoices", number, balance=written(amount_of(invoice["balance"]) - by))
            owe(call, invoice["customer"]["id"], -by)
    old = {each["appliedTo"]: each for each in payment["appliedTo"] or ()}
    return [
        {
            "appliedId": tenant.now() % 1_000_000_000,
            "appliedBy": "Office",
            "appliedOn": tenant.stamp(),
            "appliedToReferenceNumber": None,
            **old.get(number, {}),
            "appliedTo": number,
            "appliedAmount": written(amount),
        }
        for number, amount in after.items()
    ]


def payment_status(call: Call) -> Answer:
    """Write the export status of many payments at once."""
    for number in call.body["paymentIds"]:
        call.tenant.edit("accounting.payments", number, syncStatus=call.body["status"])
    return nothing(call.route.status)


WRITES: Area = {
    ("POST", _ROOT): create_payment,
    ("PATCH", f"{_ROOT}/{{id}}"): update_payment,
    ("POST", f"{_ROOT}/status"): payment_status,
}
