"""What an installation leaves behind: equipment at the customer's home, and projects that come to an end."""

from datetime import timedelta

from perfectcatch.sandbox.servicetitan.company import ids
from perfectcatch.sandbox.servicetitan.company.lists import PROJECT_STATUSES, PROJECT_TYPES, custom
from perfectcatch.sandbox.servicetitan.company.pricebook import VENDOR_OF
from perfectcatch.sandbox.servicetitan.life import hours
from perfectcatch.sandbox.servicetitan.life.desk import Desk
from perfectcatch.sandbox.servicetitan.table import Record

_YEARS = 365
_NEW, _RUNNING, _DONE = 0, 1, 3


def _day(desk: Desk, ahead: int = 0) -> str:
    return f"{(hours.local(desk.now).date() + timedelta(days=ahead)).isoformat()}T00:00:00Z"


def leave_behind(desk: Desk, job: Record, invoice: Record) -> None:
    """Write the equipment of an invoice's lines, tied to line and job."""
    made: dict[int, int] = {}
    for item in invoice["items"] or ():
        article = desk.known("pricebook.equipment", item["skuId"]) if item["type"] == "Equipment" else None
        if article is None:
            continue
        trade = desk.kind_of(job).trade
        record = desk.tenant.add(
            "equipmentsystems.installed_equipment",
            {
                "equipmentId": article["id"],
                "locationId": job["locationId"],
                "customerId": job["customerId"],
                "invoiceItemId": item["id"],
                "name": article["displayName"],
                "type": {"id": ids.EQUIPMENT_TYPES[VENDOR_OF[trade]], "name": f"{trade} Equipment"},
                "installedOn": _day(desk),
                "serialNumber": f"{article['model'] or article['code']}{desk.random.randrange(10**9):09d}",
                "manufacturer": article["manufacturer"],
                "model": article["model"],
                "cost": article["cost"],
                "status": "Installed",
                "manufacturerWarrantyStart": _day(desk),
                "manufacturerWarrantyEnd": _day(desk, 3 * _YEARS),
                "serviceProviderWarrantyStart": _day(desk),
                "serviceProviderWarrantyEnd": _day(desk, _YEARS),
                "tags": [],
                "predictedReplacementMonths": 144,
                "predictedReplacementDate": _day(desk, 12 * _YEARS)[:10],
            },
        )
        made[item["id"]] = record["id"]
    if made:
        items = [{**each, "installedEquipmentId": made.get(each["id"])} for each in invoice["items"]]
        desk.tenant.edit("accounting.invoices", invoice["id"], items=items)
        desk.tenant.edit("jpm.jobs", job["id"], equipmentIds=[*job["equipmentIds"], *made.values()])


# Projects -------------------------------------------------------------------------------------------


def open_project(desk: Desk, job: Record, trade: str, owner: Record) -> None:
    """Put a large job into a project of its own."""
    tenant = desk.tenant
    kind = VENDOR_OF.get(trade, 0)
    last = owner["name"].split()[-1]
    number = max(
        (int(each) for each in tenant.table("jpm.projects").column("number").values.values()), default=20_000
    )
    project = tenant.add(
        "jpm.projects",
        {
            "number": str(number + 1),
            "name": f"{last} {PROJECT_TYPES[kind]}",
            "summary": f"<p>{PROJECT_TYPES[kind]}</p>",
            "status": PROJECT_STATUSES[_NEW],
            "statusId": ids.PROJECT_STATUSES[_NEW],
            "customerId": job["customerId"],
            "locationId": job["locationId"],
            "projectTypeId": ids.PROJECT_TYPES[kind],
            "projectManagerIds": [tenant.office()],
            "businessUnitIds": [job["businessUnitId"]],
            "startDate": _day(desk),
            "targetCompletionDate": _day(desk, 30),
            "actualCompletionDate": None,
            "customFields": [custom("Permit Status", "Applied")],
            "externalData": [],
            "jobIds": [job["id"]],
        },
    )
    tenant.edit("jpm.jobs", job["id"], projectId=project["id"])
    invoice = desk.known("accounting.invoices", job["invoiceId"])
    if invoice is not None:
        tenant.edit("accounting.invoices", invoice["id"], projectId=project["id"])


def settle_project(desk: Desk, number: int | None) -> None:
    """Let a project's status follow its jobs."""
    project = desk.known("jpm.projects", number)
    if project is None:
        return
    jobs = [desk.known("jpm.jobs", each) for each in project["jobIds"] or ()]
    over = all(each is None or each["jobStatus"] in {"Completed", "Canceled"} for each in jobs)
    at = _DONE if over else _RUNNING
    if project["statusId"] != ids.PROJECT_STATUSES[at]:
        changes = {"status": PROJECT_STATUSES[at], "statusId": ids.PROJECT_STATUSES[at]}
        desk.tenant.edit(
            "jpm.projects", project["id"], **changes, actualCompletionDate=_day(desk) if over else None
        )
