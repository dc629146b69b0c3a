"""Estimates, templates and opportunities.

Estimates have two export feeds; the one under ``export/`` is the standard one. Opportunities were never
documented beyond their paths and have left the documents.
"""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    IDS,
    LISTED,
    MODIFIED,
    PAGING,
    REFERENCE,
    Module,
)

row = Module("sales", root="/sales/v2/tenant/{tenant}/", scopes="tn.sal.", schemas="Estimates.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Estimate status
    row.whole("status_estimates_changes.list", "status/estimates/{id}/changes",
        "List the status changes of an estimate", "estimates", ".EstimateStatusChangesResponse"),
    # Estimate templates
    row.page("estimate_templates.list", "estimate-templates", "List estimate templates",
        "estimatetemplates", ".EstimateTemplateResponse", PAGING, MODIFIED, ACTIVE),
    row.command("estimate_templates.create", "POST estimate-templates", "Create an estimate template",
        "estimatetemplates", ".CreateEstimateTemplateRequest", ".EstimateTemplateResponse"),
    row.item("estimate_templates.get", "estimate-templates/{id}", "Get one estimate template",
        "estimatetemplates", ".EstimateTemplateResponse"),
    row.command("estimate_templates.update", "PATCH estimate-templates/{id}", "Update an estimate template",
        "estimatetemplates", ".UpdateEstimateTemplateRequest", ".EstimateTemplateResponse"),
    row.command("estimate_templates.delete", "DELETE estimate-templates/{id}", "Delete an estimate template",
        "estimatetemplates"),
    # Estimates
    row.page("estimates.list", "estimates", "List estimates",
        "estimates", ".EstimateResponse", LISTED, IDS, ACTIVE,
        "jobId:integer projectId:integer jobNumber totalGreater:number totalLess:number",
        "soldById:integer soldByEmployeeId:integer soldAfter:date-time soldBefore:date-time status",
        "orderBy orderByDirection locationId:integer"),
    row.command("estimates.create", "POST estimates", "Create an estimate",
        "estimates", ".CreateEstimateRequest", ".EstimateResponse"),
    row.item("estimates.get", "estimates/{id}", "Get one estimate", "estimates", ".EstimateResponse"),
    row.command("estimates.replace", "PUT estimates/{id}", "Replace an estimate",
        "estimates", ".UpdateEstimateRequest", ".EstimateResponse"),
    row.command("estimates.dismiss", "PUT estimates/{id}/dismiss", "Dismiss an estimate", "estimates"),
    row.command("estimates.sell", "PUT estimates/{id}/sell", "Mark an estimate as sold",
        "estimates", ".SellRequest", ".EstimateResponse"),
    row.command("estimates.unsell", "PUT estimates/{id}/unsell", "Take back the sale of an estimate",
        "estimates"),
    row.export("estimates.export", "export/estimates", "Export estimates",
        "estimates", ".ExportEstimatesResponse"),
    row.export("estimates.export_old", "estimates/export", "Export estimates (the older feed)",
        "estimates", ".ExportEstimatesResponse"),
    row.page("estimates_items.list", "estimates/items", "List the items of all estimates",
        "estimates", ".EstimateItemResponse", LISTED, IDS, ACTIVE, "estimateId:integer"),
    row.command("estimates_items.replace", "PUT estimates/{id}/items",
        "Replace or add an item of an estimate", "estimates", ".EstimateItemCreateUpdateRequest",
        ".EstimateItemUpdateResponse"),
    row.command("estimates_items.delete", "DELETE estimates/{id}/items/{itemId}",
        "Delete an item of an estimate", "estimates"),
    # Opportunities
    row.page("opportunities.list", "opportunities", "List opportunities", "", None, LISTED, current=False),
    row.item("opportunities.get", "opportunities/{id}", "Get one opportunity", "", None, current=False),
    row.export("opportunities.export", "export/opportunities", "Export opportunities",
        "", None, current=False),
    row.page("opportunities_followups.list", "opportunities/followups",
        "List the follow-ups of all opportunities", "", None, LISTED, current=False),
    row.whole("opportunities_followups.list_of_one", "opportunities/{id}/followups",
        "List the follow-ups of an opportunity", "", None, current=False),
    row.export("opportunities_followups.export", "export/opportunities/followups",
        "Export the follow-ups of opportunities", "", None, current=False),
    # Proposal templates
    row.page("proposal_templates.list", "proposal-templates", "List proposal templates",
        "proposaltemplates", ".ProposalTemplateResponse", PAGING, MODIFIED, ACTIVE, "proposalTypeId:integer"),
    row.command("proposal_templates.create", "POST proposal-templates", "Create a proposal template",
        "proposaltemplates", ".CreateProposalTemplateRequest", ".ProposalTemplateResponse"),
    row.item("proposal_templates.get", "proposal-templates/{id}", "Get one proposal template",
        "proposaltemplates", ".ProposalTemplateResponse"),
    row.command("proposal_templates.update", "PATCH proposal-templates/{id}", "Update a proposal template",
        "proposaltemplates", ".UpdateProposalTemplateRequest", ".ProposalTemplateResponse"),
    row.command("proposal_templates.delete", "DELETE proposal-templates/{id}", "Delete a proposal template",
        "proposaltemplates"),
    # Proposal types
    row.whole("proposal_types.list", "proposal-types", "List proposal types",
        "proposaltypes", ".ProposalTypeResponse", ACTIVE, answer=".ProposalTypesResponse",
        fresh_seconds=REFERENCE),
)
# fmt: on
