"""How everything that belongs to one customer is asked for: which list takes which filter.

Not reachable this way: bookings, which name no customer, and calls and notes of jobs, whose lists give
another record than their feeds.
"""

from typing import Final

from perfectcatch.model.source import Related

OF_CUSTOMER: Final = (
    Related("customer_contacts", "customerIds", "customers"),
    Related("locations", "customerId", "customers", many=False),
    Related("location_contacts", "locationIds", "locations"),
    Related("memberships", "customerIds", "customers"),
    Related("recurring_services", "locationIds", "locations"),
    Related("installed_equipment", "locationIds", "locations"),
    Related("projects", "customerId", "customers", many=False),
    Related("jobs", "customerId", "customers", many=False),
    Related("appointments", "customerId", "customers", many=False),
    Related("appointment_assignments", "appointmentIds", "appointments"),
    Related("estimates", "locationId", "locations", many=False),
    Related("invoices", "customerId", "customers", many=False),
    Related("payments", "customerId", "customers", many=False),
    Related("leads", "customerId", "customers", many=False),
)
"""In the order of reading: what a row goes by has been read before it."""
