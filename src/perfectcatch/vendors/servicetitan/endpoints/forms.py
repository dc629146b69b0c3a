"""Forms, their submissions, and files attached to jobs."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    CREATED,
    IDS,
    LISTED,
    PAGING,
    REFERENCE,
    SORT,
    Module,
)

row = Module("forms", root="/forms/v2/tenant/{tenant}/", scopes="tn.frm.", schemas="Forms.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Forms
    row.page("forms.list", "forms", "List forms",
        "forms", ".FormResponse", LISTED, IDS, ACTIVE,
        "hasConditionalLogic:boolean hasTriggers:boolean name status=Any|Published|Unpublished",
        fresh_seconds=REFERENCE),
    # Jobs
    row.file("jobs_attachment.get", "jobs/attachment/{id}", "Download an attachment of a job", "jobs", None),
    row.page("jobs_attachments.list", "jobs/{jobId}/attachments", "List the attachments of a job",
        "jobs", None, PAGING, CREATED, SORT),
    row.command("jobs_attachments.create", "POST jobs/{id}/attachments", "Upload an attachment for a job",
        "jobs", "binary", ".AttachmentResponse"),
    # Submissions
    row.page("submissions.list", "submissions", "List submitted forms",
        "submissions", ".FormSubmissionResponse", PAGING, SORT, ACTIVE,
        "formIds createdById:integer status=Started|Completed|Any submittedOnOrAfter:date-time",
        "submittedBefore:date-time",
        "ownerType=Job|Call|Customer|Location|Equipment|Technician|JobAppointment|Membership|Truck",
        "owners:object[]"),
)
# fmt: on
