"""``/api/messages``: what was meant for people, what was decided and why; sending, and what waits."""

from decimal import Decimal
from typing import Annotated, Any, Literal, cast
from uuid import uuid4

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from perfectcatch.errors import BadArgument, NothingKnown
from perfectcatch.gateway import answers
from perfectcatch.gateway import message_models as models
from perfectcatch.gateway.access import Caller, Scope, scoped
from perfectcatch.gateway.context import Gateway, gateway_of
from perfectcatch.messaging import footers, gate
from perfectcatch.messaging import templates as wording
from perfectcatch.messaging.segments import segments
from perfectcatch.messaging.templates import Rendered, Words
from perfectcatch.model.messaging import Channel, Intent, Purpose
from perfectcatch.store.messages import holds, lists, log, templates, waiting
from perfectcatch.store.messages.lists import Wanted
from perfectcatch.store.pool import Connection, run_in_transaction
from perfectcatch.store.reading.fields import BIGGEST

router = APIRouter(prefix="/api", tags=["messages"])

RowId = Annotated[int, Path(ge=1, le=BIGGEST)]
After = Annotated[int | None, Query(ge=0, le=BIGGEST, description="The `next` of the answer before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Sort = Annotated[Literal["id", "-id"], Query(description="`-id`: the newest first.")]
Text = Annotated[str | None, Query(max_length=200)]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=255, description="Once for ever by this word."),
]


def caller_of(request: Request) -> str:
    """The name of the key that asks."""
    return cast(Caller, request.state.caller).name


async def page(request: Request, table: str, wanted: Wanted) -> Response:
    """A page of a table of messages."""
    gateway = gateway_of(request)
    age = answers.live(gateway)
    body = await lists.listed(gateway.reads, gateway.tenant_id, table, wanted, age.as_of)
    return answers.answer(body, age)


# What there is -----------------------------------------------------------------------------------


