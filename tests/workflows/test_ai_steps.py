"""Steps that ask a model: its answer decides; without one, and with whatever else it says, the rules do."""

import json
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from floor import Floor, with_roles
from test_instances import completed

from perfectcatch.kit.http import Http
from perfectcatch.sandbox.anthropic import server as vendor
from perfectcatch.sandbox.made_up_model import Fault
from perfectcatch.vendors.anthropic.client import Anthropic

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
        return await look(floor, thinker=thinker), model.asked


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
