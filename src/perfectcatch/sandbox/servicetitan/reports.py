"""Reports: rows as lists aligned to ``fields``, one run of a report a minute, and runs that are polled."""

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, bad, document, nothing
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.tenant import Tenant

RUN_EVERY_SECONDS = 60
DEFAULT_PAGE_SIZE = 1000
MAX_PAGE_SIZE = 25_000
SLOTS = 10
_POLLS = 1  # polls that answer "still running" before the rows come
Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """A report: ``fields`` are (name, label, data type), ``rows`` makes them from the company's records."""

    id: int
    name: str
    category: str
    fields: tuple[tuple[str, str, str], ...]
    rows: Callable[[Tenant, int, int], Rows]


def _names(tenant: Tenant, collection: str) -> dict[Any, str]:
    return {row.id: row.record()["name"] for row in tenant.table(collection).rows.values()}


def _within(text: str | None, start: int, end: int) -> bool:
    return text is not None and start <= moments.read(text) < end


def _revenue(tenant: Tenant, start: int, end: int) -> Rows:
    totals: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for row in tenant.table("accounting.invoices").rows.values():
        invoice = row.record()
        if row.active and _within(invoice["invoiceDate"], start, end):
            unit = (invoice["businessUnit"] or {}).get("name") or ""
            totals[unit] += int(Decimal(invoice["total"] or "0") * 100)
            counts[unit] += 1
    return [[unit, counts[unit], totals[unit] / 100] for unit in sorted(counts)]


def _jobs(tenant: Tenant, start: int, end: int) -> Rows:
    types, units = _names(tenant, "jpm.job_types"), _names(tenant, "settings.business_units")
    return [
        [
            job["jobNumber"], job["jobStatus"], types.get(job["jobTypeId"], ""),
            units.get(job["businessUnitId"], ""), job["createdOn"], job["completedOn"], job["total"],
        ]
        for row in tenant.table("jpm.jobs").by_id()
        if _within((job := row.record())["createdOn"], start, end)
    ]  # fmt: skip


def _technicians(tenant: Tenant, start: int, end: int) -> Rows:
    done: Counter[int] = Counter()
    for row in tenant.table("dispatch.appointment_assignments").rows.values():
        assignment = row.record()
        if assignment["status"] == "Done" and _within(assignment["modifiedOn"], start, end):
            done[assignment["technicianId"]] += 1
    return [[number, name, done[number]] for number, name in _names(tenant, "settings.technicians").items()]


REPORTS = {
    report.id: report
    for report in (
        Report(
            1101, "Revenue by Business Unit", "accounting",
            (
                ("BusinessUnit", "Business Unit", "String"), ("Invoices", "Invoices", "Number"),
                ("Revenue", "Revenue", "Number"),
            ),
            _revenue,
        ),
        Report(
            1201, "Jobs", "operations",
            (
                ("JobNumber", "Job Number", "String"), ("Status", "Status", "String"),
                ("JobType", "Job Type", "String"), ("BusinessUnit", "Business Unit", "String"),
                ("CreatedOn", "Created On", "Date"), ("CompletedOn", "Completed On", "Date"),
                ("Total", "Total", "Number"),
            ),
            _jobs,
        ),
        Report(
            1301, "Technician Visits", "technician",
            (
                ("TechnicianId", "Technician ID", "Number"), ("Name", "Name", "String"),
                ("Done", "Visits Done", "Number"),
            ),
            _technicians,
        ),
    )
}  # fmt: skip
CATEGORIES = {"accounting": "Accounting", "operations": "Operations", "technician": "Technician"}
_PARAMETERS = (("From", "From", "Date", True), ("To", "To", "Date", True))


# Catalogue of reports -------------------------------------------------------------------------------


def read(call: Call) -> Answer:
    """Answer the reporting module's reads: categories, reports, one report, value sets, a polled run."""
    name = call.route.collection
    if name == "reporting.report_categories":
        return _paged(call, [{"id": key, "name": label} for key, label in CATEGORIES.items()])
    if name == "reporting.dynamic_value_sets":
        return _value_set(call)
    if name == "reporting.data_queries":
        return _poll(call)
    category = call.path["report_category"]
    if category not in CATEGORIES:
        raise AnswerError(404)
    if call.route.item is None:
        rows = [
            {"id": each.id, "name": each.name, "description": None}
            for each in REPORTS.values()
            if each.category == category
        ]
        return _paged(call, rows)
    report = _report(call)
    return document(
        {
            "id": report.id,
            "name": report.name,
            "description": None,
            "modifiedOn": moments.write(call.tenant.opened - 30 * moments.DAY),
            "parameters": [
                {
                    "name": parameter,
                    "label": label,
                    "dataType": kind,
                    "isArray": False,
                    "isRequired": needed,
                    "acceptValues": None,
                }
                for parameter, label, kind, needed in _PARAMETERS
            ],
            "fields": [
                {"name": field, "label": label, "dataType": kind} for field, label, kind in report.fields
            ],
        }
    )


