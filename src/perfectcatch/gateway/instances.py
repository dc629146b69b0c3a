"""Workflows that run: instances, questions, tasks, dead letters, switches, and why somebody got a message."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from perfectcatch.errors import NothingKnown
from perfectcatch.gateway import answers
from perfectcatch.gateway import workflow_models as models
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.messages import After, Limit, RowId, Sort, Text, caller_of
from perfectcatch.model.workflow import Mode
from perfectcatch.store.messages import lists
from perfectcatch.store.messages.lists import Wanted
from perfectcatch.store.pool import transaction
from perfectcatch.store.reading.fields import BIGGEST
from perfectcatch.store.workflows import instances, steps, thoughts
from perfectcatch.store.workflows.explaining import explained
from perfectcatch.store.workflows.instances import Instance
from perfectcatch.store.workflows.lists import TABLES
from perfectcatch.workflows.running import persons, replaying
from perfectcatch.workflows.running.workshop import Workshop

router = APIRouter(prefix="/api", tags=["workflows"])

Name = Annotated[str, Path(min_length=1, max_length=63)]
CustomerId = Annotated[int, Path(ge=-BIGGEST, le=BIGGEST)]


async def _page(request: Request, table: str, wanted: Wanted) -> Response:
    gateway = gateway_of(request)
    age = answers.live(gateway)
    body = await lists.listed(gateway.reads, gateway.tenant_id, table, wanted, age.as_of, tables=TABLES)
    return answers.answer(body, age)


# Instances ---------------------------------------------------------------------------------------


@router.get(
    "/instances", summary="Who goes through which workflow.", response_model=models.Instances,
    **scoped(Scope.READ),
)  # fmt: skip
async def list_instances(
    request: Request,
    workflow: Text = None,
    customer_id: Annotated[int | None, Query(ge=-BIGGEST, le=BIGGEST)] = None,
    status: Text = None,
    sort: Sort = "-id",
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Instances with where they stand and what comes next."""
    equal = {"workflow": workflow, "customer_id": customer_id, "status": status}
    return await _page(
        request, "instances", Wanted(equal=equal, newest_first=sort == "-id", after=after, limit=limit)
    )


@router.get(
    "/instances/{instance_id}", summary="One instance with its steps.",
    response_model=models.WholeInstance, **scoped(Scope.READ, 404),
)  # fmt: skip
async def show_instance(request: Request, instance_id: RowId) -> Response:
    """Every step that it came to, with the outcome and the reason."""
    return await _whole(request, instance_id)


async def _whole(request: Request, instance_id: int) -> Response:
    gateway = gateway_of(request)
    instance = await instances.find(gateway.pool, gateway.tenant_id, instance_id)
    if instance is None:
        raise NothingKnown(f"There is no instance {instance_id}.")
    gone = await steps.of_instance(gateway.pool, gateway.tenant_id, instance_id)
    told = {
        "instance": _shown(instance),
        "steps": [{name: getattr(each, name) for name in models.Step.model_fields} for each in gone],
    }
    return answers.json(told, answers.live(gateway))


def _shown(instance: Instance) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in Instance.__slots__}


_Change = Callable[..., Awaitable[Instance]]


def _changing(name: str, summary: str, change: _Change) -> None:
    """A route that changes an instance."""

    @router.post(
        f"/instances/{{instance_id}}/{name}", summary=summary, response_model=models.WholeInstance,
        name=f"{name}_instance", operation_id=f"{name.replace('-', '_')}_instance",
        **scoped(Scope.WORKFLOW, 404),
    )  # fmt: skip
    async def act(request: Request, instance_id: RowId) -> Response:
        await change(_workshop(request), instance_id, by=caller_of(request))
        return await _whole(request, instance_id)


def _workshop(request: Request) -> Workshop:
    return gateway_of(request).workshop


_changing("pause", "Let nothing happen until somebody resumes it.", persons.pause)
_changing("resume", "Let a paused instance go on.", persons.resume)
_changing("cancel", "End an instance.", persons.cancel)
_changing("take-over", "A person deals with the customer: end it.", persons.take_over)


# Workflows ---------------------------------------------------------------------------------------


def _switching(word: str, mode: Mode, summary: str) -> None:
    """A route that switches a workflow."""

    @router.post(
        f"/workflows/{{name}}/{word}", summary=summary, response_model=models.Switched,
        name=f"{word}_workflow", operation_id=f"{word}_workflow", **scoped(Scope.WORKFLOW, 404),
    )  # fmt: skip
    async def act(request: Request, name: Name) -> Response:
        await persons.switch(_workshop(request), name, mode, by=caller_of(request))
        return answers.json({"name": name, "mode": mode.value}, answers.live(gateway_of(request)))


_switching("enable", Mode.LIVE, "Let a workflow start instances that act.")
_switching("shadow", Mode.SHADOW, "Let a workflow decide everything and do nothing.")
_switching("disable", Mode.DISABLED, "Let a workflow start nothing; what is under way goes on.")


@router.delete(
    "/workflows/{name}", summary="Remove a workflow; its instances are cancelled.",
    response_model=models.Deleted, **scoped(Scope.WORKFLOW, 404),
)  # fmt: skip
async def delete_workflow(request: Request, name: Name) -> Response:
    """Its versions stay for what they did."""
    cancelled = await persons.delete(_workshop(request), name, by=caller_of(request))
    return answers.json({"name": name, "cancelled": cancelled}, answers.live(gateway_of(request)))


