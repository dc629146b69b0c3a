"""From the one stored shape of a record to what each kind of answer shows of it.

Records are kept as the export feeds show them. Lists lack ``active`` on some of them, and calls differ in
everything but their facts.
"""

from typing import Any

Record = dict[str, Any]

# Fields that only the export feed shows.
_EXPORT_ONLY = {
    "crm.customers_contacts": ("active",),
    "crm.locations_contacts": ("active",),
    "crm.bookings": ("active",),
    "crm.leads": ("active",),
    "jpm.jobs": ("active",),
    "jpm.projects": ("active",),
    "memberships.recurring_service_events": ("active",),
    "jpm.job_notes": ("id", "active", "jobId"),
}


def export_shape(collection: str, record: Record) -> Record:
    """Return the record as the export feed shows it."""
    if collection != "telecom.calls":
        return record
    return {name: value for name, value in record.items() if name != "_list"}


def list_shape(collection: str, record: Record) -> Record:
    """Return the record as the current list shows it; calls in version 3."""
    if collection == "telecom.calls":
        return call_in_v3(record)
    if collection == "pricebook.services":
        return {**record, "calculatedPrice": record["price"], "useStaticPrices": True}
    hidden = _EXPORT_ONLY.get(collection)
    if hidden is None:
        return record
    return {name: value for name, value in record.items() if name not in hidden}


def call_in_v3(record: Record) -> Record:
    """Return a call as version 3 lists it: the facts lie in ``leadCall``, ``type`` is the job's type."""
    extra = record["_list"]
    agent = record["agent"]
    return {
        "id": record["id"],
        "jobNumber": record["job"]["number"] if record["job"] else None,
        "projectId": extra["projectId"],
        "businessUnit": extra["businessUnit"],
        "type": extra["type"],
        "leadCall": {
            "createdOn": record["createdOn"],
            "active": record["active"],
            "id": record["id"],
            "receivedOn": record["createdOn"],
            "duration": record["duration"],
            "from": record["from"],
            "to": record["to"],
            "direction": record["direction"],
            "callType": record["type"],
            "reason": extra["reason"],
            "recordingUrl": record["recordingUrl"],
            "voiceMailUrl": record["voiceMailPath"],
            "createdBy": record["createdBy"],
            "customer": record["customer"],
            "campaign": record["campaign"],
            "modifiedOn": record["modifiedOn"],
            "agent": {**agent, "externalId": None} if agent else None,
            "sid": extra["sid"],
            "tags": [],
        },
    }
