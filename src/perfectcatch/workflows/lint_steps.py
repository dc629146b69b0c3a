"""The linter's look at single steps: what they name has to exist, and a wait has to end."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from perfectcatch.errors import BadArgument
from perfectcatch.model.asking import Ask
from perfectcatch.model.messaging import Status
from perfectcatch.model.roles import CRM_ACTIONS
from perfectcatch.model.workflow import (
    Approval,
    Branch,
    Call,
    Crm,
    Definition,
    Message,
    Post,
    Run,
    Step,
    Stop,
    Task,
    Wait,
    Write,
)
from perfectcatch.workflows.calling import METHODS
from perfectcatch.workflows.lint_texts import Finding, error

# What the gate decides about a message, and why: docs/how-to/messages.md tells of each.
REASONS: Final = (
    *("expired", "not_connected", "invalid", "foreign", "toll_free", "premium", "pager", "landline"),
    *("unreachable", "bounced", "complained", "opted_out", "customer_unknown", "customer_deleted"),
    *("customer_merged", "customer_inactive", "do_not_service", "do_not_text", "do_not_mail", "preference"),
    *("no_consent", "consent_withdrawn", "not_registered", "no_footer", "identical", "household"),
    *("doubtful_opt_out", "quiet_hours", "budget_day", "budget_week", "budget_texts", "sender_blocked"),
    *("blast", "person", "bad_number", "opted_out_at_vendor", "vendor_busy", "vendor_refuses_us", "absent"),
    *("outcome_unknown", "cancelled", "broken_merge", "no_address"),
)
# What a step can end with; a model has its own words.
_ENDS: Final[dict[type[Step], tuple[str, ...]]] = {
    Message: (*Status, *REASONS),
    Wait: ("event", "timeout"),
    Approval: ("approved", "refused", "timeout"),
    Task: ("done",),
    Ask: ("done",),
    Branch: (),
    Stop: (),
    Call: ("done", "refused"),
    Crm: ("done", "refused", "not_connected"),
    Post: ("done", "refused", "not_connected"),
    Run: ("done", "refused", "not_enabled", "not_started"),
    Write: ("done", "refused", "unknown", "outcome_unknown"),
}
FEW: Final = 6  # outcomes that a sentence lists


def steps_of(definition: Definition, operation: Callable[[str], object] | None) -> Iterator[Finding]:
    """What is wrong with steps by themselves. ``operation``: as for ``lint``."""
    for step in definition.steps:
        place = f"step {step.id}"
        for outcome in step.outcomes:
            ends = _ENDS.get(type(step))
            if ends is not None and outcome not in ends:
                yield error(place, f"It never ends with {outcome}{_offered(outcome, ends)}.")
        match step:
            case Wait():
                yield from _wait(place, step)
            case Crm() if step.action not in CRM_ACTIONS:
                yield error(place, f"The CRM knows no action {step.action}: {', '.join(CRM_ACTIONS)}.")
            case Call() if step.method.upper() not in METHODS:
                yield error(place, f"{step.method} is no method of a call: {', '.join(METHODS)}.")
            case Write() if operation is not None:
                try:
                    operation(step.operation)
                except BadArgument as wrong:
                    yield error(place, str(wrong))


def _offered(word: str, ends: Sequence[str]) -> str:
    """The outcomes that a step has, or of many those that look like ``word``."""
    few = ends if len(ends) <= FEW else difflib.get_close_matches(word, ends, n=3, cutoff=0.5)
    return f": {', '.join(few)}" if few else ""


def _wait(place: str, step: Wait) -> Iterator[Finding]:
    timed = (step.until, step.span, step.days, step.at)
    if all(each is None for each in timed):
        if step.events:
            yield Finding("warning", place, "Without a time it waits for ever where the event never comes.")
        else:
            yield error(place, "It waits for nothing and never ends: give for, until, days, at or events.")
    elif step.until is None and (step.span or timedelta()) + timedelta(step.days or 0) < timedelta():
        yield error(place, "It waits until a moment before it begins: a time before something needs until.")
