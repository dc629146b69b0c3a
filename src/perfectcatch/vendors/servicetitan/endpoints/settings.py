"""Business units, employees, technicians, tag types and user roles.

The mapping of business units to Intacct counts its pages from zero, answers at most 500 to a page and
fails without ``includeTotal``.
"""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    CREATED,
    DATED,
    IDS,
    LISTED,
    PAGING,
    REFERENCE,
    Module,
)

row = Module("settings", root="/settings/v2/tenant/{tenant}/", scopes="tn.stt.", schemas="TenantSettings.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Business units
    row.page("business_units.list", "business-units", "List business units",
        "businessunits", ".BusinessUnitResponse", DATED, IDS, ACTIVE, "name externalDataApplicationGuid",
        fresh_seconds=REFERENCE),
    row.item("business_units.get", "business-units/{id}", "Get one business unit",
        "businessunits", ".BusinessUnitResponse", "externalDataApplicationGuid"),
    row.command("business_units.update", "PATCH business-units/{id}", "Update a business unit",
        "businessunits", ".UpdateBusinessUnitRequest", "ModificationResponse"),
    row.export("business_units.export", "export/business-units", "Export business units",
        "businessunits", ".ExportBusinessUnitResponse"),
    row.page("business_units_intacct.list", "business-units/intacct",
        "List how business units map to Intacct", "businessunits",
        "Accounting.V2.Integrations.Intacct.IntacctBusinessUnitMappingResponse",
        "!page:integer !pageSize:integer !includeTotal:boolean ids:integer[]", first_page=0,
        always=(("includeTotal", "true"),), max_page_size=500),
    # Employees
    row.page("employees.list", "employees", "List employees",
        "employees", ".EmployeeResponse", DATED, IDS, ACTIVE, "userIds name email", fresh_seconds=REFERENCE),
    row.command("employees.create", "POST employees", "Create an employee",
        "employees", ".EmployeeCreateRequest", ".EmployeeCreateResponse"),
    row.item("employees.get", "employees/{id}", "Get one employee", "employees", ".EmployeeResponse"),
    row.command("employees.update", "PATCH employees/{id}", "Update an employee",
        "employees", ".EmployeeUpdateRequest", ".EmployeeUpdateResponse"),
    row.export("employees.export", "export/employees", "Export employees",
        "employees", ".ExportEmployeeResponse"),
    row.command("employees_account_actions.create", "POST employees/{id}/account-actions",
        "Act on the account of an employee, such as to deactivate it", "employees", ".AccountActionRequest",
        ".AccountActionResponse"),
    # Tag types
    row.page("tag_types.list", "tag-types", "List tag types", "tagtypes", ".TagTypeResponse", LISTED, ACTIVE,
        fresh_seconds=REFERENCE),
    row.command("tag_types.create", "POST tag-types", "Create a tag type",
        "tagtypes", ".CreateTagTypeRequest", "ModificationResponse"),
    row.command("tag_types.update", "PATCH tag-types/{id}", "Update a tag type",
        "tagtypes", ".UpdateTagTypeRequest", "ModificationResponse"),
    row.export("tag_types.export", "export/tag-types", "Export tag types",
        "tagtypes", ".ExportTagTypeResponse"),
    # Technicians
    row.page("technicians.list", "technicians", "List technicians",
        "technicians", ".TechnicianResponse", DATED, IDS, ACTIVE, "userIds name", fresh_seconds=REFERENCE),
    row.command("technicians.create", "POST technicians", "Create a technician",
        "technicians", ".TechnicianCreateRequest", ".TechnicianCreateResponse"),
    row.item("technicians.get", "technicians/{id}", "Get one technician",
        "technicians", ".TechnicianResponse"),
    row.command("technicians.update", "PATCH technicians/{id}", "Update a technician",
        "technicians", ".TechnicianUpdateRequest", ".TechnicianUpdateResponse"),
    row.export("technicians.export", "export/technicians", "Export technicians",
        "technicians", ".ExportTechnicianResponse"),
    row.command("technicians_account_actions.create", "POST technicians/{id}/account-actions",
        "Act on the account of a technician, such as to deactivate it", "technicians",
        ".TechnicianAccountActionRequest", ".AccountActionResponse"),
    # User roles
    row.page("user_roles.list", "user-roles", "List user roles",
        "userroles", ".UserRoleResponse", PAGING, CREATED, IDS, ACTIVE,
        "name employeeType=None|Employee|Technician|All", fresh_seconds=REFERENCE),
)
# fmt: on
