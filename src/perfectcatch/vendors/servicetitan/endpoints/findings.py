"""What technicians found at locations. Assets answer with a redirect to the file."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    CREATED,
    IDS,
    LISTED,
    PAGING,
    SORT,
    Module,
)

row = Module(
    "findings", root="/findings/v2/tenant/{tenant}/", scopes="tn.fdgs.", schemas="EquipmentSystems.V2"
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Assets
    row.command("assets.create", "POST assets", "Upload a file for a finding",
        "assets", "binary", ".FindingAssetUploadResponse"),
    row.file("assets.get", "assets", "Download a file of a finding", "assets", None, "path"),
    # Location findings
    row.page("location_findings.list", "location-findings", "List location findings",
        "locationfindings", ".FindingResponse", LISTED, IDS, ACTIVE,
        "locationId:integer sourceJobId:integer installedEquipmentId:integer"),
    row.command("location_findings.create", "POST location-findings", "Create a location finding",
        "locationfindings", ".FindingCreateRequest", ".FindingDetailedResponse"),
    row.item("location_findings.get", "location-findings/{id}", "Get one location finding",
        "locationfindings", ".FindingDetailedResponse"),
    row.command("location_findings.update", "PATCH location-findings/{id}", "Update a location finding",
        "locationfindings", ".FindingUpdateRequest", ".FindingDetailedResponse"),
    row.page("location_findings_attachments.list", "location-findings/{id}/attachments",
        "List the attachments of a location finding", "locationfindings", ".FindingAttachmentResponse",
        PAGING, CREATED, SORT, IDS),
    row.command("location_findings_attachments.create", "POST location-findings/{id}/attachments",
        "Add an attachment to a location finding", "locationfindings", ".FindingAttachmentCreateRequest",
        ".FindingAttachmentResponse"),
    row.item("location_findings_attachments.get", "location-findings/{id}/attachments/{attachmentId}",
        "Get one attachment of a location finding", "locationfindings", ".FindingAttachmentResponse"),
    row.command("location_findings_attachments.update",
        "PATCH location-findings/{id}/attachments/{attachmentId}",
        "Update an attachment of a location finding", "locationfindings", ".FindingAttachmentUpdateRequest",
        ".FindingAttachmentResponse"),
    row.command("location_findings_attachments.delete",
        "DELETE location-findings/{id}/attachments/{attachmentId}",
        "Delete an attachment of a location finding", "locationfindings"),
)
# fmt: on
