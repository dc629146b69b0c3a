"""What steps would have done: a message goes to the gate of the past, everything else is noted."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from perfectcatch.errors import BadTemplate, BrokenMerge, PerfectCatchError, Undecidable
from perfectcatch.messaging.segments import segments
from perfectcatch.model.asking import Ask
from perfectcatch.model.messaging import Channel, Intent, Status
from perfectcatch.model.workflow import Approval, Message, Result, Step, Task, Think
from perfectcatch.workflows import filling, links
from perfectcatch.workflows.bundle import Bundle
from perfectcatch.workflows.rehearsal.gate import PastGate
from perfectcatch.workflows.rehearsal.instance import Instance
from perfectcatch.workflows.rehearsal.report import Would
from perfectcatch.workflows.supposed import supposed
from perfectcatch.workflows.thinking import outcome_of

MOST_LISTED: Final = 50_000
_KINDS: Final = {
    "Task": "task",
    "Ask": "mirror",
    "Call": "http",
    "Write": "write",
    "Crm": "crm",
    "Post": "chat",
    "Think": "ai",
    "Approval": "approval",
    "Run": "workflow",
}


class Acts:
    """Takes down what would have been done. ``cut`` counts what is beyond the most that are listed."""

    def __init__(self, gate: PastGate, segment_price: Decimal, public_url: str) -> None:
        self.gate = gate
        self.segment_price = segment_price
        self.public_url = public_url
        self.would: list[Would] = []
        self.cut = 0

    def message(
        self, instance: Instance, step: Message, records: Mapping[str, Any], bundle: Bundle, now: datetime
    ) -> Result | datetime:
        """What became of a message, or when the gate is to be asked again."""
        try:
            intent = filling.intent(
                instance.definition,
                step,
                records,
                instance_id=instance.id,
                occurrence=instance.state.occurrence,
            )
        except (BrokenMerge, BadTemplate, Undecidable) as error:
            self._note(instance, step, records, now, "suppressed", "broken_merge", str(error))
            return Result(outcome="suppressed", reason="broken_merge")
        intent = links.as_if_shortened(intent, step, instance.definition, public_url=self.public_url)
        decision = self.gate.decide(intent, bundle, now, first_asked=instance.meant_at)
        if decision.status is Status.DEFERRED and decision.until is not None and not decision.held:
            instance.meant_at = instance.meant_at or now
            return decision.until
        status = "held" if decision.held else str(decision.status)
        self._note(instance, step, records, now, status, decision.reason, decision.sentence, intent)
        # A held message waits for a person: the dry run goes on as if it had been released.
        outcome = "sent" if decision.held else str(decision.status)
        value = supposed(step).value if intent.recipient else None
        return Result(outcome=outcome, reason=decision.reason, value=value)

    def other(self, instance: Instance, step: Step, records: Mapping[str, Any], now: datetime) -> Result:
        """What a step gives that writes to nobody: a person says yes, a model is not asked."""
        sentence, result = "It would be done.", supposed(step)
        match step:
            case Task():
                sentence = _told(step.title, records)
            case Think():
                sentence = "The answer without a model is taken."
                result = Result(outcome=outcome_of(step, step.otherwise), value=dict(step.otherwise))
            case Ask():
                sentence = f"{step.question}: the answer that the definition names for a dry run is taken."
                result = Result(value=dict(step.otherwise))
            case Approval():
                sentence = f"{_told(step.question, records)} Taken as approved."
        self._note(instance, step, records, now, "done", "done", sentence)
        return result

    def _note(
        self,
        instance: Instance,
        step: Step,
        records: Mapping[str, Any],
        now: datetime,
        status: str,
        reason: str,
        sentence: str,
        intent: Intent | None = None,
    ) -> None:
        if len(self.would) >= MOST_LISTED:
            self.cut += 1
            return
        parts = segments(intent.body) if intent is not None and intent.channel is Channel.SMS else 0
        self.would.append(
            Would(
                at=now,
                workflow=instance.definition.name,
                step=step.id,
                kind=str(step.channel) if isinstance(step, Message) else _KINDS[type(step).__name__],
                status=status,
                reason=reason,
                sentence=sentence,
                customer_id=instance.customer_id,
                customer=(records.get("customer") or {}).get("name"),
                to=intent.recipient if intent is not None else None,
                text=intent.body if intent is not None else None,
                subject=intent.subject if intent is not None else None,
                purpose=str(intent.purpose) if intent is not None else None,
                segments=parts,
                cost=self.segment_price * parts if status == "sent" else Decimal(),
                event=instance.event.event_type,
                event_id=instance.event.id,
                waited_since=instance.meant_at,
                approximate=bool(records["approximate"]),
            )
        )


def _told(text: str, records: Mapping[str, Any]) -> str:
    try:
        return filling.text(text, records)
    except PerfectCatchError as error:
        return str(error)
