"""Bills, vendor credits, ledger accounts and journal entries: the first half of module accounting.

Journal entries and what hangs under them come at most 500 to a page. Inventory bills exist twice: as one
array and, under ``paginated``, page by page.
"""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    CUSTOM_FIELD,
    DATED,
    IDS,
    LISTED,
    PAGING,
    Module,
)

row = Module("accounting", root="/accounting/v2/tenant/{tenant}/", scopes="tn.acc.", schemas="Accounting.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # AP bills
    row.page("ap_bills.list", "ap-bills", "List AP bills",
        "apbills", ".ApBillResponse", DATED, IDS, CUSTOM_FIELD,
        "batchId:integer batchNumber:integer billNumber businessUnitIds dateFrom:date-time",
        "dateTo:date-time jobNumber purchaseOrderNumber purchaseOrderTypes",
        "syncStatuses:string[]=Pending|Posted|Exported|PostedAndExported",
        "statuses:string[]=Unreconciled|Discrepancy|Reconciled|Canceled",
        "sources:string[]=Undefined|Standalone|Purchasing|Recurring|OCR|API minCost:number",
        "maxCost:number billType=NotSet|Procurement|ApBill dateReconciledBefore:date-time",
        "dateReconciledOnOrAfter:date-time threeWayMatchDiscrepancy=NoDiscrepancy|Discrepancy"),
    row.item("ap_bills.get", "ap-bills/{billId}", "Get one AP bill", "apbills", ".ApBillResponse"),
    row.command("ap_bills.mark_as_exported", "POST ap-bills/markasexported",
        "Mark AP bills as exported to the accounting system", "apbills", ".MarkApBillAsExportedUpdateRequest",
        "array<.MarkApBillAsExportedUpdateResponse>"),
    row.page("ap_bills_custom_fields.list", "ap-bills/custom-fields", "List the custom fields of AP bills",
        "apbills", ".CustomFieldTypeResponse", LISTED),
    row.command("ap_bills_custom_fields.update", "PATCH ap-bills/custom-fields",
        "Set custom fields on AP bills", "apbills", ".CustomFieldUpdateRequest"),
    # AP credits
    row.page("ap_credits.list", "ap-credits", "List AP credits",
        "apcredits", ".ApCreditResponse", LISTED, IDS, CUSTOM_FIELD,
        "syncStatuses:string[]=Pending|Posted|Exported|PostedAndExported"),
    row.command("ap_credits.mark_as_exported", "POST ap-credits/markasexported",
        "Mark AP credits as exported to the accounting system", "apcredits",
        "array<.MarkApCreditAsExportedUpdateRequest>", "array<.MarkApCreditAsExportedUpdateResponse>"),
    row.page("ap_credits_custom_fields.list", "ap-credits/custom-fields",
        "List the custom fields of AP credits", "apcredits", ".CustomFieldTypeResponse", LISTED),
    row.command("ap_credits_custom_fields.update", "PATCH ap-credits/custom-fields",
        "Set custom fields on AP credits", "apcredits", ".CustomFieldUpdateRequest"),
    # AP payments
    row.page("ap_payments.list", "ap-payments", "List AP payments",
        "appayments", ".ApPaymentResponse", LISTED, IDS, CUSTOM_FIELD,
        "syncStatuses:string[]=Pending|Posted|Exported|PostedAndExported"),
    row.command("ap_payments.mark_as_exported", "POST ap-payments/markasexported",
        "Mark AP payments as exported to the accounting system", "appayments",
        "array<.MarkApPaymentAsExportedUpdateRequest>", "array<.MarkApPaymentAsExportedUpdateResponse>"),
    row.page("ap_payments_custom_fields.list", "ap-payments/custom-fields",
        "List the custom fields of AP payments", "appayments", ".CustomFieldTypeResponse", LISTED),
    row.command("ap_payments_custom_fields.update", "PATCH ap-payments/custom-fields",
        "Set custom fields on AP payments", "appayments", ".CustomFieldUpdateRequest"),
    # GL accounts
    row.page("gl_accounts.list", "gl-accounts", "List GL accounts",
        "glaccounts", ".GlAccountExtendedResponse", LISTED, IDS, ACTIVE,
        "names numbers types subtypes description",
        "source=Undefined|AccountingSystem|ManuallyCreated|PublicApi isIntacctGroup:boolean",
        "isIntacctBankAccount:boolean"),
    row.command("gl_accounts.create", "POST gl-accounts", "Create a GL account",
        "glaccounts", ".GlAccountCreateRequest", ".GlAccountExtendedResponse"),
    row.item("gl_accounts.get", "gl-accounts/{accountId}", "Get one GL account",
        "glaccounts", ".GlAccountExtendedResponse"),
    row.command("gl_accounts.update", "PATCH gl-accounts/{accountId}", "Update a GL account",
        "glaccounts", ".GlAccountUpdateRequest", ".GlAccountExtendedResponse"),
    row.page("gl_accounts_types.list", "gl-accounts/types", "List the types of GL account",
        "glaccounts", ".GlAccountTypeResponse", LISTED, IDS, ACTIVE, "names"),
    # Inventory bills
    row.whole("inventory_bills.list", "inventory-bills", "List inventory bills in one array",
        "inventorybills", ".InventoryBillResponse", DATED, IDS, CUSTOM_FIELD,
        "batchId:integer batchNumber:integer billNumber businessUnitIds dateFrom:date-time",
        "dateTo:date-time jobNumber purchaseOrderNumber purchaseOrderTypes",
        "syncStatuses:string[]=Pending|Posted|Exported|PostedAndExported minCost:number maxCost:number",
        "billType=NotSet|Procurement|ApBill|RecurringBill dateReconciledBefore:date-time",
        "dateReconciledOnOrAfter:date-time threeWayMatchDiscrepancy=NoDiscrepancy|Discrepancy"),
    row.command("inventory_bills.mark_as_exported", "POST inventory-bills/markasexported",
        "Mark inventory bills as exported to the accounting system", "inventorybills",
        ".MarkInventoryBillAsExportedUpdateRequest", "array<.MarkInventoryBillAsExportedUpdateResponse>"),
    row.export("inventory_bills.export", "export/inventory-bills", "Export inventory bills",
        "inventorybills", ".ExportInventoryBillResponse"),
    row.page("inventory_bills_custom_fields.list", "inventory-bills/custom-fields",
        "List the custom fields of inventory bills", "inventorybills", ".CustomFieldTypeResponse", LISTED),
    row.command("inventory_bills_custom_fields.update", "PATCH inventory-bills/custom-fields",
        "Set custom fields on inventory bills", "inventorybills", ".CustomFieldUpdateRequest"),
    row.page("inventory_bills_paginated.list", "inventory-bills/paginated",
        "List inventory bills page by page", "inventorybills", ".InventoryBillResponse", DATED, IDS,
        CUSTOM_FIELD, "batchId:integer batchNumber:integer billNumber businessUnitIds dateFrom:date-time",
        "dateTo:date-time jobNumber purchaseOrderNumber purchaseOrderTypes",
        "syncStatuses:string[]=Pending|Posted|Exported|PostedAndExported minCost:number maxCost:number",
        "billType=NotSet|Procurement|ApBill|RecurringBill dateReconciledBefore:date-time",
        "dateReconciledOnOrAfter:date-time threeWayMatchDiscrepancy=NoDiscrepancy|Discrepancy"),
    # Journal entries
    row.page("journal_entries.list", "journal-entries", "List journal entries",
        "journalentries", ".JournalEntryResponse", LISTED, IDS,
        "exportedFrom:date-time exportedTo:date-time postedFrom:date-time postedTo:date-time exportedBy",
        "name numberFrom:integer numberTo:integer statuses:string[]=Open|Closed",
        "syncStatuses:string[]=NotSynced|InProgress|Synced|OutOfSync|Error|Excluded",
        "transactionPostedFrom:date-time transactionPostedTo:date-time businessUnitIds",
        "serviceAgreementIds customerName locationName vendorName inventoryLocationName refNumber",
        "transactionTypes:string[]=Unspecified|Invoice|Payment|Bill|VendorCredit|VendorPayment|"
        "InventoryAdjustment|PaymentApplication|BankDeposit|InventoryReturn|InventoryTransfer|"
        "RevenueRecognition|Estimate|PurchaseOrder|Receipt|GrossPayItem|PayrollPeriod|Manual|"
        "ItemConsumption|External|CreditMemo|CreditMemoApplication",
        "customField:object empty=IncludeExceptNotSynced|Include|Exclude",
        answer=".JournalEntryPagingResponse_Of_Accounting.V2.JournalEntryResponse", max_page_size=500),
    row.command("journal_entries.create", "POST journal-entries", "Create a journal entry",
        "journalentries", ".JournalEntryCreateRequest"),
    row.item("journal_entries.get", "journal-entries/{id:string}", "Get one journal entry",
        "journalentries", ".JournalEntryResponse"),
    row.command("journal_entries.update", "PATCH journal-entries/{id:string}", "Update a journal entry",
        "journalentries", ".JournalEntryUpdateRequest", ".JournalEntryResponse"),
    row.command("journal_entries.replace", "PUT journal-entries/{id:string}", "Replace a journal entry",
        "journalentries", ".JournalEntrySaveRequest"),
    row.command("journal_entries.delete", "DELETE journal-entries/{id:string}", "Delete a journal entry",
        "journalentries"),
    row.page("journal_entries_details.list", "journal-entries/{id:string}/details",
        "List the single lines of a journal entry", "journalentries", ".JournalEntryDetailsResponse", PAGING,
        answer=".JournalEntryPagingResponse_Of_Accounting.V2.JournalEntryDetailsResponse", max_page_size=500),
    row.page("journal_entries_summary.list", "journal-entries/{id:string}/summary",
        "List the lines of a journal entry summed by account", "journalentries",
        ".JournalEntrySummaryResponse", PAGING,
        answer=".JournalEntryPagingResponse_Of_Accounting.V2.JournalEntrySummaryResponse", max_page_size=500),
    row.command("journal_entries_sync.update", "PATCH journal-entries/{id:string}/sync",
        "Set how far a journal entry is synchronised", "journalentries", ".JournalEntrySyncUpdateRequest",
        ".JournalEntryResponse"),
    # Payment terms
    row.page("payment_terms.list", "payment-terms", "List payment terms",
        "paymentterms", ".PaymentTermAPIModel", LISTED, IDS),
    row.item("payment_terms.get", "payment-terms/{paymentTermId}", "Get one payment term",
        "paymentterms", ".PaymentTermAPIModel"),
    # Remittance vendors
    row.page("remittance_vendors.list", "remittance-vendors", "List remittance vendors",
        "remittancevendors", ".RemittanceVendorResponse", LISTED, ACTIVE, "ids:integer[]"),
    row.item("remittance_vendors.get", "remittance-vendors/{id}", "Get one remittance vendor",
        "remittancevendors", ".RemittanceVendorResponse"),
    # Tax zones
    row.page("tax_zones.list", "tax-zones", "List tax zones",
        "taxzones", ".TaxZoneResponse", LISTED, IDS, ACTIVE),
)
# fmt: on
