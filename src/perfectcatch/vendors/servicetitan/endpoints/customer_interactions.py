"""How customers rated technicians."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import ACTIVE, LISTED, Module

row = Module(
    "customer_interactions",
    root="/customer-interactions/v2/tenant/{tenant}/",
    scopes="tn.csi.",
    schemas="CustomerInteractions.V2",
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Technician ratings
    row.command("technician_rating_technician_job.replace",
        "PUT technician-rating/technician/{technicianId}/job/{jobId}",
        "Rate a technician's work on a job (old form)", "technicianrating",
        ".CreateOrUpdateTechnicianAssessmentRequestOld"),
    row.page("technician_ratings.list", "technician-ratings", "List technician ratings",
        "technicianrating", ".TechnicianAssessmentResponse", LISTED, ACTIVE,
        "technicianId:integer jobId:integer"),
    row.command("technician_ratings.create", "POST technician-ratings", "Rate a technician's work",
        "technicianrating", ".CreateOrUpdateTechnicianAssessmentRequest", ".TechnicianAssessmentResponse"),
    row.export("technician_ratings.export", "export/technician-ratings", "Export technician ratings",
        "technicianrating", ".ExportTechnicianAssessmentResponse"),
)
# fmt: on
