"""How the records of a feed can be asked for beside the feed itself: facts for comparing and for repairs.

By the vendor's documents a list's record equals the export's, apart from what is written down here.
"""

from typing import Final

from perfectcatch.errors import BadArgument
from perfectcatch.model.endpoint import Endpoint, Kind
from perfectcatch.model.source import Form, Listing
from perfectcatch.vendors.servicetitan import endpoints, entities
from perfectcatch.vendors.servicetitan.related import OF_CUSTOMER

# How each list is told to leave nothing out, and how to give living records only.
_ACTIVITY: Final = (
    ("active", "Any", "True"),
    ("activeState", "All", "ActiveOnly"),
    ("activeOnly", "false", "true"),
    ("includeInactive", "true", "false"),
)

# Export records say whether they are active; these lists and single reads show living records and do not.
_WITHOUT_ACTIVE: Final = frozenset(
    {
        "crm.customers_contacts",
        "crm.locations_contacts",
        "crm.bookings",
        "crm.leads",
        "jpm.jobs",
        "jpm.projects",
        "memberships.recurring_service_events",
    }
)
# What only the list or the single read shows.
_BESIDE_FEED: Final = {
    "pricebook.services.list": ("calculatedPrice", "useStaticPrices"),
    "pricebook.services.get": ("calculatedPrice", "useStaticPrices"),
    "equipmentsystems.installed_equipment.get": ("customFields", "attachments"),
}
# Another record altogether: a call's list nests what the export has flat, and its counts can be inflated.
_UNLIKE_FEED: Final = frozenset({"telecom.calls"})

_OWNERS: Final = {
    feed.endpoint.rpartition(".")[0]: (related.parameter, related.of)
    for related in OF_CUSTOMER
    for feed in entities.BY_NAME[related.entity].feeds
    if related.many
}

_BEFORE_ALL: Final = "2000-01-01T00:00:00Z"  # the vendor was founded in 2012


def listing(feed: str) -> Listing | None:
    """The list of the records that ``feed`` gives, None where there is none that is like it."""
    row = endpoints.find(feed)
    resource = row.name.rpartition(".")[0]
    if row.kind is Kind.EXPORT:
        try:
            row = endpoints.find(f"{resource}.list")
        except BadArgument:
            return None
    if row.kind is not Kind.PAGE or resource in _UNLIKE_FEED:
        return None
    needed = (("modifiedOnOrAfter", _BEFORE_ALL),) if "modifiedOnOrAfter" in row.needs_one_of else ()
    return Listing(
        endpoint=row.name,
        everything=needed + _activity(row, 0),
        living=needed + _activity(row, 1),
        counts=row.takes("includeTotal"),
        dated=row.takes("createdOnOrAfter") and row.takes("createdBefore"),
        by_ids=row.takes("ids"),
        owner=_OWNERS.get(resource),
        page_size=row.max_page_size,
        form=form(row.name) if feed.endswith(".export") else Form(),
    )


def form(endpoint: str) -> Form:
    """In what a record of this list or single read differs from the export's."""
    resource = endpoint.rpartition(".")[0]
    return Form(
        adds=(("active", True),) if resource in _WITHOUT_ACTIVE else (),
        drops=_BESIDE_FEED.get(endpoint, ()),
    )


def _activity(row: Endpoint, which: int) -> tuple[tuple[str, str], ...]:
    return tuple((name, values[which]) for name, *values in _ACTIVITY if row.takes(name))
