"""Steps that ask a model: its answer decides; without one, and with whatever else it says, the rules do."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from floor import Floor, with_roles
from test_instances import completed

from perfectcatch.errors import CredentialsRejected, RateLimited, VendorUnavailable
from perfectcatch.kit.asking import NotAsked
from perfectcatch.kit.http import Http, NotSent
from perfectcatch.kit.thought import Thought
from perfectcatch.sandbox.anthropic import server as vendor
from perfectcatch.sandbox.made_up_model import Fault
from perfectcatch.store.workflows import thoughts
from perfectcatch.vendors.anthropic.client import Anthropic
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows.definitions import parse
from perfectcatch.workflows.lint import lint
from perfectcatch.workflows.running import asking, replaying
from perfectcatch.workflows.thinking import InTurn, Limits

LOOK = """
name: look
does: Asks whether somebody should call.
class: service
trigger: {on: [job_completed]}
stop_rules: [gone]
templates: {}
steps:
  - id: look
    kind: ai
    question: Should somebody call today?
    shows: [event, job]
    schema:
      type: object
      required: [call]
      properties:
        call: {type: string, enum: ["yes", "no"]}
        why: {type: string, maxLength: 100}
    decides: call
    otherwise: {call: "yes", why: Rules say so.}
    outcomes: {"no": end}
  - {id: task, kind: task, title: Call the customer, role: office}
