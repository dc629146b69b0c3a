"""Service agreements."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import IDS, LISTED, Module

row = Module(
    "service_agreements",
    root="/service-agreements/v2/tenant/{tenant}/",
    scopes="tn.sa.",
    schemas="ServiceAgreements.V2",
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Service agreements
    row.page("service_agreements.list", "service-agreements", "List service agreements",
        "serviceagreements", ".ServiceAgreementResponse", LISTED, IDS, "customerIds businessUnitIds",
        "status=Draft|Sent|Rejected|Accepted|Activated|Canceled|Expired|AutoRenew"),
    row.item("service_agreements.get", "service-agreements/{id}", "Get one service agreement",
        "serviceagreements", ".ServiceAgreementResponse"),
    row.export("service_agreements.export", "export/service-agreements", "Export service agreements",
        "serviceagreements", ".ExportServiceAgreementResponse"),
    row.page("service_agreements_custom_fields.list", "service-agreements/custom-fields",
        "List the custom fields of service agreements", "serviceagreements", None, LISTED),
)
# fmt: on
