"""Plausible requests for every operation, and the vendor's documents to hold the answers against."""

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.sandbox.servicetitan.reports import REPORTS
from perfectcatch.sandbox.servicetitan.service import Service
from perfectcatch.vendors.servicetitan.endpoints import CATALOGUE

SHARED = Path(os.environ.get("PERFECTCATCH_SHARED") or Path(__file__).parents[3] / "shared")
SPECS = SHARED / "servicetitan/specs"
NEWEST_FIRST = ("2026-05-21", "2026-03-17", "2025-11-25")
Key = tuple[str, str]


# The vendor's documents -----------------------------------------------------------------------------


@cache
def documents() -> Mapping[str, dict[str, Any]]:
    """Each document by a URI of ours, the newest first."""
    found = {}
    for day in NEWEST_FIRST:
        for file in sorted((SPECS / day).glob("*.json")):
            found[f"urn:{day}:{file.stem}"] = _with_null(json.loads(file.read_text()))
    return found


def _with_null(node: Any) -> Any:
    """Say in JSON Schema what OpenAPI 3.0 says by ``nullable``."""
    if isinstance(node, list):
        return [_with_null(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_null(value) for key, value in node.items()}
    return {"anyOf": [node, {"type": "null"}]} if node.pop("nullable", False) is True else node


@cache
def registry() -> Registry[Any]:
    resources = [
        (uri, Resource(contents=document, specification=DRAFT202012)) for uri, document in documents().items()
    ]
    return Registry().with_resources(resources)


@cache
def operations() -> Mapping[Key, tuple[str, str, dict[str, Any]]]:
    """(method, path) to its document's URI, the JSON pointer of the operation, and the operation."""
    found: dict[Key, tuple[str, str, dict[str, Any]]] = {}
    for uri, document in documents().items():
        base = re.sub("https://[^/]+", "", document["servers"][0]["url"])
        for path, item in document["paths"].items():
            for method, operation in item.items():
                pointer = f"/paths/{path.replace('~', '~0').replace('/', '~1')}/{method}"
                found.setdefault((method.upper(), base + path), (uri, pointer, operation))
    return found


_FORMATS = FormatChecker(["date-time", "date"])


def complaints(key: Key, status: int, body: bytes, content_type: str) -> list[str]:
    """What the document finds wrong with an answer."""
    uri, pointer, operation = operations()[key]
    answer = operation["responses"].get(str(status))
    if answer is None:
        return [f"status {status} is not documented: {sorted(operation['responses'])}"]
    content = answer.get("content")
    if not content:
        return [] if not body or status >= 300 or key[0] == "GET" else ["a body where none is documented"]
    media = next(iter(content))
    if media == "application/octet-stream":
        return [] if content_type.startswith(media) else [f"content type {content_type}"]
    where = f"{uri}#{pointer}/responses/{status}/content/{media.replace('/', '~1')}/schema"
    validator = Draft202012Validator({"$ref": where}, registry=registry(), format_checker=_FORMATS)
    found = sorted(validator.iter_errors(json.loads(body)), key=lambda error: list(map(str, error.path)))
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


# Plausible requests ---------------------------------------------------------------------------------

# Where ids come from when the path or a field's name does not say it.
COLLECTIONS = {
    "customer": "crm.customers", "location": "crm.locations", "job": "jpm.jobs", "project": "jpm.projects",
    "jobAppointment": "jpm.appointments", "appointment": "jpm.appointments",
    "technician": "settings.technicians", "preferredTechnician": "settings.technicians",
    "employee": "settings.employees", "soldBy": "settings.technicians",
    "businessUnit": "settings.business_units", "campaign": "marketing.campaigns", "jobType": "jpm.job_types",
    "tagType": "settings.tag_types", "type": "accounting.payment_types", "invoice": "accounting.invoices",
    "adjustmentTo": "accounting.invoices", "payment": "accounting.payments", "estimate": "sales.estimates",
    "booking": "crm.bookings", "booking_provider": "crm.booking_provider_tags", "lead": "crm.leads",
    "equipment": "equipmentsystems.installed_equipment",
    "agent": "settings.employees",
}  # fmt: skip
WORDS = {
    "report_category": "accounting", "reportId": 1101, "dynamicSetId": "business-units",
    "gps_provider": "tracker",
    "typeSlug": "customer", "relatedEntityId": 52100413, "relationshipId": 7, "token": "started",
}  # fmt: skip


class Asker:
    """Asks the sandbox with ids that exist there."""

    def __init__(self, client: TestClient[Any, Any], service: Service) -> None:
        self.client = client
        self.service = service
        self.tenant = service.options.tenant_id
        self.headers: dict[str, str] = {}

    async def log_in(self) -> None:
        options = self.service.options
        form = {
            "grant_type": "client_credentials",
            "client_id": options.client_id,
            "client_secret": options.client_secret,
        }
        answer = await self.client.post("/connect/token", data=form)
        token = (await answer.json())["access_token"]
        self.headers = {"Authorization": f"Bearer {token}", "ST-App-Key": options.app_key}

    async def ask(
        self, method: str, path: str, query: Mapping[str, str], body: Any
    ) -> tuple[int, bytes, str]:
        async with self.client.request(
            method, path, params=query, json=body, headers=self.headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.read(), answer.content_type

    # Ids ----------------------------------------------------------------------------------------

    def some(self, collection: str, **wanted: Any) -> Any:
        """The id of a record with these values; an active one where there is one."""
        for row in self.service.tenant.table(collection).by_id():
            record = row.record()
            if row.active and not row.hidden and all(record[name] == value for name, value in wanted.items()):
                return row.id
        raise AssertionError(f"no {collection} with {wanted}")

    def named(self, name: str) -> Any:
        """An id for a field such as ``jobId``."""
        return self.some(COLLECTIONS[name.removesuffix("s").removesuffix("Id")])

    async def fill(self, row: Endpoint) -> str:
        """Put ids into a path: those of records that the list before each parameter shows."""
        pick = STATES.get((row.method, row.path))
        chosen = list(pick(self)) if pick else []
        path = ""
        for segment in row.path.strip("/").split("/"):
            if not segment.startswith("{"):
                path += f"/{segment}"
                continue
            name = segment[1:-1]
            if name == "tenant":
                value: Any = self.tenant
            elif chosen:
                value = chosen.pop(0)
            else:
                value = await self._value(row, path, name)
            path += f"/{value}"
        return path

    async def _value(self, row: Endpoint, path: str, name: str) -> Any:
        if name in WORDS:
            return WORDS[name]
        pattern = row.path.split("/{" + name + "}")[0]
        listed = CATALOGUE_BY_KEY.get(("GET", pattern))
        if listed is not None and listed.kind in {Kind.PAGE, Kind.LIST}:
            status, body, _ = await self.ask("GET", path, self.query(listed), None)
            assert status == 200, body
            answer = json.loads(body)
            records = answer["data"] if isinstance(answer, dict) else answer
            if records and "id" in records[0]:
                return records[0]["id"]
            if records and name == "preferenceName":
                return records[0]["name"]
        if name.removesuffix("Id") in COLLECTIONS:
            return self.named(name)
        route = next(each for each in self.service.tenant.routes.all if each.path == row.path)
        return next(iter(self.service.tenant.table(route.collection).rows), 1)

    # Queries and bodies -------------------------------------------------------------------------

    def query(self, row: Endpoint) -> dict[str, str]:
        """The required parameters, a small page, and everything else left out."""
        query = {"modifiedOnOrAfter": "2020-01-01T00:00:00Z"} if row.path.endswith("s/contacts") else {}
        if row.kind is Kind.PAGE:
            query["pageSize"] = "20"
        operation = operations().get((row.method, row.path))
        for parameter in operation[2].get("parameters", ()) if operation else ():
            if parameter["in"] == "query" and parameter.get("required"):
                query[parameter["name"]] = self._text(row, parameter)
        return query | dict(row.always)

    def _text(self, row: Endpoint, parameter: dict[str, Any]) -> str:
        name, schema = parameter["name"], self.resolved(row, parameter["schema"])
        if name in {"ids", "jobIds"}:
            return str(self.some("jpm.jobs", jobStatus="Canceled"))
        if name.endswith("Id") and name.removesuffix("Id") in COLLECTIONS:
            return str(self.named(name))
        if "enum" in schema:
            return str(schema["enum"][0])
        if schema.get("format") == "date-time":
            return (
                "2026-11-20T00:00:00Z"
                if "to" in name.lower() or "before" in name.lower()
                else "2026-11-01T00:00:00Z"
            )
        return {"integer": "1", "boolean": "true", "number": "1"}.get(str(schema.get("type")), "x")

    def resolved(self, row: Endpoint, schema: dict[str, Any]) -> dict[str, Any]:
        for word in ("oneOf", "anyOf"):
            if word in schema:
                real = [each for each in schema[word] if each.get("type") != "null"]
                return self.resolved(row, real[0])
        if "$ref" in schema:
            uri = operations()[row.method, row.path][0]
            found: dict[str, Any] = documents()[uri]["components"]["schemas"][
                schema["$ref"].rsplit("/", 1)[1]
            ]
            return self.resolved(row, found) if "$ref" in found else found
        return schema

    def body(self, row: Endpoint) -> Any:
        """A body made from the request's schema: every field, with ids of records that exist."""
        operation = operations().get((row.method, row.path))
        if operation is None:
            return {"parameters": DAYS} if row.method == "POST" else None
        content = operation[2].get("requestBody", {}).get("content")
        if not content:
            return None
        made = self._made(row, next(iter(content.values()))["schema"], "", 0)
        return BODIES.get((row.method, row.path), lambda _asker, body: body)(self, made)

    def _made(self, row: Endpoint, schema: dict[str, Any], name: str, depth: int) -> Any:
        schema = self.resolved(row, schema)
        if "enum" in schema:
            return schema["enum"][0]
        kinds = schema.get("type", "object" if "properties" in schema else None)
        kind = next((each for each in kinds if each != "null"), None) if isinstance(kinds, list) else kinds
        if kind == "object" or "properties" in schema:
            fields = schema.get("properties", {}).items()
            needed = schema.get("required", ())
            return {
                key: self._made(row, value, key, depth + 1)
                for key, value in fields
                if depth < 3 or key in needed
            }
        if kind == "array":
            return [self._made(row, schema["items"], name, depth + 1)] if depth < 6 else []
        return self._plain(kind, schema.get("format"), name)

    def _plain(self, kind: str | None, form: str | None, name: str) -> Any:
        if kind == "integer":
            key = name.removesuffix("s").removesuffix("Id")
            return (
                self.named(name) if name.lower().endswith(("id", "ids", "by")) and key in COLLECTIONS else 1
            )
        if kind in {"number", "boolean"}:
            return 12.5 if kind == "number" else True
        samples = {
            "date-time": "2026-12-02T15:00:00Z" if name.lower().startswith("end") else "2026-12-01T15:00:00Z",
            "date": "2026-12-01", "guid": "0f8fad5b-d9cb-469f-a165-70867728950e", "duration": "01:30:00",
            "email": "ada@example.com", "phone": "8135550101",
        }  # fmt: skip
        return samples.get(form or "", "#A0B1C2" if name == "color" else "text")


DAYS = [{"name": "From", "value": "2026-10-01"}, {"name": "To", "value": "2026-11-01"}]


def _reason(collection: str) -> Any:
    return lambda asker, body: {**body, "reasonId": asker.some(collection)}


def _job(asker: Asker, body: Any) -> Any:
    place = asker.service.tenant.get("crm.locations", asker.named("locationId"))
    visit = {"start": "2026-12-01T15:00:00Z", "end": "2026-12-01T17:00:00Z"}
    body |= {"customerId": place["customerId"], "appointments": [visit]}
    return {
        name: value for name, value in body.items() if name not in {"bookingId", "leadId", "customFields"}
    }


def _one_item(asker: Asker, body: Any) -> Any:
    return {name: value for name, value in body.items() if name != "id"}


def _named(**collections: str) -> Any:
    return lambda asker, body: {**body, **{name: asker.some(where) for name, where in collections.items()}}


def _articles(asker: Asker, body: Any) -> Any:
    where = {"discountAndFees": "discounts_and_fees"}
    return {
        name: [{**each, "id": asker.some(f"pricebook.{where.get(name, name)}")} for each in rows]
        for name, rows in body.items()
    }


def _plain_estimate(_asker: Asker, body: Any) -> Any:
    return {**body, "items": [{"skuName": "x", "quantity": 1.0, "unitPrice": 5.0}], "status": "Open"}


_JPM, _CRM, _SALES, _DISPATCH = (
    f"/{module}/v2/tenant/{{tenant}}" for module in ("jpm", "crm", "sales", "dispatch")
)
_PROVIDER = f"{_CRM}/booking-provider/{{booking_provider}}/bookings"
_REPORTS = "/reporting/v2/tenant/{tenant}/report-category/{report_category}/reports/{reportId}"
_QUERIES = "/reporting/v2/tenant/{tenant}/data-queries"
_INVOICES = "/accounting/v2/tenant/{tenant}/invoices"
BODIES = {
    ("PUT", f"{_JPM}/jobs/{{id}}/cancel"): _reason("jpm.job_cancel_reasons"),
    ("PUT", f"{_JPM}/jobs/{{id}}/hold"): _reason("jpm.job_hold_reasons"),
    ("PUT", f"{_JPM}/appointments/{{id}}/hold"): _reason("jpm.job_hold_reasons"),
    ("POST", f"{_JPM}/jobs"): _job,
    ("POST", f"{_SALES}/estimates"): _plain_estimate,
    ("PUT", f"{_SALES}/estimates/{{id}}"): _plain_estimate,
    ("PUT", f"{_SALES}/estimates/{{id}}/items"): _one_item,
    ("POST", "/accounting/v2/tenant/{tenant}/invoices"): lambda _asker, body: {**body, "items": []},
    ("POST", "/pricebook/v2/tenant/{tenant}/pricebook"): lambda _asker, body: body,
    ("PATCH", "/pricebook/v2/tenant/{tenant}/pricebook"): _articles,
    ("POST", f"{_REPORTS}/data"): lambda _asker, _body: {"parameters": DAYS},
    ("POST", f"{_DISPATCH}/capacity"): lambda asker, body: {
        **body,
        "businessUnitIds": [asker.named("businessUnitId")],
    },
}


def _canceled_job(asker: Asker) -> Any:
    return [asker.some("jpm.jobs", jobStatus="Canceled")]


def _open_job(asker: Asker) -> Any:
    return [asker.some("jpm.jobs", jobStatus="Scheduled")]


def _visit(status: str) -> Any:
    return lambda asker: [asker.some("jpm.appointments", status=status)]


def _removable_visit(asker: Asker) -> Any:
    for row in asker.service.tenant.table("jpm.jobs").by_id():
        if (job := row.record())["appointmentCount"] > 1:
            return [job["lastAppointmentId"]]
    raise AssertionError("no job with two appointments")


def _estimate(name: str) -> Any:
    def pick(asker: Asker) -> Any:
        for row in asker.service.tenant.table("sales.estimates").by_id():
            if row.record()["status"]["name"] == name:
                return [row.id]
        raise AssertionError(f"no estimate is {name}")

    return pick


def _tagged(collection: str) -> Any:
    def pick(asker: Asker) -> Any:
        number = asker.some(collection)
        tag = asker.named("tagTypeId")
        asker.service.tenant.edit(collection, number, tagTypeIds=[tag])
        return [number, tag]

    return pick


def _with_item(collection: str) -> Any:
    def pick(asker: Asker) -> Any:
        for row in asker.service.tenant.table(collection).by_id():
            if items := row.record()["items"]:
                return [row.id, items[0]["id"]]
        raise AssertionError(f"no {collection} has items")

    return pick


def _started(asker: Asker) -> Any:
    asker.service.tenant.documents["reporting.data_queries", ("started",)] = [0, REPORTS[1101], []]
    return ["started"]


def _booking(asker: Asker) -> Any:
    record = asker.service.tenant.edit("crm.bookings", asker.some("crm.bookings"), status="New")
    return [record["bookingProviderId"], record["id"]]


def _booking_contact(asker: Asker) -> Any:
    provider, booking = _booking(asker)
    facts = {"type": "Phone", "value": "8135550142", "memo": None}
    contact = asker.service.tenant.add("crm.bookings_contacts", facts, (str(booking),))
    return [provider, booking, contact["id"]]


def _tie(asker: Asker) -> Any:
    tenant = asker.service.tenant
    contact = str(asker.some("crm.contacts"))
    facts = {"relatedEntityId": 7, "typeSlug": "owner", "typeName": "Owner", "createdBy": 1}
    tenant.add("crm.contacts_relationships", facts, (contact,))
    return [contact, 7, "owner"]


STATES = {
    ("PUT", f"{_JPM}/jobs/{{id}}/cancel"): _open_job,
    ("PUT", f"{_JPM}/jobs/{{id}}/remove-cancellation"): _canceled_job,
    ("GET", f"{_JPM}/jobs/{{id}}/canceled-log"): lambda asker: [asker.some("jpm.jobs", jobStatus="Canceled")],
    **{
        (method, f"{_JPM}/appointments/{{id}}/{action}"): _visit("Scheduled")
        for method, action in (
            ("PUT", "hold"), ("PUT", "confirmation"), ("DELETE", "confirmation"), ("PATCH", "reschedule")
        )
    },
    ("DELETE", f"{_JPM}/appointments/{{id}}/hold"): _visit("Hold"),
    ("DELETE", f"{_JPM}/appointments/{{id}}"): _removable_visit,
    ("PUT", f"{_SALES}/estimates/{{id}}/sell"): _estimate("Open"),
    ("PUT", f"{_SALES}/estimates/{{id}}/unsell"): _estimate("Sold"),
    ("PUT", f"{_SALES}/estimates/{{id}}/dismiss"): _estimate("Open"),
    ("POST", f"{_CRM}/leads/{{id}}/dismiss"): lambda asker: [asker.some("crm.leads", status="Open")],
    ("DELETE", f"{_INVOICES}/{{invoiceId}}/items/{{itemId}}"): _with_item("accounting.invoices"),
    ("DELETE", f"{_SALES}/estimates/{{id}}/items/{{itemId}}"): _with_item("sales.estimates"),
    **{(method, f"{_QUERIES}/{{token}}"): _started for method in ("GET", "DELETE")},
    ("POST", f"{_REPORTS}/data/query"): lambda _asker: ["operations", 1201],
    ("DELETE", f"{_CRM}/contacts/{{contactId}}/relationships/{{relatedEntityId}}/{{typeSlug}}"): _tie,
    ("GET", f"{_PROVIDER}/{{id}}"): _booking,
    ("PATCH", f"{_PROVIDER}/{{id}}"): _booking,
    ("POST", f"{_PROVIDER}/{{id}}/dismiss"): _booking,
    ("GET", f"{_PROVIDER}/{{id}}/contacts"): _booking,
    ("POST", f"{_PROVIDER}/{{id}}/contacts"): _booking,
    ("PATCH", f"{_PROVIDER}/{{id}}/contacts/{{contactId}}"): _booking_contact,
    ("DELETE", f"{_PROVIDER}/{{id}}/contacts/{{contactId}}"): _booking_contact,
    ("DELETE", f"{_CRM}/customers/{{id}}/tags/{{tagTypeId}}"): _tagged("crm.customers"),
    ("DELETE", f"{_CRM}/locations/{{id}}/tags/{{tagTypeId}}"): _tagged("crm.locations"),
}  # fmt: skip
CATALOGUE_BY_KEY = {(row.method, row.path): row for row in CATALOGUE.values()}
