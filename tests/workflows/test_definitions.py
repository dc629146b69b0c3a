"""Files become definitions, strictly; what is wrong is said with its place; the linter's findings."""

from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from shop import Shop

from perfectcatch.deals.acting import ACTIONS
from perfectcatch.errors import BadWorkflow
from perfectcatch.model.roles import CRM_ACTIONS
from perfectcatch.model.workflow import Message, Mode, Wait
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import definitions as kept
from perfectcatch.vendors.servicetitan.endpoints import find
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows import definitions, shelf
from perfectcatch.workflows.definitions import parse, read, version_of, written
from perfectcatch.workflows.lint import lint
from perfectcatch.workflows.lint_steps import REASONS
from perfectcatch.workflows.running.shipping import ship

NUDGE = """
name: quote-nudge
does: Asks once.
class: marketing
trigger:
  on: [estimate_created]
  where: estimate != null && double(estimate.value) >= double(settings.least)
key: estimate.opportunity
again_after: 60d
stop_rules: [sold, reply, opt_out, gone]
settings: {least: 300}
steps:
  - {id: two-days, kind: wait, for: 1d12h, at: 10:00}
  - {id: ask, kind: sms, template: ask}
templates:
  ask: {body: "Hi {{ contact.first_name }}, any question? {{ company.name }}. Reply STOP to end."}
"""


def changed(**values: Any) -> dict[str, Any]:
    document: dict[str, Any] = dict(parse(NUDGE).document)
    return {**document, **values}


def test_a_file_is_read() -> None:
    definition = parse(NUDGE)
    wait, ask = definition.steps
    assert isinstance(wait, Wait)
    assert (wait.span, wait.at) == (timedelta(days=1, hours=12), time(10))
    assert isinstance(ask, Message)
    assert definition.trigger.events == ("estimate_created",)
    assert [rule.name for rule in definition.stop_rules] == ["sold", "reply", "opt_out", "gone"]


@pytest.mark.parametrize("name", sorted(definitions.shipped()))
def test_a_recipe_that_is_written_is_read_again(name: str) -> None:
    definition = definitions.shipped()[name]
    assert parse(written(definition)) == definition


def test_the_version_is_of_what_has_a_meaning() -> None:
    one = parse(NUDGE)
    assert version_of(changed(does="Other words.")) == one.version
    assert version_of(changed(priority=51)) != one.version
    assert version_of(dict(reversed(changed().items()))) == one.version


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"class": "spam"}, "'spam' is none of"),
        ({"name": "Quote Nudge"}, "lower-case"),
        ({"trigger": {"on": ["a"], "clock": "* * * * *"}}, "exactly one of"),
        ({"trigger": {"on": ["a"], "each": "jobs"}}, "each goes with clock"),
        ({"again_after": "soon"}, "no duration"),
        ({"stop_rules": ["boredom"]}, "'boredom' is none of"),
        ({"steps": []}, "1 to 100 steps"),
        ({"steps": [{"id": "a", "kind": "dance"}]}, "none of the kinds"),
        ({"steps": [{"id": "a", "kind": "sms"}]}, "template missing"),
        ({"steps": [{"id": "a", "kind": "task", "title": "t", "for": "1h"}]}, "no field 'for'"),
        ({"steps": [{"id": "a", "kind": "wait", "at": "25:00"}]}, "no time of day"),
        ({"templates": {"ask": {"channel": "email", "body": "b"}}}, "an email needs a subject"),
        ({"priority": 101}, "from 0 to 100"),
        ({"max_concurrent_per_customer": 0}, "max_concurrent_per_customer: 0 is no whole number"),
        ({"trigger": None}, "trigger is missing"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadWorkflow, match=words):
        read(changed(**change))


@pytest.mark.parametrize(
    "text",
    [
        *("[", "a: &a [*a]", NUDGE + "\nclass: service\n", NUDGE + "\n  ask: {body: Reply STOP to end.}\n"),
        *("- 1", "x" * 200_001, "!!python/object/apply:os.system [ls]"),
    ],
)
def test_what_is_no_file(text: str) -> None:
    with pytest.raises(BadWorkflow):
        parse(text)


