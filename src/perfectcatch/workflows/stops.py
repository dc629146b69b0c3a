"""Stop rules that most workflows have, by name: when nothing further may happen.

``happened`` lists what happened with the customer since the instance began, ``customer`` and the rest are as
fresh as the mirror can be at that moment.
"""

from types import MappingProxyType
from typing import Final

from perfectcatch.model.workflow import StopRule


def _happened(*types: str, where: str = "") -> str:
    listed = ", ".join(f"'{each}'" for each in types)
    return f"happened.exists(h, h.type in [{listed}]{f' && {where}' if where else ''})"


_BOOKED: Final = ("job_created", "booking_converted", "lead_converted")
_HERE: Final = "(location == null || h.location_id == null || h.location_id == location.id)"

_RULES: Final = (
    StopRule(
        name="reply",
        events=("message_received",),
        when=_happened("message_received", where="!(h.data.meaning in ['start', 'help', 'opt_out'])"),
        sentence="The customer answered.",
    ),
    StopRule(
        name="opt_out",
        events=("opted_out", "message_received"),
        # Who ends marketing alone still hears of a visit; what is marketing the gate refuses for good.
        when="happened.exists(h, (h.type == 'opted_out' && h.data.covers != 'purpose')"
        " || (h.type == 'message_received' && h.data.meaning == 'opt_out'))",
        sentence="The customer does not want messages any more.",
    ),
    StopRule(
        name="booked",
        events=_BOOKED,
        when=_happened(*_BOOKED, where=_HERE),
        sentence="The customer has booked.",
    ),
    StopRule(
        name="sold",
        when=(
            "estimate != null && (estimate.status == 'Sold'"
            " || estimate.siblings.exists(s, s.status == 'Sold'))"
        ),
        sentence="The estimate, or another one of the same job, was sold.",
    ),
    StopRule(
        name="dismissed",
        when=(
            "estimate != null && (estimate.deleted || estimate.status == 'Dismissed')"
            " && !estimate.siblings.exists(s, s.status == 'Open')"
        ),
        sentence="No option of the estimate is open any more.",
    ),
    StopRule(
        name="paid",
        when="invoice != null && (invoice.deleted || invoice.balance == null || invoice.balance <= 0.0)",
        sentence="Nothing is left to pay.",
    ),
    StopRule(
        name="cancelled",
        when=(
            "(appointment != null && (appointment.deleted || appointment.status == 'Canceled'))"
            " || (job != null && (job.deleted || job.job_status == 'Canceled'))"
        ),
        sentence="The visit or the job was cancelled.",
    ),
    StopRule(
        name="done",
        when=(
            "(appointment != null && appointment.status == 'Done')"
            " || (job != null && job.job_status == 'Completed')"
        ),
        sentence="The visit is over.",
    ),
    StopRule(
        name="called_back",
        events=("call_placed",),
        when=(
            "happened.exists(h, h.type == 'call_placed' && h.data.seconds != null && h.data.seconds > 30.0)"
        ),
        sentence="Somebody has talked with the customer.",
    ),
    StopRule(
        name="gone",
        when=(
            "customer != null && (customer.deleted || !customer.active || customer.merged_to_id != null"
            " || customer.do_not_service == true)"
        ),
        sentence="The customer was merged, switched off, or is not to be served.",
    ),
    StopRule(
        name="complaint",
        when="customer != null && customer.complaint_open == true",
        sentence="A complaint of the customer is open.",
    ),
    StopRule(
        name="taken_over",
        when="instance.taken_over == true",
        sentence="A person has taken over.",
    ),
    StopRule(
        name="renewed",
        when=(
            "membership != null && (membership.renewed_by_id != null"
            " || customer.memberships.exists(m, m.id != membership.id && m.status == 'Active'"
            " && m.location_id == membership.location_id))"
        ),
        sentence="The membership goes on.",
    ),
    StopRule(
        name="membership_over",
        when="membership != null && membership.status in ['Canceled', 'Deleted', 'Suspended']",
        sentence="The membership was cancelled or rests.",
    ),
)
STANDARD: Final = MappingProxyType({rule.name: rule for rule in _RULES})