"""


async def look(floor: Floor, **roles: Any) -> list[Any]:
    """What the step came to."""
    await floor.enable(LOOK)
    await floor.begin()
    with_roles(floor, **roles)
    await completed(floor)
    await floor.run()
    return await floor.steps("step, outcome, sentence")


async def test_without_a_model_rules_decide(floor: Floor) -> None:
    steps = await look(floor)
    assert steps[0] == ("look", "yes", "By rules alone: no AI model is connected.")
    assert steps[1][0] == "task"


async def asked(floor: Floor, fault: str | None, key: str = vendor.KEY) -> tuple[list[Any], list[Any]]:
    app = vendor.make_app()
    model = app[vendor.MODEL]
    if fault is not None:
        model.faults.append(Fault(fault))
    async with TestServer(app) as server, Http() as http:
        thinker = Anthropic(
            http=http,
            key=key,
            model="claude-sonnet-5-5",
            base_url=str(server.make_url("")),
            clock=floor.workshop.clock,
        )
        return await look(floor, models=InTurn([thinker], floor.workshop.clock)), model.asked


async def test_the_answer_of_a_model_decides(floor: Floor) -> None:
    steps, questions = await asked(floor, None)
    assert steps == [("look", "no", "An AI model answered.")]
    assert "Should somebody call today?" in json.dumps(questions[0])


@pytest.mark.parametrize("fault", ["refusal", "cut", "broken", "nonsense", "huge", "drop", "400", "529"])
async def test_whatever_else_a_model_says_rules_decide(floor: Floor, fault: str) -> None:
    steps, _ = await asked(floor, fault)
    assert steps[0][:2] == ("look", "yes")
    assert steps[0][2].startswith("By rules alone: ")
    assert steps[1][0] == "task", "nobody waits for the model"


async def test_a_refused_key_stops_nothing(floor: Floor) -> None:
    steps, questions = await asked(floor, None, key="sk-wrong")
    assert steps[0][:2] == ("look", "yes")
    assert "ANTHROPIC_API_KEY" in steps[0][2]
    assert questions == []


class Scripted:
    """A model that says what it is told to, or raises it."""

    def __init__(self, *said: Any, price: str = "0.01") -> None:
        self.said = list(said)
        self.price = Decimal(price)
        self.asked: list[str] = []

    async def think(self, question: str, *, schema: Any, data: Any, tokens: int) -> Thought:
        self.asked.append(question)
        said = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(said, Exception):
            raise said
        return Thought(
            who="Scripted", model="s-1", words=said, input_tokens=10, output_tokens=5, cost=self.price
        )

    def most(self, characters: int, tokens: int) -> Decimal:
        return self.price


NO = json.dumps({"call": "no", "why": "They are well."})


async def recorded(floor: Floor, columns: str) -> list[Any]:
    return await floor.counter.rows(
        f"select {columns} from automation.ai_calls where tenant_id = %s order by id", floor.tenant
    )


async def test_a_question_is_recorded_with_its_cost_and_decided_again_without_a_call(floor: Floor) -> None:
    model = Scripted(NO)
    await look(floor, models=InTurn([model], floor.workshop.clock))
    told = "status, question, provider, model, words, outcome, leads_to, input_tokens, output_tokens, cost"
    assert await recorded(floor, told) == [
        (
            "answered",
            "Should somebody call today?",
            "Scripted",
            "s-1",
            NO,
            "no",
            "end",
            10,
            5,
            Decimal("0.01"),
        )
    ]
    [(data, schema)] = await recorded(floor, "data, schema")
    assert set(data) == {"event", "job"}
    assert schema["required"] == ["call"]
    pool, tenant = floor.workshop.pool, floor.tenant
    calls = await thoughts.since(pool, tenant, floor.counter.clock.now() - timedelta(days=1))
    [replayed] = await replaying.replay(pool, tenant, calls)
    assert (replayed.same, replayed.outcome, replayed.leads_to) == (True, "no", "end")
    [changed] = await replaying.replay(pool, tenant, [replace(calls[0], words='{"call": "yes"}')])
    assert (changed.same, changed.outcome, changed.leads_to) == (False, "yes", "task")
    assert len(model.asked) == 1


async def test_a_process_that_died_after_the_answer_does_not_ask_again(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Scripted(NO)
    said = asking.thoughts.decided

    async def dies(*args: Any, **more: Any) -> None:
        monkeypatch.setattr(asking.thoughts, "decided", said)
        raise KeyboardInterrupt

    monkeypatch.setattr(asking.thoughts, "decided", dies)
    with pytest.raises(KeyboardInterrupt):
        await look(floor, models=InTurn([model], floor.workshop.clock))
    await floor.later(minutes=11)
    assert (await floor.steps())[0] == ("look", "no")
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(dollars=Decimal("0.02"), calls=500), "AI_DAILY_BUDGET"),
        (Limits(dollars=Decimal(5), calls=2), "AI_DAILY_CALLS"),
    ],
)
async def test_a_budget_that_is_spent_is_said_in_one_sentence_until_the_next_day(
    floor: Floor, limits: Limits, says: str
) -> None:
    model = Scripted(NO)
    await floor.enable(LOOK)
    await floor.begin()
    with_roles(floor, models=InTurn([model], floor.workshop.clock), ai_limits=limits)
    for st_id in (70, 71, 72):
        await completed(floor, st_id)
    steps = [each for each in await floor.steps("step, outcome, sentence") if each[0] == "look"]
    assert [each[1] for each in steps] == ["no", "no", "yes"]
    assert steps[2][2].startswith("By rules alone: ")
    assert says in steps[2][2]
    assert [each for (each,) in await recorded(floor, "status")] == ["answered", "answered", "spent"]
    floor.counter.clock.advance(24 * 3600)
    await completed(floor, 73)
    assert len(model.asked) == 3


async def test_each_request_that_may_be_billed_counts(floor: Floor) -> None:
    """A cut connection twice, then an answer: three questions, two with the most that they can cost."""
    cut = VendorUnavailable("It broke off.")
    model = Scripted(cut, cut, NO)
    steps = await look(floor, models=InTurn([model], floor.workshop.clock))
    assert steps == [("look", "no", "An AI model answered.")]
    assert await recorded(floor, "status, cost") == [
        ("failed", Decimal("0.01")),
        ("failed", Decimal("0.01")),
        ("answered", Decimal("0.01")),
    ]
    floor.counter.clock.advance(61)
    with_roles(floor, ai_limits=Limits(dollars=Decimal("0.05"), calls=500))
    model.said = [cut]
    await completed(floor, 71)
    assert len(model.asked) == 5, "the third try of this one is above the budget"
    assert (await recorded(floor, "status"))[-1] == ("spent",)


async def test_what_was_not_sent_or_was_turned_away_counts_nowhere(floor: Floor) -> None:
    model = Scripted(NotSent("Nobody is there."), RateLimited("Too often."), NotAsked("Too long."))
    limits = Limits(dollars=Decimal("0.01"), calls=1)
    steps = await look(floor, models=InTurn([model], floor.workshop.clock), ai_limits=limits)
    assert steps[0] == ("look", "yes", "By rules alone: Too long.")
    assert await recorded(floor, "status, cost") == [("failed", Decimal(0))] * 3
    model.said = [NO]
    await completed(floor, 71)
    assert (await recorded(floor, "status, cost"))[-1] == ("answered", Decimal("0.01"))


async def test_the_budget_holds_however_many_ask_at_once(floor: Floor) -> None:
    pool, now = floor.workshop.pool, floor.counter.clock.now()
    asked = thoughts.Asked(
        workflow="w", definition_id=1, instance_id=1, step="s", occurrence=1, question="?", data={},
        schema={}, most=Decimal("0.30"),
    )  # fmt: skip

    async def one() -> str | None:
        _, over = await thoughts.reserve(
            pool, floor.tenant, asked, since=now, now=now, dollars=Decimal(1), calls=100
        )
        return over

    found = await asyncio.gather(*(one() for _ in range(20)))
    assert found.count(None) == 3


@pytest.mark.parametrize(
    "trouble",
    [VendorUnavailable("Anthropic is overloaded."), CredentialsRejected("Anthropic refuses our key.")],
)
async def test_the_second_model_answers_where_the_first_cannot_be_asked(
    floor: Floor, trouble: Exception
) -> None:
    clock = floor.workshop.clock
    first, second = Scripted(trouble), Scripted(NO)
    turn = InTurn([first, second], clock)
    steps = await look(floor, models=turn)
    assert steps == [("look", "no", "An AI model answered.")]
    tries = 1 if isinstance(trouble, CredentialsRejected) else 3
    await completed(floor, 71)
    assert (len(first.asked), len(second.asked)) == (tries, 2)  # for a minute the first is left alone
    floor.counter.clock.advance(61)
    first.said = [NO]
    await completed(floor, 72)
    assert (len(first.asked), len(second.asked)) == (tries + 1, 2)
    first.said = second.said = [trouble]
    await completed(floor, 73)
    cost = Decimal(0) if isinstance(trouble, CredentialsRejected) else Decimal("0.01")
    assert (await recorded(floor, "status, cost"))[-2 * tries :] == [("failed", cost)] * (2 * tries)


async def test_what_is_no_answer_goes_to_nobody_else(floor: Floor) -> None:
    first, second = Scripted("Sure!"), Scripted(NO)
    steps = await look(floor, models=InTurn([first, second], floor.workshop.clock))
    assert steps[0][:2] == ("look", "yes")
    assert second.asked == []
    assert await recorded(floor, "status, words, outcome, leads_to") == [("refused", "Sure!", "yes", "task")]
    pool = floor.workshop.pool
    calls = await thoughts.since(pool, floor.tenant, floor.counter.clock.now() - timedelta(days=1))
    assert [each.same for each in await replaying.replay(pool, floor.tenant, calls)] == [True]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("why: {type: string, maxLength: 100}", "why: {type: string}"), "give maxLength"),
        (("why: {type: string, maxLength: 100}", "why: {type: integer, minimum: 1}"), "minimum and maximum"),
        (("why: {type: string, maxLength: 100}", "why: {type: array, maxItems: 2}"), "items and maxItems"),
        (("why: {type: string, maxLength: 100}", "why: {type: object}"), "give properties"),
        (("why: {type: string, maxLength: 100}", "why: {type: text}"), "no type that is understood"),
        (('enum: ["yes", "no"]', "maxLength: 3"), "list its words with enum"),
        (("required: [call]", "required: [why]"), "has to be required"),
        (('{"no": end}', '{"never": end}'), "The answer is never 'never'"),
        (('{call: "yes", why: Rules say so.}', '{call: "perhaps"}'), "enum"),
        (("kind: task, title: Call the customer, role: office",
          "kind: http, method: GET, url: 'https://{{ results.look.why }}/'"), "which address is called"),
    ],
)  # fmt: skip
def test_what_a_model_may_decide_is_bounded(change: tuple[str, str], says: str) -> None:
    assert [each for each in lint(parse(LOOK), BY_NAME) if each.level == "error"] == []
    text = LOOK.replace(*change)
    assert text != LOOK
    found = [each.sentence for each in lint(parse(text), BY_NAME) if each.level == "error"]
    assert any(says in each for each in found), found