WAIT = {"id": "w", "kind": "wait", "for": "1h"}
ASK = {"id": "ask", "kind": "sms", "template": "ask"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": [{**ASK, "next": "nowhere"}]}, "leads to nowhere"),
        ({"steps": [{**ASK, "template": "none"}]}, "no template none"),
        ({"steps": [{**ASK, "next": "end"}, {**WAIT}]}, "Nothing leads to it"),
        ({"steps": [WAIT, {**ASK, "next": "w"}]}, "goes round for ever"),
        ({"steps": [{"id": "r", "kind": "workflow", "workflow": "quote-nudge"}, ASK]}, "start each other"),
        ({"stop_rules": []}, "nothing stops it"),
        ({"stop_rules": ["opt_out", "gone"]}, "Marketing needs the stop rule reply"),
        ({"trigger": {"on": ["pigs_fly"]}}, "no event pigs_fly"),
        ({"trigger": {"on": ["job_created"], "where": "job.colour == 'red'"}}, "job.colour"),
        ({"trigger": {"on": ["job_created"], "where": "job.summary"}}, "true or false"),
        ({"trigger": {"on": ["job_created"], "where": "customer.jobs.exists(job, true)"}}, "record's name"),
        ({"trigger": {"clock": "x"}}, "clock"),
        ({"trigger": {"on": ["message_received"]}, "again_after": None}, "write for ever"),
        ({"key": "customer.jobs"}, "a text or a number"),
        ({"templates": {"ask": {"body": "{{ customer.shoe_size }} STOP"}}}, "customer.shoe_size"),
        ({"templates": {"ask": {"body": "Buy now"}}}, "how to end it"),
        ({"needs": ["fax"]}, "no connection fax"),
        ({"steps": [{"id": "t", "kind": "task", "title": "{{ job.colour }}"}, ASK]}, "job.colour"),
        ({"steps": [{"id": "w", "kind": "wait", "until": "job.summary"}, ASK]}, "a moment"),
        ({"steps": [{"id": "w", "kind": "wait"}, ASK]}, "never ends"),
        ({"steps": [{"id": "w", "kind": "wait", "for": "-2d"}, ASK]}, "needs until"),
        ({"steps": [{**ASK, "outcomes": {"suppresed": "end"}}]}, "suppresed: suppressed"),
        ({"steps": [{**WAIT, "outcomes": {"done": "ask"}}, ASK]}, "never ends with done: event, timeout"),
        ({"steps": [{"id": "c", "kind": "crm", "action": "explode"}, ASK]}, "no action explode: upsert_"),
        ({"steps": [{"id": "h", "kind": "http", "method": "LOOK", "url": "https://a.example"}, ASK]}, "LOOK"),
        ({"steps": [{"id": "b", "kind": "write", "operation": "jpm.jobs.creat"}, ASK]}, "jpm.jobs.create"),
        ({"trigger": {"on": ["job_created"], "where": "settings.lest == 1"}}, "settings.lest"),
        ({"trigger": {"on": ["job_created"], "where": "job.status = 'Done'"}}, "two signs compare: =="),
        ({"templates": {"ask": {"body": "{{ settings.lest }} STOP"}}}, "settings.lest"),
        ({"templates": {"ask": {"body": f"{'x' * 1600} STOP"}}}, "1,605 characters: 1,600"),
    ],
)
def test_the_linter_finds_it(change: dict[str, Any], words: str) -> None:
    document = read({k: v for k, v in changed(**change).items() if v is not None})
    found = lint(document, BY_NAME, operation=find)
    assert any(each.level == "error" and words in each.sentence for each in found), found


def test_what_a_step_can_name_is_what_there_is() -> None:
    assert set(CRM_ACTIONS) == set(ACTIONS)
    told = Path(__file__).parents[2].joinpath("docs/how-to/messages.md").read_text()
    assert [each for each in REASONS if f"`{each}`" not in told] == ["broken_merge", "no_address"]
    wrong = [
        each
        for known in definitions.shipped().values()
        for each in lint(known, BY_NAME, definitions.shipped(), operation=find)
        if each.level == "error"
    ]
    assert wrong == []