def _paged(call: Call, rows: list[Any], default: int = 50, most: int = 5000, **more: Any) -> Answer:
    number, size = call.integer("page", 1), call.integer("pageSize", default)
    if number < 1:
        raise bad("page", "The page must be 1 or greater.")
    if not 1 <= size <= most:
        raise bad("pageSize", f"The page size must be between 1 and {most}.")
    first = (number - 1) * size
    some = rows[first : first + size]
    body = {
        "page": number,
        "pageSize": size,
        "hasMore": first + size < len(rows),
        "totalCount": len(rows) if call.flag("includeTotal") else None,
        "data": some,
        **more,
    }
    return document(body, records=len(some))


def _value_set(call: Call) -> Answer:
    if call.path["dynamicSetId"] != "business-units":
        raise AnswerError(404)
    fields = [{"name": "Value", "label": "Value"}, {"name": "Label", "label": "Label"}]
    units = _names(call.tenant, "settings.business_units")
    return _paged(call, [[number, name] for number, name in units.items()], fields=fields)


# Runs -----------------------------------------------------------------------------------------------


def _report(call: Call) -> Report:
    report = REPORTS.get(call.number("reportId"))
    if report is None or report.category != call.path["report_category"]:
        raise AnswerError(404)
    return report


def run(call: Call) -> Answer:
    """Run a report, at once or to be polled. Raises 429 for a second run within a minute."""
    report = _report(call)
    body = call.body if isinstance(call.body, dict) else {}
    parameters = body.get("parameters")
    if not isinstance(parameters, list):
        raise bad("parameters", "The parameters field is required.")
    values = {each.get("name"): each.get("value") for each in parameters if isinstance(each, dict)}
    start, end = (_day(name, values) for name, *_ in _PARAMETERS)
    _count_run(call, report)
    if call.route.path.endswith("/query"):
        return _start(call, report, start, end)
    rows = report.rows(call.tenant, start, end + moments.DAY)
    return _paged(call, rows, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, fields=_fields(report))


def _day(name: str, values: dict[Any, Any]) -> int:
    text = values.get(name)
    if not text:
        raise bad(name, f"The report needs the parameter {name}.")
    try:
        return moments.read(str(text))
    except ValueError:
        raise bad(name, f"The value '{text}' is not valid for {name}.") from None


def _fields(report: Report) -> list[dict[str, str]]:
    return [{"name": field, "label": label} for field, label, _ in report.fields]


def _count_run(call: Call, report: Report) -> None:
    """Later pages of a run that was just made belong to it; another first page is another run."""
    if call.integer("page", 1) > 1:
        return
    now = call.tenant.clock.monotonic()
    key = ("reporting.runs", (str(report.id),))
    last = call.tenant.documents.get(key)
    if last is not None and now - last < RUN_EVERY_SECONDS:
        error = AnswerError(429, "The same report can run once a minute.")
        error.headers["Retry-After"] = str(round(RUN_EVERY_SECONDS - (now - last) + 0.5))
        raise error
    call.tenant.documents[key] = now


def _runs(call: Call) -> list[tuple[str, tuple[str, ...]]]:
    return [key for key in call.tenant.documents if key[0] == "reporting.data_queries"]


def _start(call: Call, report: Report, start: int, end: int) -> Answer:
    if len(_runs(call)) >= SLOTS:
        raise AnswerError(429, "Too many report runs are waiting to be read.")
    token = secrets.token_hex(16)
    rows = report.rows(call.tenant, start, end + moments.DAY)
    call.tenant.documents["reporting.data_queries", (token,)] = [_POLLS, report, rows]
    return document({"status": "NotStarted", "token": token}, 202)


def _poll(call: Call) -> Answer:
    token = call.path["token"]
    waiting = call.tenant.documents.get(("reporting.data_queries", (token,)))
    if waiting is None:
        raise AnswerError(404)
    polls, report, rows = waiting
    if polls:
        waiting[0] -= 1
        return document({"status": "InProgress", "token": token}, 202)
    return _paged(call, rows, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, fields=_fields(report))


def forget(call: Call) -> Answer:
    """Give up a polled run, which frees its slot."""
    if call.tenant.documents.pop(("reporting.data_queries", (call.path["token"],)), None) is None:
        raise AnswerError(404)
    return nothing()
