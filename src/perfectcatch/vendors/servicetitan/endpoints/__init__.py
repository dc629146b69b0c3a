"""The catalogue: every operation of the ServiceTitan API, one row each, found by name.

A name is ``module.resource.verb``. The resource is the path's fixed segments; the verb is ``list`` for many
records (``list_of_one`` where the same records are listed under one parent), ``get`` for one document,
``export`` for a feed, ``create``, ``update``, ``replace``, ``delete``, or the action, as in
``sales.estimates.sell``.
"""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from perfectcatch.errors import BadArgument
from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints import (
    accounting_payables,
    accounting_receivables,
    crm,
    customer_interactions,
    dispatch,
    equipmentsystems,
    findings,
    forms,
    inventory,
    jbce,
    jpm,
    marketing,
    marketingads,
    marketingreputation,
    memberships,
    payroll,
    pricebook,
    reporting,
    sales,
    schedulingpro,
    service_agreements,
    settings,
    taskmanagement,
    telecom,
    timesheets,
)

__all__ = ["CATALOGUE", "find"]

CATALOGUE: Mapping[str, Endpoint] = MappingProxyType(
    {
        row.name: row
        for rows in (
            accounting_payables.ROWS,
            accounting_receivables.ROWS,
            crm.ROWS,
            customer_interactions.ROWS,
            dispatch.ROWS,
            equipmentsystems.ROWS,
            findings.ROWS,
            forms.ROWS,
            inventory.ROWS,
            jbce.ROWS,
            jpm.ROWS,
            marketing.ROWS,
            marketingads.ROWS,
            marketingreputation.ROWS,
            memberships.ROWS,
            payroll.ROWS,
            pricebook.ROWS,
            reporting.ROWS,
            sales.ROWS,
            schedulingpro.ROWS,
            service_agreements.ROWS,
            settings.ROWS,
            taskmanagement.ROWS,
            telecom.ROWS,
            timesheets.ROWS,
        )
        for row in rows
    }
)

# Two modules have categories; those of the pricebook are what a contractor means by the word.
_PREFERRED = {"categories": "pricebook"}


def _short_names() -> Mapping[str, str]:
    """Map ``resource.verb`` to the full name; a resource of two modules only through ``_PREFERRED``."""
    owners: dict[str, list[str]] = {}
    for row in CATALOGUE.values():
        owners.setdefault(row.name.split(".", 1)[1], []).append(row.module)
    found = {}
    for short, modules in owners.items():
        preferred = _PREFERRED.get(short.split(".", 1)[0])
        if len(modules) == 1:
            found[short] = f"{modules[0]}.{short}"
        elif preferred in modules:
            found[short] = f"{preferred}.{short}"
    return found


_SHORT = _short_names()


def find(name: str) -> Endpoint:
    """Give the operation of that name, full (``jpm.jobs.list``) or short (``jobs.list``).

    Hyphens count as underscores. Raises ``BadArgument``, which offers the nearest names, where there is no
    such operation.
    """
    wanted = name.strip().lower().replace("-", "_")
    row = CATALOGUE.get(_SHORT.get(wanted, wanted))
    if row is None:
        near = _nearest(wanted)
        hint = f"did you mean {' or '.join(near)}?" if near else "names look like jpm.jobs.list or jobs.list."
        raise BadArgument(f"ServiceTitan has no operation named {name!r}; {hint}")
    return row


def _nearest(wanted: str) -> list[str]:
    """Up to three names to offer: the same words in another module first, then similar spellings."""
    elsewhere = _SHORT.get(wanted.partition(".")[2])
    similar = difflib.get_close_matches(
        wanted, CATALOGUE if wanted.count(".") > 1 else _SHORT, n=3, cutoff=0.5
    )
    return [elsewhere] if elsewhere else similar
