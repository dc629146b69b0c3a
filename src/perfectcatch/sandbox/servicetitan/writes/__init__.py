"""What the vendor's writes do: special ones by area, everything else by its shape."""

from perfectcatch.sandbox.servicetitan.answers import Answer
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.writes import (
    accounting,
    appointments,
    board,
    crm,
    inbound,
    jobs,
    memberships,
    payments,
    sales,
)
from perfectcatch.sandbox.servicetitan.writes.generic import check_body, write
from perfectcatch.sandbox.servicetitan.writes.kinds import Write

SPECIAL: dict[str, Write] = {
    f"{method} {path}": function
    for area in (accounting, appointments, board, crm, inbound, jobs, memberships, payments, sales)
    for (method, path), function in area.WRITES.items()
}


def command(call: Call) -> Answer:
    """Carry out a write. Raises 400 for a body that does not fit, 404 for an unknown record."""
    check_body(call)
    return SPECIAL.get(call.route.key, write)(call)