@router.get(
    "/messages", summary="Messages to people, with their reasons.", response_model=models.Messages,
    **scoped(Scope.READ),
)  # fmt: skip
async def messages(
    request: Request,
    status: Annotated[list[models.StatusName] | None, Query(description="One of these.")] = None,
    channel: models.ChannelName | None = None,
    purpose: models.PurposeName | None = None,
    reason: Text = None,
    customer_id: Annotated[int | None, Query(ge=-BIGGEST, le=BIGGEST)] = None,
    address: Annotated[str | None, Query(max_length=320, description="As it was normalized.")] = None,
    workflow: Text = None,
    instance_id: Annotated[int | None, Query(ge=1, le=BIGGEST)] = None,
    held: bool | None = None,
    shadow: bool | None = None,
    sort: Sort = "-id",
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Every message that was meant for a person, sent or not."""
    equal = {
        "channel": channel,
        "purpose": purpose,
        "reason": reason,
        "customer_id": customer_id,
        "address": address,
        "workflow": workflow,
        "instance_id": instance_id,
        "held": held,
        "shadow": shadow,
    }
    wanted = Wanted(
        equal=equal,
        any_of={"status": status or ()},
        newest_first=sort == "-id",
        after=after,
        limit=limit,
    )
    return await page(request, "messages", wanted)


@router.get(
    "/messages/{message_id}", summary="One message.", response_model=models.WholeMessage,
    **scoped(Scope.READ, 404),
)  # fmt: skip
async def message(request: Request, message_id: RowId) -> Response:
    """All of it."""
    return await _shown(gateway_of(request), message_id)


async def _shown(gateway: Gateway, message_id: int, status: int = 200) -> Response:
    body = await lists.one(gateway.reads, gateway.tenant_id, "messages", message_id)
    if body is None:
        raise NothingKnown(f"There is no message {message_id}.")
    return answers.answer(body, answers.live(gateway), status=status)


# Sending -----------------------------------------------------------------------------------------


@router.post(
    "/messages", summary="Send a message through the gate.", response_model=models.WholeMessage,
    status_code=201, **scoped(Scope.SEND, 404),
)  # fmt: skip
async def send(request: Request, draft: models.Draft, key: Key = None) -> Response:
    """The gate decides as it does for a workflow: the answer says what, and why.

    With an `Idempotency-Key` the same key never sends twice, and gets the first one's decision.
    """
    gateway = gateway_of(request)
    caller = cast(Caller, request.state.caller)
    words = await _template(gateway, draft)
    rendered = wording.render(words, _values(gateway, draft)) if words else _given(draft)
    intent = _intent(
        draft,
        rendered,
        key=f"api {caller.key_id} {key or uuid4()}",
        asked_by=caller.name,
        shadow=draft.shadow,
        data={
            **({"may_repeat": True} if draft.may_repeat else {}),
            **({"expires_at": draft.expires_at.isoformat()} if draft.expires_at else {}),
        },
    )
    decision = await gate.send(gateway.desk, intent)
    assert decision.message_id is not None
    return await _shown(gateway, decision.message_id, 201)


@router.post(
    "/messages/preview", summary="How a message would read, and whether it would go.",
    response_model=models.Preview, **scoped(Scope.READ, 404),
)  # fmt: skip
async def preview(request: Request, draft: models.Drafted) -> Response:
    """Nothing is written or sent."""
    gateway = gateway_of(request)
    words = await _template(gateway, draft)
    shown = (
        wording.preview(words, _values(gateway, draft))
        if words
        else wording.Preview(rendered=_given(draft), problems=(), fields=(), filled=())
    )
    told: dict[str, Any] = dict.fromkeys(models.Preview.model_fields)
    told |= {"problems": shown.problems, "fields": shown.fields, "filled": shown.filled, "held": False}
    if shown.rendered is not None:
        intent = _intent(draft, shown.rendered, key=f"preview {uuid4()}", asked_by=caller_of(request))
        rules = await gate.rules_of(gateway.desk)
        now = gateway.clock.now()
        decision = gate.judge(intent, await gate.facts(gateway.desk, intent, now), rules, now)
        body = footers.text_of(intent)
        parts = segments(body) if intent.channel is Channel.SMS else None
        told |= {
            "body": body,
            "subject": intent.subject,
            "html": intent.html,
            "segments": parts,
            "estimated_cost": rules.segment_price * parts if parts else Decimal(0),
            "status": decision.status,
            "reason": decision.reason,
            "sentence": decision.sentence,
            "until": decision.until,
            "held": decision.held,
        }
    return answers.json(told, answers.live(gateway))


async def _template(gateway: Gateway, draft: models.Drafted) -> Words | None:
    """The template that a draft names; None where it gives its words."""
    if (draft.template is None) == (draft.body is None):
        raise BadArgument("Give either `body` or `template`.")
    if draft.template is None:
        if draft.values:
            raise BadArgument("`values` fill a template, and none is named.")
        return None
    found = await templates.current(gateway.pool, gateway.tenant_id, draft.template)
    if found is None or not found.active:
        raise NothingKnown(f"There is no template {draft.template!r} that is switched on.")
    if (found.channel, found.purpose) != (draft.channel, draft.purpose):
        raise BadArgument(f"The template {found.name!r} is for {found.channel} and {found.purpose}.")
    return Words(
        channel=Channel(draft.channel),
        body=found.body,
        subject=draft.subject or found.subject,
        html=found.html,
        fallbacks=found.fallbacks,
    )


def _values(gateway: Gateway, draft: models.Drafted) -> dict[str, Any]:
    return {"zone": gateway.zone, **draft.values}


def _given(draft: models.Drafted) -> Rendered:
    """The words of a draft, taken as they are."""
    body = (draft.body or "").strip()
    longest = wording.LONGEST[Channel(draft.channel)]
    if not body or len(body) > longest:
        raise BadArgument(f"A message by {draft.channel} has 1 to {longest} characters.")
    if draft.channel == "email" and not (draft.subject or "").strip():
        raise BadArgument("An email needs a subject.")
    return Rendered(body=body, subject=draft.subject, html=draft.html)


def _intent(
    draft: models.Drafted,
    rendered: Rendered,
    *,
    key: str,
    asked_by: str,
    shadow: bool = False,
    data: dict[str, Any] | None = None,
) -> Intent:
    return Intent(
        key=key,
        channel=Channel(draft.channel),
        purpose=Purpose(draft.purpose),
        recipient=draft.recipient,
        body=rendered.body,
        subject=rendered.subject,
        html=rendered.html,
        customer_id=draft.customer_id,
        location_id=draft.location_id,
        template=draft.template,
        asked_by=asked_by,
        shadow=shadow,
        data=data or {},
    )


# What waits for a person -------------------------------------------------------------------------


@router.post(
    "/messages/{message_id}/release", summary="Let a held message go on.", response_model=models.WholeMessage,
    **scoped(Scope.SEND, 404, 409),
)  # fmt: skip
async def release(request: Request, message_id: RowId) -> Response:
    """It is decided again at once, or by its workflow; consent, opt-outs and hours still count."""
    gateway = gateway_of(request)
    await _act(gateway, message_id, caller_of(request), release=True)
    async with gateway.pool.connection() as connection:
        found = await log.by_id(connection, gateway.tenant_id, message_id)
    if found is not None and found.instance_id is None:
        await gate.send(gateway.desk, gate.intent_of(found))
    return await _shown(gateway, message_id)


@router.post(
    "/messages/{message_id}/cancel", summary="Give up a message that waits.",
    response_model=models.WholeMessage, **scoped(Scope.SEND, 404, 409),
)  # fmt: skip
async def cancel(request: Request, message_id: RowId) -> Response:
    """For good."""
    gateway = gateway_of(request)
    await _act(gateway, message_id, caller_of(request), release=False)
    return await _shown(gateway, message_id)


async def _act(gateway: Gateway, message_id: int, by: str, *, release: bool) -> None:
    async def work(connection: Connection) -> None:
        found = await log.by_id(connection, gateway.tenant_id, message_id)
        if found is None:
            raise NothingKnown(f"There is no message {message_id}.")
        act = waiting.release if release else waiting.cancel
        done = await act(connection, gateway.tenant_id, by=by, now=gateway.clock.now(), message_id=message_id)
        if not done:
            waits = "held" if release else "waiting"
            raise BadArgument(f"The message {message_id} is not {waits}: it is {found.status}.")

    await run_in_transaction(gateway.pool, work, clock=gateway.clock)


@router.get(
    "/message-holds", summary="What was stopped until a person decides.", response_model=models.Holds,
    **scoped(Scope.READ),
)  # fmt: skip
async def message_holds(
    request: Request,
    open: Annotated[bool | None, Query(description="`true`: only those that wait.")] = None,  # noqa: A002
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """The newest first."""
    conditions = () if open is None else (f"decided_at is {'null' if open else 'not null'}",)
    return await page(request, "holds", Wanted(conditions=conditions, after=after, limit=limit))


@router.post(
    "/message-holds", summary="Stop a workflow, a caller or a channel.", response_model=models.Noted,
    status_code=201, **scoped(Scope.SEND),
)  # fmt: skip
async def hold(request: Request, asked: models.HoldAsked) -> Response:
    """Its messages wait until somebody releases them; `id` is null if it is stopped already."""
    gateway = gateway_of(request)
    if asked.kind == "channel" and asked.name not in [str(each) for each in Channel]:
        raise BadArgument(f"There is no channel {asked.name!r}: sms or email.")

    async def work(connection: Connection) -> int | None:
        return await holds.open_hold(
            connection,
            gateway.tenant_id,
            kind=asked.kind,
            name=asked.name,
            reason="person",
            sentence=f"{asked.because} ({caller_of(request)})",
            now=gateway.clock.now(),
        )

    noted = await run_in_transaction(gateway.pool, work, clock=gateway.clock)
    return answers.json({"id": noted}, answers.live(gateway), status=201)


@router.post(
    "/message-holds/{hold_id}/release", summary="Let a workflow or a channel go on.",
    response_model=models.Released, **scoped(Scope.SEND, 404),
)  # fmt: skip
async def release_hold(request: Request, hold_id: RowId, asked: models.Release | None = None) -> Response:
    """Its messages are decided again; `allow` says after how many more a workflow is held again."""
    gateway = gateway_of(request)
    allowed = BIGGEST
    if asked is not None and asked.allow is not None:
        allowed = await _sent(gateway, hold_id) + asked.allow
    return await _decide(request, hold_id, "release", allowed)


@router.post(
    "/message-holds/{hold_id}/cancel", summary="Give up what a hold stops.",
    response_model=models.Released, **scoped(Scope.SEND, 404),
)  # fmt: skip
async def cancel_hold(request: Request, hold_id: RowId) -> Response:
    """The messages that it held are given up for good."""
    return await _decide(request, hold_id, "cancel", None)


async def _decide(request: Request, hold_id: int, decision: str, allowed: int | None) -> Response:
    gateway = gateway_of(request)

    async def work(connection: Connection) -> list[int] | None:
        return await holds.decide(
            connection,
            gateway.tenant_id,
            hold_id,
            decision=decision,
            by=caller_of(request),
            now=gateway.clock.now(),
            allowed=allowed,
        )

    done = await run_in_transaction(gateway.pool, work, clock=gateway.clock)
    if done is None:
        raise NothingKnown(f"No hold {hold_id} waits for a person.")
    return answers.json({"messages": done}, answers.live(gateway))


async def _sent(gateway: Gateway, hold_id: int) -> int:
    """How many messages the workflow of a hold has sent in the window."""
    rules = await gate.rules_of(gateway.desk)
    async with gateway.pool.connection() as connection:
        return await holds.sent(
            connection, gateway.tenant_id, hold_id, since=gateway.clock.now() - rules.blast_window
        )
