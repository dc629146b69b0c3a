"""Every mirrored record of ServiceTitan, declared once.

From a declaration follow its table, the pull, the merge, events, drift reports and its page in the
documentation. ``ENTITIES`` is the list; nothing is found by walking modules.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from perfectcatch.errors import BadArgument
from perfectcatch.model.entity import Entity
from perfectcatch.vendors.servicetitan.entities import (
    accounting,
    crm,
    dispatch,
    equipment,
    jobs,
    marketing,
    memberships,
    pricebook,
    sales,
    settings,
    telecom,
)

ENTITIES: Final[tuple[Entity, ...]] = (
    settings.BUSINESS_UNITS,
    settings.TAG_TYPES,
    settings.CUSTOM_FIELDS,
    jobs.JOB_TYPES,
    jobs.JOB_CANCEL_REASONS,
    jobs.JOB_HOLD_REASONS,
    marketing.CAMPAIGNS,
    telecom.CALL_REASONS,
    dispatch.TEAMS,
    dispatch.ZONES,
    settings.TECHNICIANS,
    settings.EMPLOYEES,
    dispatch.TECHNICIAN_SKILLS,
    memberships.MEMBERSHIP_TYPES,
    memberships.RECURRING_SERVICE_TYPES,
    pricebook.CATEGORIES,
    pricebook.SERVICES,
    pricebook.MATERIALS,
    pricebook.EQUIPMENT,
    crm.CUSTOMERS,
    crm.CUSTOMER_CONTACTS,
    crm.LOCATIONS,
    crm.LOCATION_CONTACTS,
    memberships.MEMBERSHIPS,
    memberships.RECURRING_SERVICES,
    memberships.RECURRING_SERVICE_EVENTS,
    equipment.INSTALLED_EQUIPMENT,
    jobs.PROJECTS,
    jobs.JOBS,
    jobs.JOB_NOTES,
    jobs.APPOINTMENTS,
    dispatch.APPOINTMENT_ASSIGNMENTS,
    sales.ESTIMATES,
    accounting.INVOICES,
    accounting.PAYMENTS,
    telecom.CALLS,
    crm.BOOKINGS,
    crm.LEADS,
    dispatch.TECHNICIAN_SHIFTS,
    dispatch.ARRIVAL_WINDOWS,
    dispatch.NON_JOB_APPOINTMENTS,
)

BY_NAME: Final[Mapping[str, Entity]] = MappingProxyType({entity.name: entity for entity in ENTITIES})


def _spellings(name: str) -> tuple[str, ...]:
    """``name`` and its singular."""
    if name.endswith("ies"):
        return name, f"{name[:-3]}y"
    return (name, name[:-1]) if name.endswith("s") else (name,)


_SPELLED: Final[Mapping[str, Entity]] = MappingProxyType(
    {spelling: entity for entity in ENTITIES for spelling in _spellings(entity.name)}
)


def find(name: str) -> Entity:
    """Find the entity called ``name``, in plural or singular, with hyphens, blanks or underscores.

    Raises ``BadArgument`` with the nearest names when there is none.
    """
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    if (found := _SPELLED.get(wanted)) is not None:
        return found
    near = list(dict.fromkeys(_SPELLED[each].name for each in get_close_matches(wanted, _SPELLED, n=5)))
    choice = f"did you mean {' or '.join(near[:3])}?" if near else f"choose one of {', '.join(BY_NAME)}."
    raise BadArgument(f"There is no entity called {name!r}; {choice}")
