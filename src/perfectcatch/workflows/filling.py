"""Texts of steps filled in from the records at hand: messages as intents for the gate, and all others."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from perfectcatch.errors import BadWorkflow
from perfectcatch.messaging.templates import Rendered, Words, fields_of, render
from perfectcatch.model.messaging import Channel, Intent
from perfectcatch.model.workflow import Definition, Message, Template
from perfectcatch.workflows import expressions

Records = Mapping[str, Any]

COMPUTED: Final = "="  # a text that begins with it is an expression, so that a number stays one
_CONTACT: Final = {Channel.SMS: "phone", Channel.EMAIL: "email"}


def intent(
    definition: Definition,
    step: Message,
    records: Records,
    *,
    instance_id: int | None = None,
    occurrence: int = 1,
    shadow: bool = False,
) -> Intent:
    """The message that ``step`` means. Raises ``BrokenMerge``, ``BadTemplate``, ``Undecidable``.

    Its key is the same whenever the same step is reached for the same trigger, whoever asks and how often.
    """
    rendered = words_of(definition, step, records)
    to = recipient(step, records)
    event = records["event"]
    about = f"{event['entity']}-{event['id']}/{event['version']}.{occurrence}"
    customer, location = records.get("customer") or {}, records.get("location") or {}
    if step.customer is not None:
        customer, location = {"id": addressee(step, records)}, {}
    data = dict(step.data)
    if step.expires is not None:
        data["expires_at"] = expressions.moment(step.expires, records).isoformat()
    return Intent(
        key=f"{definition.name}/{step.id}/{about}/{step.channel}/{to}",
        channel=step.channel,
        purpose=step.purpose or definition.purpose,
        recipient=to,
        body=rendered.body,
        subject=rendered.subject,
        html=rendered.html,
        customer_id=customer.get("id"),
        location_id=location.get("id"),
        template=step.template,
        workflow=definition.name,
        instance_id=instance_id,
        step=step.id,
        shadow=shadow,
        data=data,
    )


def words_of(definition: Definition, step: Message, records: Records) -> Rendered:
    """The words of a message step. Raises as ``intent``."""
    words = as_words(template_of(definition, step))
    return render(words, values(records, words))


def template_of(definition: Definition, step: Message) -> Template:
    """The template that the step names. Raises BadWorkflow."""
    template = definition.templates.get(step.template)
    if template is None or template.channel is not step.channel:
        raise BadWorkflow(f"{definition.name} has no template {step.template} for {step.channel}.")
    return template


def as_words(template: Template) -> Words:
    """A template as the gate renders it."""
    return Words(channel=template.channel, body=template.body, subject=template.subject, html=template.html)


def recipient(step: Message, records: Records) -> str:
    """To whom: what the step says, else the contact; "" where there is nothing, which the gate refuses."""
    if step.to is not None:
        found = expressions.evaluate(step.to, records)
    else:
        found = (records.get("contact") or {}).get(_CONTACT[step.channel])
    return "" if found is None else str(found)


def addressee(step: Message, records: Records) -> int | None:
    """The customer whom the step names beside that of the instance. Raises Undecidable."""
    found = expressions.evaluate(step.customer, records) if step.customer is not None else None
    return int(found) if found else None


def values(records: Records, words: Words) -> dict[str, Any]:
    """The records that the words name."""
    names = {*_names(words.body), *_names(words.subject or ""), *_names(words.html or "")}
    return {name: records[name] for name in names if name in records} | {"zone": records["company"]["zone"]}


@lru_cache(maxsize=2048)
def _names(text: str) -> frozenset[str]:
    fields = fields_of(Words(channel=Channel.EMAIL, body=text, subject="-")) if text else ()
    return frozenset(field.split(".")[0] for field in fields)


def text(template: str, records: Records) -> str:
    """Any other text with merge fields: a task's title, a line of chat. Raises as ``intent``."""
    words = Words(channel=Channel.EMAIL, body=template, subject="-")
    return render(words, values(records, words)).body


def filled(value: Any, records: Records) -> Any:
    """Values of any depth with their texts filled in; ``= job.id`` is computed and keeps its kind."""
    match value:
        case str() if value.startswith(COMPUTED):
            return expressions.evaluate(value[1:].strip(), records)
        case str() if "{" in value:
            return text(value, records)
        case Mapping():
            return {name: filled(inner, records) for name, inner in value.items()}
        case list() | tuple():
            return [filled(inner, records) for inner in value]
    return value
