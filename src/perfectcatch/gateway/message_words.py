"""``/api/templates`` and ``/api/message-rules``: the words of messages, and what decisions go by."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from perfectcatch.errors import BadTemplate
from perfectcatch.gateway import answers
from perfectcatch.gateway import message_models as models
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.messages import caller_of
from perfectcatch.messaging import gate, rules
from perfectcatch.messaging.templates import Words, fields_of
from perfectcatch.model.messaging import Channel
from perfectcatch.store.messages import lists, templates
from perfectcatch.store.pool import Connection, run_in_transaction

router = APIRouter(prefix="/api", tags=["messages"])

Name = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[a-z0-9][a-z0-9 ._-]*$")]


@router.get(
    "/templates", summary="Templates of messages.", response_model=models.Templates, **scoped(Scope.READ)
)
async def listed(request: Request) -> Response:
    """Each in its newest version."""
    gateway = gateway_of(request)
    age = answers.live(gateway)
    return answers.answer(await lists.templates(gateway.reads, gateway.tenant_id, age.as_of), age)


@router.put(
    "/templates/{name}", summary="Write a template.", response_model=models.TemplateStored,
    **scoped(Scope.WRITE),
)  # fmt: skip
async def write(request: Request, name: Name, asked: models.TemplateWritten) -> Response:
    """A new version counts from now on; the older ones stay. What cannot be read is refused."""
    gateway = gateway_of(request)
    channel = Channel(asked.channel)
    if channel is Channel.EMAIL and not (asked.subject or "").strip():
        raise BadTemplate("An email needs a subject.")
    words = Words(channel=channel, body=asked.body, subject=asked.subject, html=asked.html)
    fields = sorted(fields_of(words))
    template = templates.Template(name=name, version=0, **asked.model_dump())

    async def work(connection: Connection) -> int:
        return await templates.write(
            connection, gateway.tenant_id, template, by=caller_of(request), now=gateway.clock.now()
        )

    version = await run_in_transaction(gateway.pool, work, clock=gateway.clock)
    return answers.json({"name": name, "version": version, "fields": fields}, answers.live(gateway))


@router.get(
    "/message-rules", summary="What decisions about messages go by.", response_model=models.RulesShown,
    **scoped(Scope.READ),
)  # fmt: skip
async def shown(request: Request) -> Response:
    """Each rule with its value, its default and what it does."""
    gateway = gateway_of(request)
    now, usual = await gate.rules_of(gateway.desk), gateway.desk.rules
    told = [
        {
            "name": rule.name,
            "value": rule.write(getattr(now, rule.name)),
            "default": rule.write(getattr(usual, rule.name)),
            "changed": getattr(now, rule.name) != getattr(usual, rule.name),
            "does": rule.does,
        }
        for rule in rules.RULES
    ]
    age = answers.live(gateway)
    return answers.json({"data_as_of": age.as_of, "data": told}, age)


@router.put(
    "/message-rules/{name}", summary="Change a rule of messages.", response_model=models.RulesShown,
    **scoped(Scope.ADMIN),
)  # fmt: skip
async def change(
    request: Request, name: Annotated[str, Path(max_length=100)], asked: models.RuleValue
) -> Response:
    """Null makes it as by default."""
    gateway = gateway_of(request)
    rules.check(name, asked.value)

    async def work(connection: Connection) -> None:
        await templates.set_rule(
            connection,
            gateway.tenant_id,
            name,
            asked.value,
            by=caller_of(request),
            now=gateway.clock.now(),
        )

    await run_in_transaction(gateway.pool, work, clock=gateway.clock)
    return await shown(request)
