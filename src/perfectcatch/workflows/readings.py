"""Which columns of the mirror a workflow reads, and how each kind of record belongs to a customer.

One table serves the present, the past and the linter: a column that is added here is at hand in expressions
and templates, as of any moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Reading:
    """An entity as workflows read it.

    ``owner``: the column that holds the customer's id, or that of a record of ``through``, which has one.
    """

    entity: str
    columns: tuple[str, ...]
    owner: str = "customer_id"
    through: str | None = None


_CONTACT: Final = (
    "contact_type phone email do_not_text job_reminders_enabled marketing_updates_enabled"
    " invoice_notification"
)


def _reading(entity: str, columns: str, owner: str = "customer_id", through: str | None = None) -> Reading:
    return Reading(entity, tuple(columns.split()), owner, through)


_ALL: Final = (
    _reading(
        "customers",
        "name first_name last_name customer_type balance do_not_mail do_not_service national_account"
        " merged_to_id tag_type_ids address_line1 city state zip",
        "st_id",
    ),
    _reading("customer_contacts", f"customer_id {_CONTACT}"),
    _reading(
        "locations",
        "customer_id name address_line1 address_line2 city state zip zone_id merged_to_id tag_type_ids",
    ),
    _reading("location_contacts", f"location_id {_CONTACT}", "location_id", "locations"),
    _reading(
        "jobs",
        "job_number customer_id location_id job_type_id business_unit_id campaign_id membership_id job_status"
        " summary total recall_for_id warranty_id created_from_estimate_id st_completed_on tag_type_ids"
        " no_charge sold_by_id booking_id lead_call_id",
    ),
    _reading(
        "appointments",
        "job_id customer_id appointment_number status start_time end_time arrival_window_start"
        " arrival_window_end is_confirmed unused",
        "job_id",
        "jobs",
    ),
    _reading(
        "appointment_assignments",
        "technician_id technician_name job_id appointment_id status assigned_on is_paused",
        "job_id",
        "jobs",
    ),
    _reading(
        "estimates",
        "job_id project_id location_id customer_id business_unit_id business_unit_name name status summary"
        " subtotal tax sold_on sold_by_id is_recommended is_change_order proposal_tag_name",
    ),
    _reading(
        "invoices",
        "reference_number customer_id location_id job_id business_unit_id membership_id adjustment_to_id"
        " status invoice_date due_date paid_on term_name total balance sent_status",
    ),
    _reading("payments", "customer_id payment_type total payment_date"),
    _reading(
        "memberships",
        "customer_id location_id membership_type_id status from_date to_date cancellation_date renewed_by_id"
        " sold_by_id duration billing_frequency payment_method_id",
    ),
    _reading(
        "recurring_services",
        "name membership_id location_id recurring_service_type_id job_type_id from_date to_date"
        " recurrence_type recurrence_interval recurrence_months",
        "location_id",
        "locations",
    ),
    _reading(
        "recurring_service_events",
        "recurring_service_id recurring_service_name membership_id status due_on job_id",
        "membership_id",
        "memberships",
    ),
    _reading(
        "installed_equipment",
        "customer_id location_id name equipment_type manufacturer installed_on status",
    ),
    _reading(
        "calls",
        "direction status call_type from_number to_number duration_seconds customer_id location_id"
        " campaign_id job_id agent_name reason_name voicemail_path",
    ),
    _reading(
        "leads",
        "status summary customer_id location_id business_unit_id job_type_id campaign_id follow_up_date"
        " customer_name phone email",
    ),
    _reading(
        "bookings",
        "status source name customer_type summary start_time campaign_id business_unit_id job_type_id job_id"
        " is_first_time_client address_line1 city state zip",
        "job_id",
        "jobs",
    ),
    _reading("job_notes", "job_id text is_pinned", "job_id", "jobs"),
)
READINGS: Final[Mapping[str, Reading]] = MappingProxyType({each.entity: each for each in _ALL})

# Lists that a company makes itself: few rows, read whole, and as they are now also for the past.
NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "job_types": ("name", "job_class"),
        "business_units": ("name", "official_name", "phone"),
        "technicians": ("name", "phone", "email"),
        "campaigns": ("name",),
        "tag_types": ("name",),
        "membership_types": ("name",),
        "recurring_service_types": ("name",),
    }
)
