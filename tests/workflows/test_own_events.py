"""Events that come from us: an end of messages, a task that is done, a link that was opened."""

from dataclasses import replace

import pytest
from floor import Floor, with_roles
from test_instances import THANKS, completed, customer, job, texts

from messaging.counter import NUMBER
from perfectcatch.errors import NothingKnown
from perfectcatch.messaging import inbound, people
from perfectcatch.messaging.desk import Company
from perfectcatch.messaging.people import OptingOut
from perfectcatch.messaging.rules import StopCovers
from perfectcatch.model.messaging import Channel, Received
from perfectcatch.store.pool import transaction
from perfectcatch.store.workflows import steps
from perfectcatch.vendors.servicetitan.entities import BY_NAME
from perfectcatch.workflows import links
from perfectcatch.workflows.definitions import parse
from perfectcatch.workflows.lint import lint
from perfectcatch.workflows.running.opening import opened

LISTENS = THANKS.replace("stop_rules: [reply, gone]", "stop_rules: [opt_out, gone]")
REVIEW = """
name: review
does: Asks for a word about the visit.
class: service
trigger: {on: [job_completed]}
stop_rules:
  - opt_out
  - gone
  - name: opened
    on: [review_opened]
    when: "happened.exists(h, h.type == 'review_opened')"
    sentence: The link was opened.
settings: {review_link: "https://reviews.example/us?a=1&b=2"}
templates:
  ask: {channel: sms, body: "A word? {{ settings.review_link }} Thank you."}
steps:
  - {id: ask, kind: sms, template: ask, tracks: review_link}
  - {id: rest, kind: wait, for: 1d}
  - {id: again, kind: sms, template: ask, tracks: review_link, data: {may_repeat: true}}
"""
TASK = """
name: asks
does: Waits until somebody has called.
class: service
trigger: {on: [job_completed]}
stop_rules: [opt_out, gone]
steps:
  - {id: call, kind: task, title: Call them}
  - id: called
    kind: wait
    for: 3d
    events: [task_done]
    where: happening.data.instance_id == instance.id && happening.data.step == 'call'
    outcomes: {event: thanks, timeout: end}
  - {id: thanks, kind: sms, template: thanks}
templates:
  thanks: {channel: sms, body: "Thank you for the talk."}
"""


async def events(floor: Floor) -> list[tuple[str, str, int]]:
    return await floor.counter.rows(
        "select event_type, entity, st_id from automation.events where tenant_id = %s"
        " and event_type = any(%s) order by id",
        floor.tenant,
        ["opted_out", "task_done", "review_opened"],
    )


async def opts_out(floor: Floor, covers: StopCovers | None = None) -> None:
    wanted = OptingOut(channel=Channel.SMS, address=NUMBER, covers=covers, source="person", by="test")
    await people.opt_out(floor.workshop.desk, wanted)
    await people.opt_out(floor.workshop.desk, wanted)  # it is in force: told once
    await floor.run()


async def test_an_end_of_messages_ends_what_was_planned_at_once(floor: Floor) -> None:
    await floor.enable(LISTENS)
    await completed(floor)
    await opts_out(floor)
    assert await events(floor) == [("opted_out", "customers", 7)]
    assert await floor.instances() == [("ended", "opt_out")]


async def test_an_end_of_marketing_leaves_service_alone(floor: Floor) -> None:
    await floor.enable(LISTENS)
    await completed(floor)
    await opts_out(floor, StopCovers.PURPOSE)
    assert await floor.instances() == [("sleeping", None)]
    await floor.later(days=2)
    assert len(texts(floor)) == 2


async def test_a_stop_by_text_is_told_once_and_of_a_stranger_too(floor: Floor) -> None:
    desk, clock = floor.workshop.desk, floor.counter.clock
    for number in (1, 2):
        said = Received(
            vendor_id=f"SM{number}", sender="+13035550999", to="+13035550100", body="STOP", at=clock.now()
        )
        await inbound.take(desk, said)
    [(kind, entity, _)] = await events(floor)
    assert (kind, entity) == ("opted_out", "opt_outs")


async def test_a_task_that_is_done_wakes_who_waits_for_it(floor: Floor) -> None:
    await floor.enable(TASK)
    await completed(floor)
    [(other, mine)] = await floor.counter.rows(
        "select min(id) - 1, min(id) from automation.tasks where tenant_id = %s", floor.tenant
    )
    now = floor.counter.clock.now()
    async with transaction(floor.workshop.pool) as connection:
        assert not await steps.task_done(connection, floor.tenant, other, by="test", now=now)
        assert await steps.task_done(connection, floor.tenant, mine, by="test", now=now)
    await floor.run()
    assert await events(floor) == [("task_done", "customers", 7)]
    assert texts(floor) == ["Thank you for the talk."]


