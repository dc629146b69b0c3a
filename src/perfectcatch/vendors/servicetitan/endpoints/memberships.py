"""Memberships, their types, and recurring services."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import ACTIVE, DATED, IDS, LISTED, REFERENCE, Module

row = Module(
    "memberships", root="/memberships/v2/tenant/{tenant}/", scopes="tn.mem.", schemas="Memberships.V2"
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Invoice templates
    row.whole("invoice_templates.list", "invoice-templates", "List the invoice templates of the given ids",
        "invoicetemplates", ".InvoiceTemplateResponse", "!ids",
        answer="PaginatedResponse_Of_Memberships.V2.InvoiceTemplateResponse"),
    row.command("invoice_templates.create", "POST invoice-templates", "Create an invoice template",
        "invoicetemplates", ".InvoiceTemplateCreateRequest", "ModificationResponse"),
    row.item("invoice_templates.get", "invoice-templates/{id}", "Get one invoice template",
        "invoicetemplates", ".InvoiceTemplateResponse"),
    row.command("invoice_templates.update", "PATCH invoice-templates/{id}", "Update an invoice template",
        "invoicetemplates", ".InvoiceTemplateUpdateRequest", "ModificationResponse"),
    row.export("invoice_templates.export", "export/invoice-templates", "Export invoice templates",
        "invoicetemplates", ".ExportInvoiceTemplateResponse"),
    # Membership types
    row.page("membership_types.list", "membership-types", "List membership types",
        "membershiptypes", ".MembershipTypeResponse", LISTED, IDS, ACTIVE,
        "duration:integer billingFrequency=OneTime|Monthly|EveryOtherMonth|Quarterly|BiAnnual|Annual",
        "includeDurationBilling:boolean includeDiscounts:boolean includeRecurringServices:boolean",
        "includeTags:boolean", fresh_seconds=REFERENCE),
    row.item("membership_types.get", "membership-types/{id}", "Get one membership type",
        "membershiptypes", ".MembershipTypeResponse"),
    row.export("membership_types.export", "export/membership-types", "Export membership types",
        "membershiptypes", ".ExportMembershipTypeResponse"),
    row.whole("membership_types_discounts.list", "membership-types/{id}/discounts",
        "List the discounts of a membership type", "membershiptypes", ".MembershipTypeDiscountItemResponse"),
    row.whole("membership_types_duration_billing_items.list", "membership-types/{id}/duration-billing-items",
        "List the duration billing items of a membership type", "membershiptypes",
        ".MembershipTypeDurationBillingItemResponse", ACTIVE),
    row.whole("membership_types_recurring_service_items.list",
        "membership-types/{id}/recurring-service-items",
        "List the recurring service items of a membership type", "membershiptypes",
        ".MembershipTypeRecurringServiceItemResponse"),
    # Memberships
    row.export("membership_status_changes.export", "export/membership-status-changes",
        "Export the status changes of memberships", "memberships",
        ".ExportCustomerMembershipStatusChangesResponse"),
    row.page("memberships.list", "memberships", "List memberships",
        "memberships", ".CustomerMembershipResponse", LISTED, IDS, ACTIVE,
        "customerIds status=Active|Suspended|Expired|Canceled|Deleted duration:integer",
        "billingFrequency=OneTime|Monthly|EveryOtherMonth|Quarterly|BiAnnual|Annual"),
    row.item("memberships.get", "memberships/{id}", "Get one membership",
        "memberships", ".CustomerMembershipResponse"),
    row.command("memberships.update", "PATCH memberships/{id}", "Update a membership",
        "memberships", ".CustomerMembershipUpdateRequest", "ModificationResponse"),
    row.command("memberships.sell", "POST memberships/sale", "Sell a membership",
        "memberships", ".MembershipSaleInvoiceCreateRequest", ".MembershipSaleInvoiceCreateResponse"),
    row.export("memberships.export", "export/memberships", "Export memberships",
        "memberships", ".ExportCustomerMembershipResponse"),
    row.page("memberships_custom_fields.list", "memberships/custom-fields",
        "List the custom fields of memberships", "memberships", ".CustomFieldTypeResponse", LISTED),
    row.whole("memberships_status_changes.list", "memberships/{id}/status-changes",
        "List the status changes of a membership", "memberships",
        ".CustomerMembershipStatusChangeItemResponse"),
    # Recurring service events
    row.page("recurring_service_events.list", "recurring-service-events", "List recurring service events",
        "recurringserviceevents", ".LocationRecurringServiceEventResponse", DATED, IDS,
        "locationId:integer jobId:integer status=NotAttempted|Unreachable|Contacted|Won|Dismissed",
        "sort:object[]"),
    row.command("recurring_service_events.mark_complete", "POST recurring-service-events/{id}/mark-complete",
        "Mark a recurring service event as completed", "recurringserviceevents",
        ".MarkEventCompletedStatusUpdateRequest", "ModificationResponse"),
    row.command("recurring_service_events.mark_incomplete",
        "POST recurring-service-events/{id}/mark-incomplete",
        "Mark a recurring service event as not completed", "recurringserviceevents",
        ".MarkEventCompletedStatusUpdateRequest", "ModificationResponse"),
    row.export("recurring_service_events.export", "export/recurring-service-events",
        "Export recurring service events", "recurringserviceevents",
        ".ExportLocationRecurringServiceEventResponse"),
    # Recurring service types
    row.page("recurring_service_types.list", "recurring-service-types", "List recurring service types",
        "recurringservicetypes", ".RecurringServiceTypeResponse", LISTED, IDS, ACTIVE,
        "membershipTypeId:integer recurrenceType=Weekly|Monthly|Seasonal|Daily|NthWeekdayOfMonth",
        "durationType=Continuous|NumberOfVisits", fresh_seconds=REFERENCE),
    row.item("recurring_service_types.get", "recurring-service-types/{id}", "Get one recurring service type",
        "recurringservicetypes", ".RecurringServiceTypeResponse"),
    row.export("recurring_service_types.export", "export/recurring-service-types",
        "Export recurring service types", "recurringservicetypes", ".ExportRecurringServiceTypeResponse"),
    # Recurring services
    row.page("recurring_services.list", "recurring-services", "List recurring services",
        "recurringservices", ".LocationRecurringServiceResponse", LISTED, IDS, ACTIVE,
        "membershipIds locationIds includeTechnicians:boolean"),
    row.item("recurring_services.get", "recurring-services/{id}", "Get one recurring service",
        "recurringservices", ".LocationRecurringServiceResponse"),
    row.command("recurring_services.update", "PATCH recurring-services/{id}", "Update a recurring service",
        "recurringservices", ".LocationRecurringServiceUpdateRequest", "ModificationResponse"),
    row.export("recurring_services.export", "export/recurring-services", "Export recurring services",
        "recurringservices", ".ExportLocationRecurringServiceResponse"),
)
# fmt: on
