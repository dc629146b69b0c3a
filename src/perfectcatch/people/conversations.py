"""What the timeline tells of our side: messages both ways, ends of messages, and what workflows did.

None of it is a record of the mirror. What only shadow mode decided has not happened and is not told.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from perfectcatch.store.names import EXECUTIONS, INSTANCES, MESSAGES, OPT_OUTS, RECEIVED

Facts = Mapping[str, Any]

_LONGEST: Final = 80  # characters of a text that is quoted
# Business events whose row here tells more.
TOLD_HERE: Final = ("opted_out",)

# Lines as (at, entity, st_id, turn, facts) of some customers. Parameters: tenant and customers.
STATEMENT: Final = f"""
  select coalesce(m.sent_at, m.decided_at) as at, 'messages' as entity, m.id as st_id, 0::bigint as turn,
    jsonb_build_object('channel', m.channel, 'status', m.status, 'address', coalesce(m.address, m.recipient),
      'body', m.body, 'subject', m.subject, 'workflow', m.workflow, 'why', m.sentence) as facts
  from {MESSAGES} m where m.tenant_id = %(tenant)s and m.customer_id = any(%(customers)s::bigint[])
    and not m.shadow
  union all
  select r.received_at, 'received', r.id, 0,
    jsonb_build_object('channel', r.channel, 'sender', r.sender, 'body', r.body)
  from {RECEIVED} r where r.tenant_id = %(tenant)s and r.customer_ids && %(customers)s::bigint[]
  union all
  select o.since, 'opt_outs', o.id, 0, jsonb_build_object('channel', o.channel, 'covers', o.covers,
    'source', o.source, 'wording', o.wording)
  from {OPT_OUTS} o where o.tenant_id = %(tenant)s and o.customer_ids && %(customers)s::bigint[]
  union all
  select o.ended_at, 'opt_outs', o.id, 1, jsonb_build_object('channel', o.channel, 'ended', true)
  from {OPT_OUTS} o where o.tenant_id = %(tenant)s and o.customer_ids && %(customers)s::bigint[]
    and o.ended_at is not null
  union all
  select coalesce(x.ended_at, x.started_at), 'workflow_steps', i.id,
    abs(hashtext(x.step || '.' || x.occurrence))::bigint, jsonb_build_object('workflow', i.workflow,
      'step', x.step, 'outcome', coalesce(x.outcome, x.status), 'why', x.sentence)
  from {INSTANCES} i join {EXECUTIONS} x on x.tenant_id = i.tenant_id and x.workflow_instance_id = i.id
  where i.tenant_id = %(tenant)s and i.customer_id = any(%(customers)s::bigint[]) and not i.shadow
    and x.outcome is distinct from 'passed' and not coalesce(x.value ? 'message_id', false)
"""
_BECAME: Final = {
    "sent": "was sent",
    "delivered": "was delivered",
    "refused": "was refused by the vendor",
    "suppressed": "was not sent",
    "deferred": "waits",
    "unknown": "may have been sent",
    "failed": "did not arrive",
}
_SAYS_WHY: Final = ("refused", "suppressed", "deferred", "unknown", "failed")
_CHANNELS: Final = {"sms": "Text", "email": "Email"}


def _message(facts: Facts) -> str:
    quoted = _quoted(facts["subject"] or facts["body"])
    by = f" ({facts['workflow']})" if facts.get("workflow") else ""
    became = _BECAME.get(facts["status"], facts["status"])
    why = f" {facts['why']}" if facts["status"] in _SAYS_WHY and facts.get("why") else ""
    return f"{_channel(facts)} {quoted} to {facts['address']} {became}{by}.{why}"


def _received(facts: Facts) -> str:
    return f"{facts['sender']} wrote {_quoted(facts['body'])}."


def _opt_out(facts: Facts) -> str:
    if facts.get("ended"):
        return f"{_channel(facts)} messages are wanted again."
    which = "offers" if facts.get("covers") == "purpose" else "messages"
    words = f": {_quoted(facts['wording'])}" if facts.get("wording") else ""
    return f"No more {which} are wanted ({facts['source']}, {_channel(facts).lower()}){words}."


def _step(facts: Facts) -> str:
    why = f": {facts['why'].rstrip('.')}" if facts.get("why") else ""
    return f"Workflow {facts['workflow']}, step {facts['step']}, {facts['outcome']}{why}."


SENTENCES: Final[Mapping[str, Callable[[Facts], str]]] = {
    "messages": _message,
    "received": _received,
    "opt_outs": _opt_out,
    "workflow_steps": _step,
}


def _channel(facts: Facts) -> str:
    return _CHANNELS.get(facts["channel"], str(facts["channel"]))


def _quoted(text: object) -> str:
    plain = " ".join(str(text or "").split())
    return f"'{plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3].rstrip() + '...'}'"
