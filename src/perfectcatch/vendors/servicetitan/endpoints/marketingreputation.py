"""Reviews. The only module whose document types the tenant as text and enumerations as numbers."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import LISTED, Module

row = Module(
    "marketingreputation",
    root="/marketingreputation/v2/tenant/{tenant:string}/",
    scopes="tn.mrep.",
    schemas="ServiceTitan.Marketing.ReviewEngine.Services.Models.Reviews",
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Reviews
    row.page("reviews.list", "reviews", "List reviews",
        "reviews", ".ReviewReport", LISTED,
        "search reportType:integer=0|1|2 fromDate:date-time toDate:date-time",
        "responseTypes:integer[]=0|1|2 locationIds:integer[] sources:string[]",
        "reviewStatuses:integer[]=0|1|2|3|4|5|6 technicianIds:integer[] campaignIds:integer[]",
        "fromRating:number toRating:number includeReviewsWithoutLocation:boolean",
        "includeReviewsWithoutCampaign:boolean includeReviewsWithoutTechnician:boolean",
        "internalId:integer externalId"),
)
# fmt: on
