"""Equipment installed at locations. Attachments answer with a redirect to the file."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    CREATED,
    IDS,
    LISTED,
    MODIFIED,
    REFERENCE,
    Module,
)

row = Module(
    "equipmentsystems",
    root="/equipmentsystems/v2/tenant/{tenant}/",
    scopes="tn.eqs.",
    schemas="EquipmentSystems.V2",
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Equipment types
    row.page("equipment_types.list", "equipment-types", "List equipment types",
        "equipmenttypes", ".EquipmentTypeResponse", LISTED, IDS, ACTIVE, "name", fresh_seconds=REFERENCE),
    row.command("equipment_types.create", "POST equipment-types", "Create an equipment type",
        "equipmenttypes", ".EquipmentTypeCreateRequest", ".EquipmentTypeResponse"),
    row.item("equipment_types.get", "equipment-types/{id}", "Get one equipment type",
        "equipmenttypes", ".EquipmentTypeResponse"),
    row.command("equipment_types.update", "PATCH equipment-types/{id}", "Update an equipment type",
        "equipmenttypes", ".EquipmentTypeUpdateRequest", ".EquipmentTypeResponse"),
    # Installed equipment
    row.page("installed_equipment.list", "installed-equipment", "List installed equipment",
        "installedequipment", ".InstalledEquipmentResponse", LISTED, IDS, ACTIVE, "locationIds"),
    row.command("installed_equipment.create", "POST installed-equipment",
        "Create a piece of installed equipment", "installedequipment", ".InstalledEquipmentCreateRequest",
        ".InstalledEquipmentDetailedResponse"),
    row.item("installed_equipment.get", "installed-equipment/{id}", "Get one piece of installed equipment",
        "installedequipment", ".InstalledEquipmentDetailedResponse"),
    row.command("installed_equipment.update", "PATCH installed-equipment/{id}",
        "Update a piece of installed equipment", "installedequipment", ".InstalledEquipmentUpdateRequest",
        ".InstalledEquipmentDetailedResponse"),
    row.export("installed_equipment.export", "export/installed-equipment", "Export installed equipment",
        "installedequipment", ".InstalledEquipmentResponse", answer=".InstalledEquipmentListExportResponse"),
    row.command("installed_equipment_attachments.create", "POST installed-equipment/attachments",
        "Upload an attachment for installed equipment", "installedequipment", "binary",
        ".AttachmentUploadResponse"),
    row.file("installed_equipment_attachments.get", "installed-equipment/attachments",
        "Download an attachment of installed equipment", "installedequipment", None, "path"),
    row.page("installed_equipment_custom_field_types.list", "installed-equipment/custom-field-types",
        "List the custom field types of installed equipment", "installedequipment",
        "LocationEquipment.CustomFieldTypeModel", CREATED, MODIFIED,
        "!page:integer !pageSize:integer !descending:boolean sortBy",
        answer="LocationEquipment.Repositories.Types.RepositoryPageResult_Of_LocationEquipment"
        ".CustomFieldTypeModel"),
)
# fmt: on
