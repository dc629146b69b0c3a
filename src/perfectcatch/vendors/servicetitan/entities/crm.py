"""Customers, their places and contacts, and what comes in before it is a job: leads and bookings."""

from perfectcatch.model.entity import (
    Column,
    Convert,
    Entity,
    Inactive,
    Local,
    LookedUp,
    Type,
    big,
    double,
    export,
    flag,
    ids,
    json,
    moment,
    money,
    text,
    texts,
)
from perfectcatch.model.event import Present, Transition, appears, becomes, goes

ADDRESS = (
    text("address_line1", "address.street"),
    text("address_line2", "address.unit"),
    text("city", "address.city"),
    text("state", "address.state"),
    text("zip", "address.zip"),
    text("country", "address.country"),
)
PLACE = (double("latitude", "address.latitude"), double("longitude", "address.longitude"))

PREFERENCES = (
    flag("do_not_text", "phoneSettings.doNotText", does="Text messages to this number are not wanted"),
    flag("job_reminders_enabled", "preferences.jobRemindersEnabled"),
    flag("marketing_updates_enabled", "preferences.marketingUpdatesEnabled"),
    flag("invoice_notification", "preferences.invoiceNotification"),
    flag("statement_notification", "preferences.statementNotification"),
    flag("invoice_statement_notification", "preferences.invoiceStatementNotification"),
)


def _contact(owner: Column) -> tuple[Column, ...]:
    return (
        owner,
        text("contact_type", "type", does="Phone, MobilePhone, Email or Fax"),
        text("value", does="The number or address as it was typed in"),
        text("phone", "value", convert=Convert.PHONE, index=True, does="``value`` as a telephone number"),
        text("email", "value", convert=Convert.LOWER, index=True, does="``value`` as an e-mail address"),
        text("memo"),
        *PREFERENCES,
    )


def _from_contacts(entity: str, by: str) -> tuple[LookedUp, ...]:
    return (
        LookedUp(
            name="email",
            type=Type.TEXT,
            entity=entity,
            by=by,
            column="email",
            where_column="contact_type",
            where_values=("Email",),
            index=True,
            does="The first e-mail address among the contacts",
        ),
        LookedUp(
            name="phone",
            type=Type.TEXT,
            entity=entity,
            by=by,
            column="phone",
            where_column="contact_type",
            where_values=("MobilePhone", "Phone"),
            index=True,
            does="The first telephone number among the contacts, a mobile one if there is any",
        ),
    )


CUSTOMERS = Entity(
    name="customers",
    table="servicetitan.st_customers",
    does="People and companies that are billed.",
    groups=("core",),
    feeds=export("crm.customers.export"),
    reads_one="crm.customers.get",
    merged_into="mergedToId",
    columns=(
        text("name", index=True),
        text("first_name", "name", convert=Convert.FIRST_NAME),
        text("last_name", "name", convert=Convert.LAST_NAME),
        *_from_contacts("customer_contacts", "customer_id"),
        *ADDRESS,
        *PLACE,
        text("customer_type", "type", does="Residential or Commercial"),
        money("balance"),
        flag("tax_exempt"),
        flag("do_not_mail"),
        flag("do_not_service"),
        flag("national_account"),
        money("credit_limit"),
        money("credit_limit_balance"),
        big("payment_term_id"),
        big("merged_to_id", ref="customers", does="The customer that replaced this one"),
        big("created_by_id", does="The user that created it"),
        ids("tag_type_ids", index=True),
        json("custom_fields"),
        json("external_data"),
        Local(name="ghl_contact_id", type=Type.TEXT, index=True, does="The contact in the CRM"),
        Local(name="ghl_sync_status", type=Type.TEXT, does="How the last push to the CRM ended"),
        Local(name="ghl_synced_at", type=Type.MOMENT, does="When it was last pushed"),
    ),
    events=(
        appears("customer_created", "A customer is new."),
        Transition(
            event_type="customer_merged",
            does="A customer was merged into another one.",
            enters=Present("merged_to_id"),
        ),
        goes(
            "customer_deactivated",
            "A customer was switched off, which a merge does too.",
            "active",
            before=(True,),
            after=(False,),
        ),
    ),
)

CUSTOMER_CONTACTS = Entity(
    name="customer_contacts",
    table="servicetitan.st_customer_contacts",
    does="Telephone numbers and e-mail addresses of customers; a change does not touch the customer itself.",
    groups=("contacts",),
    feeds=export("crm.customers_contacts.export"),
    inactive_means=Inactive.DELETED,
    columns=_contact(big("customer_id", ref="customers")),
)

