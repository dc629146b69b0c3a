"""Activities, their categories and types."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import ACTIVE, LISTED, REFERENCE, Module

row = Module("timesheets", root="/timesheets/v2/tenant/{tenant}/", scopes="tn.tms.", schemas="Timesheets.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Activities
    row.page("activities.list", "activities", "List activities",
        "activities", ".Activities.ActivitiesResponse", LISTED, ACTIVE),
    row.command("activities.create", "POST activities", "Create an activity",
        "activities", ".Activities.ActivityCreateRequest", "ModificationResponse"),
    row.item("activities.get", "activities/{id}", "Get one activity",
        "activities", ".Activities.ActivityResponse"),
    row.command("activities.replace", "PUT activities/{id}", "Replace an activity",
        "activities", ".Activities.ActivityUpdateRequest", "ModificationResponse"),
    row.command("activities.delete", "DELETE activities/{id}", "Delete an activity", "activities"),
    row.export("activities.export", "export/activities", "Export activities",
        "activities", ".Activities.ActivityExportResponse"),
    # Activity categories
    row.page("activity_categories.list", "activity-categories", "List activity categories",
        "activitycategories", ".ActivityCategories.ActivityCategoriesResponse", LISTED, ACTIVE,
        fresh_seconds=REFERENCE),
    row.item("activity_categories.get", "activity-categories/{id}", "Get one activity category",
        "activitycategories", ".ActivityCategories.ActivityCategoryResponse"),
    row.export("activity_categories.export", "export/activity-categories", "Export activity categories",
        "activitycategories", ".ActivityCategories.ActivityCategoryExportResponse"),
    # Activity types
    row.page("activity_types.list", "activity-types", "List activity types",
        "activitytypes", ".ActivityTypes.ActivityTypesResponse", LISTED, ACTIVE, fresh_seconds=REFERENCE),
    row.item("activity_types.get", "activity-types/{id}", "Get one activity type",
        "activitytypes", ".ActivityTypes.ActivityTypeResponse"),
    row.export("activity_types.export", "export/activity-types", "Export activity types",
        "activitytypes", ".ActivityTypes.ActivityTypeExportResponse"),
)
# fmt: on
