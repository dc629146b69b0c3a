"""Reports and their runs. A report may run once a minute; paging of its rows goes in the query string."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import PAGING, REFERENCE, Module

row = Module("reporting", root="/reporting/v2/tenant/{tenant}/", scopes="tn.rpr.", schemas="Reporting.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Dynamic value sets
    row.page("dynamic_value_sets.list", "dynamic-value-sets/{dynamicSetId:string}",
        "List the values that a report parameter can take", "dynamicvaluesets", None, PAGING,
        answer=".DynamicSetResponse"),
    # Report categories
    row.page("report_categories.list", "report-categories", "List report categories",
        "reportcategories", ".ReportCategoryListItem", PAGING, fresh_seconds=REFERENCE),
    # Report runs
    row.item("data_queries.get", "data-queries/{token:string}",
        "Get the rows of a report run, or that it is still running", "reports", ".ReportDataResponse"),
    row.command("data_queries.delete", "DELETE data-queries/{token:string}",
        "Give up a report run and free its place", "reports:r"),
    # Reports
    row.page("report_category_reports.list", "report-category/{report_category:string}/reports",
        "List the reports of a report category", "reports", ".ReportListItem", PAGING),
    row.item("report_category_reports.get", "report-category/{report_category:string}/reports/{reportId}",
        "Get one report of a report category", "reports", ".ReportResponse"),
    row.report("report_category_reports.run",
        "report-category/{report_category:string}/reports/{reportId}/data",
        "Run a report and wait for its rows", "reports:r", ".ReportDataRequest", ".ReportDataResponse",
        PAGING),
    row.report("report_category_reports.start",
        "report-category/{report_category:string}/reports/{reportId}/data/query",
        "Start a report run that may be fetched later", "reports:r", ".ReportDataRequest",
        ".ReportDataResponse", "page:integer pageSize:integer notifyWhenReady:boolean"),
)
# fmt: on
