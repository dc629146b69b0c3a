"""What leads and jobs owe to ads."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import PAGING, Module

row = Module(
    "marketingads", root="/marketingads/v2/tenant/{tenant}/", scopes="tn.mads.", schemas="Marketing.Ads.V2"
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Attributed leads
    row.page("attributed_leads.list", "attributed-leads", "List leads attributed to ads",
        "attributedleads", "Marketing.Ads.Contracts.AttributedLeads.GetAttributedLeadsResponse", PAGING,
        "!fromUtc:date-time !toUtc:date-time leadType=Call|WebBooking|WebLeadForm|ManualJob"),
    # Capacity warnings
    row.whole("capacity_warnings.list", "capacity-warnings", "List capacity warnings",
        "capacitywarnings", "Marketing.Ads.Client.CapacityAwarenessWarning",
        answer="Marketing.Ads.Contracts.CapacityAwarenessWarningQueryResult"),
    # External call attributions
    row.command("external_call_attributions.create", "POST external-call-attributions",
        "Attribute an external call to an ad", "externalcallattributions",
        ".CreateExternalCallAttributionRequest"),
    # Job attributions
    row.command("job_attributions.create", "POST job-attributions", "Attribute a scheduled job to an ad",
        "jobattributions", ".CreateScheduledJobAttributionRequest"),
    # Performance
    row.page("performance.list", "performance", "List how campaigns, ad groups or keywords perform",
        "performance", "Marketing.Ads.Contracts.Performance.GetPerformanceResponse", PAGING,
        "!fromUtc:date-time !toUtc:date-time !performanceSegmentationType=Campaign|AdGroup|Keyword"),
    # Web booking attributions
    row.command("web_booking_attributions.create", "POST web-booking-attributions",
        "Attribute a web booking to an ad", "webbookingattributions", ".CreateWebBookingAttributionRequest"),
    # Web lead form attributions
    row.command("web_lead_form_attributions.create", "POST web-lead-form-attributions",
        "Attribute a web lead form to an ad", "webleadformattributions",
        ".CreateWebLeadFormAttributionRequest"),
)
# fmt: on
