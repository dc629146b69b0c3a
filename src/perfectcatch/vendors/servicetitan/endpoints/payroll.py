"""Pay, pay settings, and time on jobs."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    CREATED,
    DATED,
    LISTED,
    PAGING,
    REFERENCE,
    SORT,
    Module,
)

row = Module("payroll", root="/payroll/v2/tenant/{tenant}/", scopes="tn.prl.", schemas="Payroll.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Activity codes
    row.page("activity_codes.list", "activity-codes", "List activity codes",
        "activitycodes", ".PayrollActivityCodes.PayrollActivityCodeResponse", LISTED, ACTIVE,
        fresh_seconds=REFERENCE),
    row.item("activity_codes.get", "activity-codes/{id}", "Get one activity code",
        "activitycodes", ".PayrollActivityCodes.PayrollActivityCodeResponse"),
    row.export("activity_codes.export", "export/activity-codes", "Export activity codes",
        "activitycodes", ".PayrollActivityCodes.PayrollActivityCodeExportResponse"),
    # Employees
    row.item("employees_payroll_settings.get", "employees/{employee}/payroll-settings",
        "Get the payroll settings of an employee", "payrollsettings",
        ".PayrollSettings.PayrollSettingsResponse"),
    row.command("employees_payroll_settings.replace", "PUT employees/{employee}/payroll-settings",
        "Replace the payroll settings of an employee", "payrollsettings",
        ".PayrollSettings.PayrollSettingsUpdateRequest", ".PayrollSettings.PayrollSettingsUpdateResponse"),
    row.page("employees_payrolls.list", "employees/{employee}/payrolls", "List the payrolls of an employee",
        "employees", ".Payrolls.PayrollResponse", LISTED, ACTIVE,
        "startedOnOrAfter:date-time endedOnOrBefore:date-time approvedOnOrAfter:date-time",
        "status=Pending|Expired|Approved|Paid|Locked"),
    # Gross pay items
    row.page("gross_pay_items.list", "gross-pay-items", "List gross pay items",
        "grosspayitems", ".GrossPayItems.GrossPayItemResponse", LISTED,
        "employeeType=Technician|Employee employeeId:integer payrollIds dateOnOrAfter:date-time",
        "dateOnOrBefore:date-time modifiedOnOrBefore:date-time"),
    row.command("gross_pay_items.create", "POST gross-pay-items", "Create a gross pay item",
        "grosspayitems", ".GrossPayItems.GrossPayItemCreateRequest", "ModificationResponse"),
    row.command("gross_pay_items.replace", "PUT gross-pay-items/{id}", "Replace a gross pay item",
        "grosspayitems", ".GrossPayItems.GrossPayItemUpdateRequest", "ModificationResponse"),
    row.command("gross_pay_items.delete", "DELETE gross-pay-items/{id}", "Delete a gross pay item",
        "grosspayitems"),
    row.export("gross_pay_items.export", "export/gross-pay-items", "Export gross pay items",
        "grosspayitems", ".GrossPayItems.GrossPayItemExportResponse"),
    # Jobs
    row.page("jobs_splits.list", "jobs/splits", "List the splits of all jobs",
        "jobs", ".JobSplits.JobSplitResponse", LISTED, ACTIVE, "jobIds"),
    row.page("jobs_splits.list_of_one", "jobs/{job}/splits", "List the splits of a job",
        "jobs", ".JobSplits.JobSplitResponse", LISTED, ACTIVE),
    row.export("jobs_splits.export", "export/jobs/splits", "Export the splits of jobs",
        "jobs", ".JobSplits.JobSplitExportResponse"),
    row.page("jobs_timesheets.list", "jobs/timesheets", "List the timesheets of all jobs",
        "jobs", ".Timesheets.JobTimesheetResponse", LISTED, ACTIVE,
        "jobIds technicianId:integer startedOn:date-time endedOn:date-time"),
    row.page("jobs_timesheets.list_of_one", "jobs/{job}/timesheets", "List the timesheets of a job",
        "jobs", ".Timesheets.JobTimesheetResponse", LISTED, ACTIVE,
        "technicianId:integer startedOn:date-time endedOn:date-time"),
    row.command("jobs_timesheets.create", "POST jobs/{job}/timesheets", "Add a timesheet to a job",
        "", ".Timesheets.JobTimesheetCreateRequest", "ModificationResponse", current=False),
    row.command("jobs_timesheets.replace", "PUT jobs/{job}/timesheets/{id}", "Replace a timesheet of a job",
        "", ".Timesheets.JobTimesheetUpdateRequest", "ModificationResponse", current=False),
    row.export("jobs_timesheets.export", "export/jobs/timesheets", "Export the timesheets of jobs",
        "jobs", ".Timesheets.JobTimesheetExportResponse"),
    # Locations
    row.page("locations_rates.list", "locations/rates", "List the labor rates of locations",
        "locations", ".LocationLaborTypes.LocationLaborTypeResponse", PAGING, CREATED, SORT, ACTIVE,
        "locationIds"),
    # Non-job timesheets
    row.page("non_job_timesheets.list", "non-job-timesheets", "List non-job timesheets",
        "nonjobtimesheets", ".Timesheets.NonJobTimesheetResponse", LISTED, ACTIVE,
        "employeeId:integer employeeType=Technician|Employee"),
    # Payroll adjustments
    row.page("payroll_adjustments.list", "payroll-adjustments", "List payroll adjustments",
        "payrolladjustments", ".PayrollAdjustments.PayrollAdjustmentResponse", LISTED, ACTIVE,
        "employeeIds postedOnOrAfter:date-time postedOnOrBefore:date-time"),
    row.command("payroll_adjustments.create", "POST payroll-adjustments", "Create a payroll adjustment",
        "payrolladjustments", ".PayrollAdjustments.PayrollAdjustmentCreateRequest", "ModificationResponse"),
    row.item("payroll_adjustments.get", "payroll-adjustments/{id}", "Get one payroll adjustment",
        "payrolladjustments", ".PayrollAdjustments.PayrollAdjustmentResponse",
        "employeeType=Technician|Employee"),
    row.export("payroll_adjustments.export", "export/payroll-adjustments", "Export payroll adjustments",
        "payrolladjustments", ".PayrollAdjustments.PayrollAdjustmentExportResponse"),
    # Payroll settings
    row.page("payroll_settings.list", "payroll-settings", "List payroll settings",
        "payrollsettings", ".PayrollSettings.PayrollSettingsListResponse", DATED, ACTIVE,
        "employeeType=Technician|Employee"),
    row.export("payroll_settings.export", "export/payroll-settings", "Export payroll settings",
        "payrollsettings", ".PayrollSettings.PayrollSettingsExportResponse"),
    # Payrolls
    row.page("payrolls.list", "payrolls", "List payrolls",
        "payrolls", ".Payrolls.PayrollResponse", LISTED, ACTIVE,
        "employeeType=Technician|Employee startedOnOrAfter:date-time endedOnOrBefore:date-time",
        "approvedOnOrAfter:date-time status=Pending|Expired|Approved|Paid|Locked"),
    # Technicians
    row.item("technicians_payroll_settings.get", "technicians/{technician}/payroll-settings",
        "Get the payroll settings of a technician", "payrollsettings",
        ".PayrollSettings.PayrollSettingsResponse"),
    row.command("technicians_payroll_settings.replace", "PUT technicians/{technician}/payroll-settings",
        "Replace the payroll settings of a technician", "payrollsettings",
        ".PayrollSettings.PayrollSettingsUpdateRequest", ".PayrollSettings.PayrollSettingsUpdateResponse"),
    row.page("technicians_payrolls.list", "technicians/{technician}/payrolls",
        "List the payrolls of a technician", "technicians", ".Payrolls.PayrollResponse", LISTED, ACTIVE,
        "startedOnOrAfter:date-time endedOnOrBefore:date-time approvedOnOrAfter:date-time",
        "status=Pending|Expired|Approved|Paid|Locked"),
    # Timesheet codes
    row.page("timesheet_codes.list", "timesheet-codes", "List timesheet codes",
        "timesheetcodes", ".TimesheetCodes.TimesheetCodeResponse", LISTED, ACTIVE, fresh_seconds=REFERENCE),
    row.item("timesheet_codes.get", "timesheet-codes/{id}", "Get one timesheet code",
        "timesheetcodes", ".TimesheetCodes.TimesheetCodeResponse"),
    row.export("timesheet_codes.export", "export/timesheet-codes", "Export timesheet codes",
        "timesheetcodes", ".TimesheetCodes.TimesheetCodeExportResponse"),
)
# fmt: on