async def test_a_link_is_short_leads_to_one_page_and_its_first_opening_ends_the_asking(floor: Floor) -> None:
    await floor.enable(REVIEW)
    await completed(floor)
    [(instance_id,)] = await floor.instances("id")
    token = links.token("s" * 40, floor.tenant, instance_id)
    assert texts(floor) == [f"A word? https://office.example/r/{token} Thank you."]
    workshop = floor.workshop
    for forged in (f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", f"9{token}", "x", token + "\n"):
        with pytest.raises(NothingKnown):
            await opened(workshop, forged, by_person=True)
    assert await opened(workshop, token, by_person=False) == "https://reviews.example/us?a=1&b=2"
    assert await events(floor) == []
    floor.counter.clock.advance(4)
    assert await opened(workshop, token, by_person=True) == "https://reviews.example/us?a=1&b=2"
    assert await events(floor) == [], "nobody has received, read and touched it by then"
    floor.counter.clock.advance(1)
    await floor.enable(REVIEW.replace("example/us", "example/mended"))
    for _ in range(2):
        assert await opened(workshop, token, by_person=True) == "https://reviews.example/mended?a=1&b=2"
    assert await events(floor) == [("review_opened", "customers", 7)]
    await floor.run()
    assert await floor.instances() == [("ended", "opened")]
    await floor.later(days=2)
    assert len(texts(floor)) == 1


async def test_without_an_address_of_our_own_the_link_is_the_page_itself(floor: Floor) -> None:
    company = replace(floor.workshop.desk.company, public_url="")
    floor.workshop = replace(floor.workshop, desk=replace(floor.workshop.desk, company=company))
    await floor.enable(REVIEW)
    await completed(floor)
    assert texts(floor) == ["A word? https://reviews.example/us?a=1&b=2 Thank you."]


@pytest.mark.parametrize(
    ("address", "leads"),
    [
        ("https://reviews.example/us", True),
        ("http://reviews.example/us", False),
        ("https://a@reviews.example", False),
        ("javascript:alert(1)", False),
        ("//reviews.example", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_a_link_leads_to_an_address_of_the_web_alone(address: str, leads: bool) -> None:
    definition = parse(REVIEW.replace("https://reviews.example/us?a=1&b=2", address))
    assert (links.address_of(definition, "review_link") is not None) is leads


def test_the_linter_knows_what_can_be_tracked() -> None:
    known = parse(REVIEW)
    assert [each for each in lint(known, BY_NAME) if each.level == "error"] == []
    for text, says in (
        (REVIEW.replace("tracks: review_link", "tracks: other_link"), "only review_link can be"),
        (REVIEW.replace("settings: {review_link:", "settings: {review:"), "there is no such setting"),
    ):
        found = [each.sentence for each in lint(parse(text), BY_NAME) if each.level == "error"]
        assert any(says in each for each in found), found


async def test_the_same_words_go_to_a_number_once_whatever_their_link(floor: Floor) -> None:
    desk = replace(floor.workshop.desk, company=Company(public_url="https://api.example", secret="s" * 32))
    with_roles(floor, desk=desk)
    await floor.enable(REVIEW)
    for st_id in (7, 8):
        await customer(floor, st_id)
        await job(floor, 60 + st_id, "Scheduled", customerId=st_id)
    await floor.begin()
    for st_id in (7, 8):
        await job(floor, 60 + st_id, "Completed", 2, customerId=st_id)
    await floor.run()
    [sent] = texts(floor)
    assert "https://api.example/r/" in sent
    rows = await floor.counter.rows(
        "select reason from automation.messaging_log where tenant_id = %s order by id", floor.tenant
    )
    assert "identical" in {reason for (reason,) in rows}


ENQUIRY = """
name: enquiry
does: Answers an enquiry and asks again.
class: service
trigger: {on: [lead_created]}
key: contact.phone
stop_rules: [reply, opt_out, gone]
steps:
  - {id: first, kind: sms, template: first}
  - {id: rest, kind: wait, for: 1d}
  - {id: again, kind: sms, template: again}
templates:
  first: {channel: sms, body: "We got your request."}
  again: {channel: sms, body: "Do you still need help?"}
"""
STRANGER = "+13035550177"


@pytest.mark.parametrize("body", ["Yes please, today", "stop"])
async def test_an_answer_of_somebody_who_is_no_customer_yet_ends_what_was_planned(
    floor: Floor, body: str
) -> None:
    """By the number alone: no record of a customer names it. The answer of another stranger ends nothing."""
    await floor.enable(ENQUIRY)
    await floor.begin()
    for st_id, phone in ((81, STRANGER), (82, "+13035550178")):
        await floor.counter.merge(
            "leads",
            {
                "id": st_id,
                "status": "Open",
                "leadCustomerName": "Bo Kay",
                "leadPhone": phone,
                "active": True,
                "createdOn": "2026-06-10T17:59:00Z",
                "modifiedOn": "2026-06-10T17:59:00Z",
            },
        )
    await floor.run()
    assert len(texts(floor)) == 2
    at = floor.counter.clock.now()
    received = Received(vendor_id="SM9", sender=STRANGER, to="+13035550100", body=body, at=at)
    await inbound.take(floor.workshop.desk, received)
    await floor.run()
    ended = "opt_out" if body == "stop" else "reply"
    assert await floor.instances() == [("ended", ended), ("sleeping", None)]
    sent = len(texts(floor))
    await floor.later(days=2)
    assert texts(floor)[sent:] == ["Do you still need help?"]
    assert await floor.instances() == [("ended", ended), ("ended", "finished")]


async def test_somebody_else_who_was_written_to_answers(floor: Floor) -> None:
    """A step may write to another person than the customer: their answer wakes the instance all the same."""
    await floor.enable(
        TASK.replace(
            "  - {id: call, kind: task, title: Call them}\n",
            "  - {id: call, kind: sms, template: ask, to: \"'+13035550177'\"}\n",
        )
        .replace("events: [task_done]", "events: [message_received]")
        .replace(
            "where: happening.data.instance_id == instance.id && happening.data.step == 'call'",
            "where: happening.data.body == 'Y'",
        )
        + '  ask: {channel: sms, body: "Will you take it?"}\n'
    )
    await completed(floor)
    assert texts(floor) == ["Will you take it?"]
    at = floor.counter.clock.now()
    for number, body in enumerate(("what?", "Y")):
        received = Received(vendor_id=f"SM{number}", sender=STRANGER, to="+13035550100", body=body, at=at)
        await inbound.take(floor.workshop.desk, received)
    await floor.run()
    assert texts(floor) == ["Will you take it?", "Thank you for the talk."]