# What waits for people ---------------------------------------------------------------------------


@router.get(
    "/dead-letters", summary="What could not be dealt with.", response_model=models.DeadLetters,
    **scoped(Scope.READ),
)  # fmt: skip
async def dead_letters(
    request: Request, *, resolved: bool = False, after: After = None, limit: Limit = 100
) -> Response:
    """Events and instances that wait until somebody has them tried again."""
    condition = "resolved_at is not null" if resolved else "resolved_at is null"
    return await _page(request, "dead_letters", Wanted(conditions=[condition], after=after, limit=limit))


@router.post(
    "/dead-letters/{letter_id}/redrive", summary="Try a dead letter again.", response_model=models.Done,
    **scoped(Scope.WORKFLOW, 404),
)  # fmt: skip
async def redrive(request: Request, letter_id: RowId) -> Response:
    """Its attempts count anew."""
    await persons.redrive(_workshop(request), letter_id, by=caller_of(request))
    told = {"id": letter_id, "sentence": "It is being tried again."}
    return answers.json(told, answers.live(gateway_of(request)))


@router.get(
    "/approvals", summary="Questions of workflows to people.", response_model=models.Approvals,
    **scoped(Scope.READ),
)  # fmt: skip
async def list_approvals(
    request: Request, *, answered: bool = False, after: After = None, limit: Limit = 100
) -> Response:
    """Those that wait for an answer, or those that have one."""
    condition = "answered_at is not null" if answered else "answered_at is null"
    return await _page(request, "approvals", Wanted(conditions=[condition], after=after, limit=limit))


@router.post(
    "/approvals/{approval_id}", summary="Answer a question of a workflow.", response_model=models.Done,
    **scoped(Scope.WORKFLOW, 404),
)  # fmt: skip
async def answer_approval(request: Request, approval_id: RowId, answer: models.Answer) -> Response:
    """The first answer counts."""
    instance_id = await persons.answer(_workshop(request), approval_id, answer.answer, by=caller_of(request))
    told = {"id": approval_id, "sentence": f"Instance {instance_id} goes on."}
    return answers.json(told, answers.live(gateway_of(request)))


@router.get(
    "/tasks", summary="What people have to do.", response_model=models.Tasks, **scoped(Scope.READ),
)  # fmt: skip
async def list_tasks(
    request: Request,
    status: Literal["open", "done"] = "open",
    role: Text = None,
    customer_id: Annotated[int | None, Query(ge=-BIGGEST, le=BIGGEST)] = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Tasks that workflows have made."""
    equal = {"status": status, "role": role, "customer_id": customer_id}
    return await _page(request, "tasks", Wanted(equal=equal, after=after, limit=limit))


@router.post(
    "/tasks/{task_id}/done", summary="A task is done.", response_model=models.Done,
    **scoped(Scope.WORKFLOW, 404),
)  # fmt: skip
async def task_done(request: Request, task_id: RowId) -> Response:
    """It stays listed among those that are done."""
    gateway = gateway_of(request)
    async with transaction(gateway.pool) as connection:
        closed = await steps.task_done(
            connection, gateway.tenant_id, task_id, by=caller_of(request), now=gateway.clock.now()
        )
        if not closed:
            raise NothingKnown(f"There is no open task {task_id}.")
    return answers.json({"id": task_id, "sentence": "It is done."}, answers.live(gateway))


@router.get(
    "/ai-calls", summary="What models were asked, what they said, and what it cost.",
    response_model=models.AiCalls, **scoped(Scope.READ),
)  # fmt: skip
async def list_ai_calls(
    request: Request,
    status: Literal["asking", "answered", "refused", "failed", "spent"] | None = None,
    workflow: Text = None,
    instance_id: Annotated[int | None, Query(ge=1, le=BIGGEST)] = None,
    sort: Sort = "-id",
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Every question of a workflow, asked or not."""
    equal = {"status": status, "workflow": workflow, "workflow_instance_id": instance_id}
    return await _page(
        request, "ai_calls", Wanted(equal=equal, newest_first=sort == "-id", after=after, limit=limit)
    )


@router.post(
    "/ai-calls/{call_id}/replay", summary="Decide again by a recorded answer.",
    response_model=models.Replayed, **scoped(Scope.READ, 404),
)  # fmt: skip
async def replay_ai_call(request: Request, call_id: RowId) -> Response:
    """Nobody is asked and nothing is done."""
    gateway = gateway_of(request)
    call = await thoughts.one(gateway.pool, gateway.tenant_id, call_id)
    if call is None:
        raise NothingKnown(f"There is no question {call_id}.")
    [replayed] = await replaying.replay(gateway.pool, gateway.tenant_id, [call])
    return answers.json(asdict(replayed), answers.live(gateway))


@router.get(
    "/customers/{st_id}/explain", summary="Why a customer got a message or did not.",
    response_model=models.Explanation, **scoped(Scope.READ),
)  # fmt: skip
async def explain(request: Request, st_id: CustomerId) -> Response:
    """Every start, step and message with its reason, and what comes next; the newest first."""
    gateway = gateway_of(request)
    lines = await explained(gateway.pool, gateway.tenant_id, st_id)
    told = {"customer_id": st_id, "lines": [line.as_row() for line in lines]}
    return answers.json(told, answers.live(gateway))