LOCATIONS = Entity(
    name="locations",
    table="servicetitan.st_locations",
    does="Places where work is done, each belonging to one customer.",
    groups=("core",),
    feeds=export("crm.locations.export"),
    reads_one="crm.locations.get",
    merged_into="mergedToId",
    columns=(
        big("customer_id", ref="customers"),
        text("name"),
        *_from_contacts("location_contacts", "location_id"),
        *ADDRESS,
        *PLACE,
        big("zone_id", ref="zones"),
        big("tax_zone_id"),
        flag("tax_exempt"),
        big("merged_to_id", ref="locations", does="The location that replaced this one"),
        big("created_by_id", does="The user that created it"),
        ids("tag_type_ids", index=True),
        json("custom_fields"),
        json("external_data"),
    ),
    events=(
        appears("location_created", "A location is new."),
        Transition(
            event_type="location_merged",
            does="A location was merged into another one.",
            enters=Present("merged_to_id"),
        ),
    ),
)

LOCATION_CONTACTS = Entity(
    name="location_contacts",
    table="servicetitan.st_location_contacts",
    does="Telephone numbers and e-mail addresses of locations; a change does not touch the location itself.",
    groups=("contacts",),
    feeds=export("crm.locations_contacts.export"),
    inactive_means=Inactive.DELETED,
    columns=_contact(big("location_id", ref="locations")),
)

LEADS = Entity(
    name="leads",
    table="servicetitan.st_leads",
    does="Enquiries to follow up that did not become a job at once.",
    groups=("core",),
    feeds=export("crm.leads.export"),
    reads_one="crm.leads.get",
    inactive_means=Inactive.DELETED,
    columns=(
        text("status", does="Open, Dismissed or Converted", index=True),
        text("priority"),
        text("summary"),
        big("customer_id", ref="customers"),
        big("location_id", ref="locations"),
        big("business_unit_id", ref="business_units"),
        big("job_type_id", ref="job_types"),
        big("campaign_id", ref="campaigns"),
        big("call_reason_id", ref="call_reasons"),
        big("call_id", ref="calls"),
        big("booking_id", ref="bookings"),
        big("manual_call_id"),
        big("dismissing_reason_id"),
        big("created_by_id", does="The user that created it"),
        moment("follow_up_date", does="When somebody is to get in touch next"),
        text("customer_name", "leadCustomerName", does="As given with the enquiry"),
        text("phone", "leadPhone", convert=Convert.PHONE, index=True),
        text("email", "leadEmail", convert=Convert.LOWER, index=True),
        text("address_line1", "leadStreet"),
        text("address_line2", "leadUnit"),
        text("city", "leadCity"),
        text("state", "leadState"),
        text("zip", "leadZip"),
        text("country", "leadCountry"),
        text("capture_source"),
        text("lead_url"),
        ids("tag_type_ids"),
    ),
    events=(
        appears("lead_created", "A lead is new."),
        becomes("lead_converted", "A lead became a job.", "status", "Converted"),
        becomes("lead_dismissed", "A lead was given up.", "status", "Dismissed"),
    ),
)

BOOKINGS = Entity(
    name="bookings",
    table="servicetitan.st_bookings",
    does="Requests for an appointment from the web and from partners.",
    groups=("core",),
    feeds=export("crm.bookings.export"),
    reads_one="crm.bookings.get",
    inactive_means=Inactive.DELETED,
    columns=(
        text("status", does="New, Accepted, Converted or Dismissed", index=True),
        text("source"),
        text("name", does="The customer's name as given with the request"),
        *ADDRESS,
        text("customer_type", does="Residential or Commercial"),
        text("summary"),
        text("priority"),
        moment("start_time", "start"),
        big("campaign_id", ref="campaigns"),
        big("business_unit_id", ref="business_units"),
        big("job_type_id", ref="job_types"),
        big("job_id", ref="jobs"),
        big("booking_provider_id"),
        big("dismissing_reason_id"),
        text("external_id", index=True),
        flag("is_first_time_client"),
        flag("is_send_confirmation_email"),
        texts("uploaded_images"),
    ),
    events=(
        appears("booking_created", "Somebody asks for an appointment."),
        becomes("booking_converted", "A booking became a job.", "status", "Converted"),
        becomes("booking_dismissed", "A booking was given up.", "status", "Dismissed"),
    ),
)
