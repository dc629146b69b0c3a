"""Campaigns and their costs."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    IDS,
    LISTED,
    PAGING,
    REFERENCE,
    SORT,
    Module,
)

row = Module("marketing", root="/marketing/v2/tenant/{tenant}/", scopes="tn.mrk.", schemas="Marketing.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Campaigns
    row.page("campaigns.list", "campaigns", "List campaigns",
        "campaigns", ".CampaignResponse", LISTED, IDS, ACTIVE, "name campaignPhoneNumber",
        fresh_seconds=REFERENCE),
    row.command("campaigns.create", "POST campaigns", "Create a campaign",
        "campaigns", ".CampaignUpsertRequest", ".CampaignResponse"),
    row.item("campaigns.get", "campaigns/{id}", "Get one campaign", "campaigns", ".CampaignResponse"),
    row.command("campaigns.update", "PATCH campaigns/{id}", "Update a campaign",
        "campaigns", ".CampaignUpsertRequest", ".CampaignResponse"),
    row.page("campaigns_costs.list", "campaigns/{id}/costs", "List the costs of a campaign",
        "campaigns", ".CampaignCostResponse", PAGING, SORT, "year:integer month:integer"),
    # Categories
    row.page("categories.list", "categories", "List campaign categories",
        "categories", ".CampaignCategoryResponse", LISTED, fresh_seconds=REFERENCE),
    row.command("categories.create", "POST categories", "Create a campaign category",
        "categories", ".CampaignCategoryCreateRequest", "ModificationResponse"),
    row.item("categories.get", "categories/{id}", "Get one campaign category",
        "categories", ".CampaignCategoryResponse"),
    row.command("categories.update", "PATCH categories/{id}", "Update a campaign category",
        "categories", ".CampaignCategoryUpdateRequest", "ModificationResponse"),
    # Costs
    row.item("campaign_cost_summary.get", "campaign-cost-summary", "Get the costs of campaigns over a time",
        "campaigncostsummary", ".CampaignCostsSummaryResponse", "!from:date-time !to:date-time"),
    row.page("costs.list", "costs", "List campaign costs",
        "costs", ".CampaignCostResponse", PAGING, SORT, "year:integer month:integer campaignId:integer"),
    row.command("costs.create", "POST costs", "Create a campaign cost",
        "costs", ".CreateCampaignCostRequest", ".CampaignCostResponse"),
    row.item("costs.get", "costs/{id}", "Get one campaign cost", "costs", ".CampaignCostResponse"),
    row.command("costs.update", "PATCH costs/{id}", "Update a campaign cost",
        "costs", ".UpdateCampaignCostRequest", "ModificationResponse"),
    row.item("email_channel_cost.get", "email-channel-cost", "Get the cost of the email channel over a time",
        "emailchannelcost", ".EmailChannelCostResponse", "!from:date-time !to:date-time"),
    # Suppressions
    row.page("suppressions.list", "suppressions", "List suppressed email addresses",
        "", ".SuppressionResponse", LISTED, IDS, ACTIVE, "email", current=False),
    row.item("suppressions.get", "suppressions/{email:string}", "Get one suppressed email address",
        "", ".SuppressionResponse", current=False),
    row.command("suppressions.suppress", "POST suppressions/suppress", "Suppress email addresses",
        "", ".AddSuppressionsRequest", current=False),
    row.command("suppressions.unsuppress", "POST suppressions/unsuppress",
        "Take back the suppression of email addresses", "", ".RemoveSuppressionsRequest", current=False),
)
# fmt: on
