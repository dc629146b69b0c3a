"""What steps leave behind has one shape, whether they are done, supposed in shadow mode, or rehearsed."""

from itertools import count
from typing import Any

from floor import Floor, open_floor, with_roles
from test_instances import Chat, Writer, completed, texts

from messaging.counter import open_counter
from perfectcatch.model.workflow import Definition, Mode
from perfectcatch.store.jobs.queue import open_jobs
from perfectcatch.store.pool import open_pool
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows.definitions import parse
from perfectcatch.workflows.rehearsal import history
from perfectcatch.workflows.rehearsal.play import Player
from perfectcatch.workflows.rehearsal.report import Report
from perfectcatch.workflows.running import persons

OTHERS = count(9400)
EVERY = """
name: every
does: Has one step of every kind, and reads behind each what it left.
class: service
needs: [chat, crm, http]
trigger: {on: [job_completed]}
stop_rules: [gone]
settings: {review_link: "https://reviews.example/a/very/long/address/of/a/page"}
templates:
  hello: {channel: sms, body: "Thank you. {{ settings.review_link }}"}
steps:
  - {id: hello, kind: sms, template: hello, tracks: review_link}
  - {id: look, kind: task, title: Look}
  - {id: told, kind: chat, channel: office, text: Hello}
  - {id: moved, kind: crm, action: move, values: {}}
  - {id: noted, kind: write, operation: jpm.jobs.notes.create, path: {id: "= job.id"}, body: {text: Hi}}
  - {id: called, kind: http, method: GET, url: "https://api.example/"}
  - {id: asked, kind: approval, question: "May we?"}
  - id: thought
    kind: ai
    question: Shall we?
    schema: {type: object, required: [go], properties: {go: {type: string, enum: ["yes", "no"]}}}
    decides: go
    otherwise: {go: "yes"}
  - {id: other, kind: workflow, workflow: other}
  - id: reads
    kind: branch
    choices:
      - when: >-
          has(results.hello.message_id) && has(results.look.task_id) && results.called.status == 200
          && size(results.called.body) == 0 && results.asked.answer == 'approved'
          && results.thought.go == 'yes' && has(results.other.instance_id)
          && size(results.told) == 0 && size(results.moved) == 0 && size(results.noted) == 0
        go: end
  - {id: differs, kind: task, title: "It reads otherwise: {{ results }}"}
"""
OTHER = """
name: other
does: Nothing.
class: service
trigger: {webhook: other}
stop_rules: [gone]
steps:
  - {id: only, kind: stop}
"""


class Roles:
    """A CRM and an HTTP caller that say nothing."""

    async def act(self, action: str, values: Any, *, key: str) -> dict[str, Any]:
        return {}

    async def call(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        return {"status": 200, "body": {}}


class Written(Writer):
    """Carries a change out and says nothing."""

    async def write(self, operation: str, path: Any, body: Any) -> dict[str, Any]:
        self.written.append(operation)
        return {}


async def played(floor: Floor, mode: Mode) -> dict[str, Any]:
    """The results of an instance that went through every step; a person agrees where one is asked."""
    await floor.enable(OTHER, mode)
    await floor.enable(EVERY, mode)
    with_roles(floor, chat=Chat(), crm=Roles(), caller=Roles(), writer=Written())
    await completed(floor)
    for (approval,) in await floor.counter.rows(
        "select id from automation.approvals where tenant_id = %s", floor.tenant
    ):
        await persons.answer(floor.workshop, approval, "approved", by="Kim")
        await floor.run()
    [(reason, results)] = await floor.counter.rows(
        "select reason, results from automation.workflow_instances"
        " where tenant_id = %s and workflow = 'every'",
        floor.tenant,
    )
    assert reason == "finished", results
    found: dict[str, Any] = results
    assert "differs" not in found, found
    return found


async def rehearsed(floor: Floor, public_url: str = "") -> tuple[Report, dict[str, Any]]:
    definitions: list[Definition] = [parse(EVERY), parse(OTHER)]
    now = floor.counter.clock.now()
    read = await history.load(
        floor.workshop.pool, floor.tenant, BY_NAME, definitions, since=now.replace(day=1), until=now
    )
    player = Player(read, definitions, company=floor.workshop.company, public_url=public_url)
    report = player.run()
    [instance] = [each for each in player._instances if each.definition.name == "every"]
    return report, instance.results


def shape(results: dict[str, Any]) -> dict[str, Any]:
    """What conditions can see of results: every value but ids, which are somebody's or nobody's."""
    return {
        step: {name: None if name.endswith("_id") else each for name, each in value.items()}
        for step, value in results.items()
    }


async def test_live_shadow_and_dry_run_leave_the_same(floor: Floor, workflows_database: str) -> None:
    live = await played(floor, Mode.LIVE)
    assert len(texts(floor)) == 1
    assert set(live) == {
        "hello", "look", "told", "moved", "noted", "called", "asked", "thought", "other",
    }  # fmt: skip
    async with (
        open_pool(workflows_database, max_size=6) as pool,
        open_jobs(workflows_database) as jobs,
    ):
        other = open_floor(open_counter(pool, tenant=next(OTHERS)), jobs)
        shadow = await played(other, Mode.SHADOW)
        assert other.counter.carrier.texts == []
    floor.counter.clock.advance(3600)
    _, dry = await rehearsed(floor)
    assert shape(live) == shape(shadow) == shape(dry)


async def test_a_dry_run_counts_a_message_with_its_short_link(floor: Floor) -> None:
    await played(floor, Mode.LIVE)
    floor.counter.clock.advance(3600)
    sent = texts(floor)[0]
    for public_url, length in (("https://office.example", len(sent)), ("", None)):
        report, _ = await rehearsed(floor, public_url)
        [message] = [each for each in report.of("every") if each.is_message]
        assert message.text is not None
        if length is None:
            assert message.text.endswith("https://reviews.example/a/very/long/address/of/a/page")
        else:
            assert message.text.startswith("Thank you. https://office.example/r/0")
            assert abs(len(message.text) - length) <= 6, "but for the digits of its number"