def test_two_workflows_that_start_each_other_by_an_event() -> None:
    book = {"id": "b", "kind": "write", "operation": "jpm.jobs.create", "body": {}}
    note = {"id": "n", "kind": "write", "operation": "crm.leads.create", "body": {}}
    rest: dict[str, Any] = {"stop_rules": [], "templates": {}, "again_after": None, "key": None}
    one = {**changed(**rest), "name": "one", "trigger": {"on": ["lead_created"]}, "steps": [book]}
    two = {**changed(**rest), "name": "two", "trigger": {"on": ["job_created"]}, "steps": [note]}
    first, second = (read({k: v for k, v in each.items() if v is not None}) for each in (one, two))
    found = lint(first, BY_NAME, {"two": second})
    assert any("one > two > one" in each.sentence for each in found), found


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{**ASK, "outcomes": {"outcome_unknown": "end", "cancelled": "end"}}]},
        {"steps": [{"id": "w", "kind": "wait", "days": 3, "for": "-2h"}, ASK]},
    ],
)
def test_the_linter_refuses_nothing_that_works(change: dict[str, Any]) -> None:
    found = lint(read(changed(**change)), BY_NAME, operation=find)
    assert [each for each in found if each.level == "error"] == []


async def test_settings_of_what_an_older_version_took_in_can_be_changed(shop: Shop) -> None:
    before = read(changed(stop_rules=[]))
    after = definitions.with_settings(before, {"least": "400"})
    await shelf.take_in(shop.pool, shop.tenant, BY_NAME, after, by="a test", before=before)
    assert (await shelf.one(shop.pool, shop.tenant, "quote-nudge")).definition == after
    worse = read(changed(stop_rules=[], steps=[{"id": "w", "kind": "wait"}, ASK]))
    with pytest.raises(BadWorkflow, match=r"kept\. step w"):
        await shelf.take_in(shop.pool, shop.tenant, BY_NAME, worse, by="a test", before=before)


def test_merges_of_merges_are_read_and_a_name_that_stands_twice_is_not() -> None:
    chained = """
x: &one {class: marketing, a: 1}
y: &two {<<: *one, class: service}
z: {<<: *two, class: marketing}
w: {<<: *two}
"""
    with pytest.raises(BadWorkflow) as raised:
        parse(chained)
    assert "twice" not in str(raised.value), "it is no workflow, and good YAML"
    for text in ("x: {a: 1, a: 2}", "x: [{y: {a: 1, a: 2}}]", "? {a: 1, a: 2}\n: 1"):
        with pytest.raises(BadWorkflow, match="'a' stands twice in the mapping that begins in line 1"):
            parse(text)


async def test_a_definition_is_taken_in_and_found_again(shop: Shop) -> None:
    await shelf.take_in(shop.pool, shop.tenant, BY_NAME, parse(NUDGE), by="a test")
    found = (await shelf.shelf(shop.pool, shop.tenant))["quote-nudge"]
    assert found.mode is Mode.DISABLED
    assert found.definition == parse(NUDGE)
    broken = read(changed(stop_rules=[]))
    with pytest.raises(BadWorkflow, match="nothing stops it"):
        await shelf.take_in(shop.pool, shop.tenant, BY_NAME, broken, by="a test")
    assert (await shelf.one(shop.pool, shop.tenant, "quote-nudge")).definition == parse(NUDGE)


def test_the_example_of_the_page_is_right() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/write-a-workflow.md").read_text()
    example = page.split("```yaml")[1].split("```")[0]
    assert [each for each in lint(parse(example), BY_NAME) if each.level == "error"] == []
    assert yaml.safe_load(example)["name"] == "quote-nudge"


async def test_a_recipe_that_waited_begins_when_its_connection_is_there(shop: Shop) -> None:
    async def modes(*names: str) -> list[str]:
        rows = {row.name: row.mode for row in await kept.current(shop.pool, shop.tenant)}
        return [rows[name] for name in names]

    asked = ("crm-estimate-sold", "crm-estimate-lost", "estimate-follow-up")
    await ship(shop.pool, shop.tenant, connected=())
    assert await modes(*asked) == ["disabled", "disabled", "shadow"]
    async with transaction(shop.pool) as connection:
        await kept.switch(connection, shop.tenant, "crm-estimate-lost", Mode.DISABLED, by="ann")
    changed = await ship(shop.pool, shop.tenant, connected=("crm",))
    assert "crm-estimate-sold" in changed
    assert await modes(*asked) == ["shadow", "disabled", "shadow"]
    assert await ship(shop.pool, shop.tenant, connected=("crm",)) == []
