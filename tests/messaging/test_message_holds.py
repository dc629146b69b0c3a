"""The blast guard and holds: at the limit and not one later, until a person decides."""

import asyncio

from counter import Counter

from perfectcatch.messaging import gate
from perfectcatch.model.messaging import Decision, Intent, Status
from perfectcatch.store.messages import holds, log, waiting
from perfectcatch.store.pool import transaction


def batch(counter: Counter, count: int, workflow: str = "rehash") -> list[Intent]:
    return [
        counter.intent(recipient=f"+1303555{1000 + number:04d}", workflow=workflow) for number in range(count)
    ]


async def together(counter: Counter, intents: list[Intent]) -> list[Decision]:
    limit = asyncio.Semaphore(12)

    async def one(intent: Intent) -> Decision:
        async with limit:
            return await gate.send(counter.desk, intent)

    return await asyncio.gather(*(one(each) for each in intents))


async def hold_of(counter: Counter, name: str = "rehash") -> int:
    query = """
        select id from automation.messaging_holds where tenant_id = %s and name = %s and decided_at is null
    """
    [(hold_id,)] = await counter.rows(query, counter.tenant, name)
    return int(hold_id)


async def test_the_guard_holds_at_the_limit_and_no_later(counter: Counter):
    counter.ruled(blast_limit=25)
    decisions = await together(counter, batch(counter, 60))
    assert len(counter.carrier.texts) == 25
    held = [each for each in decisions if each.held]
    assert {each.reason for each in held} == {"blast"}
    assert len(held) == 35
    other = await together(counter, batch(counter, 3, workflow="other"))
    assert not any(each.held for each in other)


async def test_a_person_lets_a_part_of_them_go(counter: Counter):
    counter.ruled(blast_limit=5)
    intents = batch(counter, 20)
    await together(counter, intents)
    async with transaction(counter.pool) as connection:
        released = await holds.decide(
            connection,
            counter.tenant,
            await hold_of(counter),
            decision="release",
            by="Mary",
            now=counter.clock.now(),
            allowed=12,
        )
    assert released is not None
    assert len(released) == 15
    await together(counter, intents)
    assert len(counter.carrier.texts) == 12
    await hold_of(counter)


async def test_a_person_gives_them_up(counter: Counter):
    counter.ruled(blast_limit=5)
    intents = batch(counter, 8)
    await together(counter, intents)
    async with transaction(counter.pool) as connection:
        await holds.decide(
            connection,
            counter.tenant,
            await hold_of(counter),
            decision="cancel",
            by="Mary",
            now=counter.clock.now(),
        )
    again = await together(counter, intents)
    assert sorted(each.reason for each in again) == ["cancelled"] * 3 + ["sent"] * 5
    assert len(counter.carrier.texts) == 5


async def test_one_message_is_released_alone(counter: Counter):
    counter.ruled(blast_limit=1)
    intents = batch(counter, 3)
    decisions = await together(counter, intents)
    one = next(each for each in decisions if each.held)
    async with transaction(counter.pool) as connection:
        await waiting.release(
            connection, counter.tenant, by="Mary", now=counter.clock.now(), message_id=one.message_id
        )
    again = await together(counter, intents)
    assert sorted(each.reason for each in again) == ["blast", "sent", "sent"]


async def test_a_window_that_has_passed_is_forgotten_and_a_hold_is_not(counter: Counter):
    counter.ruled(blast_limit=2)
    await together(counter, batch(counter, 3))
    counter.clock.advance(2 * 3600)
    [held] = await together(counter, [counter.intent(recipient="+13035559999", workflow="rehash")])
    assert held.held


async def test_messages_of_no_instance_go_on_by_themselves(counter: Counter):
    counter.clock.advance(10 * 3600)  # the night in Denver
    await counter.send(asked_by="an API key")
    await counter.send(instance_id=5, recipient="+13035550143")
    counter.clock.advance(11 * 3600)
    assert await gate.resume(counter.desk) == 1
    assert await gate.resume(counter.desk) == 0
    rows = await counter.log("status, instance_id")
    assert sorted(rows, key=str) == sorted([("sent", None), ("deferred", 5)], key=str)


async def test_what_is_proven_absent_is_offered_again(counter: Counter):
    from perfectcatch.errors import OutcomeUnknown
    from perfectcatch.store.messages import outcomes

    counter.carrier.answer = lambda _: OutcomeUnknown("no answer")
    intent = counter.intent()
    unknown = await gate.send(counter.desk, intent)
    assert unknown.status is Status.UNKNOWN
    assert unknown.message_id is not None
    counter.carrier.answer = None
    counter.clock.advance(600)
    found = await outcomes.unknown(counter.pool, counter.tenant, before=counter.clock.now())
    assert [each.id for each in found] == [unknown.message_id]
    assert await outcomes.absent(counter.pool, counter.tenant, unknown.message_id, now=counter.clock.now())
    assert (await gate.send(counter.desk, intent)).status is Status.SENT
    assert len(counter.carrier.texts) == 1
    async with counter.pool.connection() as connection:
        message = await log.by_id(connection, counter.tenant, unknown.message_id)
    assert message is not None
    assert message.attempts == 2


async def test_who_asks_without_a_workflow_is_guarded_too(counter: Counter):
    counter.ruled(blast_limit=5)
    intents = [
        counter.intent(recipient=f"+1303555{1000 + number:04d}", asked_by="a tool") for number in range(9)
    ]
    decisions = await together(counter, intents)
    assert len([each for each in decisions if each.held]) == 4
    assert (await counter.send(asked_by="another tool")).status is Status.SENT
    async with transaction(counter.pool) as connection:
        released = await holds.decide(
            connection,
            counter.tenant,
            await hold_of(counter, "a tool"),
            decision="cancel",
            by="Mary",
            now=counter.clock.now(),
        )
    assert released is not None
    assert len(released) == 4
