"""The merge: every kind of change, once, with its history and its events."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from declared import CONTACTS, CUSTOMERS, ENTITIES, JOBS, document, encoded

from perfectcatch.model.entity import Entity, Inactive
from perfectcatch.model.source import BrokenRecord
from perfectcatch.store import state
from perfectcatch.store.merging import clock_rules, drift, history, mirror, quarantine, sweep
from perfectcatch.store.merging.mirror import Batch, Outcome, Unsettled
from perfectcatch.store.pool import Pool

TENANT = 7


@pytest.fixture
def pool(declared_pool: Pool) -> Pool:
    return declared_pool


async def merge(pool: Pool, entity: Entity, *documents: Any, **more: Any) -> Outcome:
    batch = Batch(tenant_id=TENANT, entity=entity, entities=ENTITIES, records=encoded(*documents), **more)
    return await mirror.merge(pool, batch)


async def rows(pool: Pool, query: str, *values: Any) -> list[Any]:
    async with pool.connection() as connection:
        found = await connection.execute(query, values)
        return await found.fetchall()


async def events(pool: Pool) -> Counter[tuple[str, int]]:
    return Counter(await rows(pool, "select event_type, st_id from automation.events where not historical"))


async def test_new_records_become_rows_and_events(pool: Pool) -> None:
    outcome = await merge(
        pool, CUSTOMERS, document(1, name="Ann Lee", balance="12.5"), document(2, name="Bo")
    )
    assert (outcome.fetched, outcome.created, outcome.updated, outcome.unchanged) == (2, 2, 0, 0)
    assert await rows(
        pool,
        "select st_id, name, first_name, balance::text, revision from servicetitan.t_customers order by 1",
    ) == [(1, "Ann Lee", "Ann", "12.5000", 1), (2, "Bo", "Bo", None, 1)]
    assert await events(pool) == {("customer_created", 1): 1, ("customer_created", 2): 1}


async def test_the_same_page_again_changes_nothing(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(1, name="Ann"))
    before = await rows(pool, "select * from servicetitan.t_customers")
    outcome = await merge(pool, CUSTOMERS, document(1, name="Ann"))
    assert (outcome.updated, outcome.unchanged) == (0, 1)
    assert await rows(pool, "select * from servicetitan.t_customers") == before
    assert await rows(pool, "select count(*) from servicetitan.record_history") == [(0,)]


async def test_another_order_of_keys_is_no_change(pool: Pool) -> None:
    one = document(1, name="Ann", address={"city": "Tampa"})
    await merge(pool, CUSTOMERS, one)
    outcome = await merge(pool, CUSTOMERS, dict(reversed(one.items())))
    assert (outcome.updated, outcome.unchanged) == (0, 1)
    again = await merge(pool, CUSTOMERS, dict(reversed(one.items())))
    assert again.unchanged == 1


async def test_an_older_version_never_overwrites_a_newer_one(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(1, name="new", modifiedOn="2026-03-01T00:00:00Z"))
    outcome = await merge(pool, CUSTOMERS, document(1, name="old", modifiedOn="2026-02-01T00:00:00Z"))
    assert outcome.stale == 1
    assert await rows(pool, "select name from servicetitan.t_customers") == [("new",)]


async def test_the_newest_of_two_versions_in_a_page_wins(pool: Pool) -> None:
    late = document(1, name="late", modifiedOn="2026-03-01T00:00:00Z")
    outcome = await merge(pool, CUSTOMERS, late, document(1, name="early"))
    assert (outcome.created, outcome.unchanged) == (1, 1)
    assert await rows(pool, "select name from servicetitan.t_customers") == [("late",)]


async def test_a_version_without_a_newer_time_is_still_a_change(pool: Pool) -> None:
    await merge(pool, JOBS, document(1, status="Open"))
    for status in ("Completed", "Open", "Completed"):
        assert (await merge(pool, JOBS, document(1, status=status))).updated == 1
    assert (await events(pool))["job_completed", 1] == 2


async def test_history_answers_for_any_moment(pool: Pool) -> None:
    for month, name in ((2, "first"), (3, "second"), (4, "third")):
        await merge(pool, CUSTOMERS, document(1, name=name, modifiedOn=f"2026-0{month}-01T00:00:00Z"))
    known = await history.versions(pool, TENANT, CUSTOMERS, 1)
    assert [each.full_data["name"] for each in known] == ["first", "second", "third"]
    assert [each.valid_to for each in known[:-1]] == [each.valid_from for each in known[1:]]
    assert known[-1].valid_to is None
    for month, name in ((2, "first"), (3, "second"), (4, "third")):
        found = await history.as_of(pool, TENANT, CUSTOMERS, 1, datetime(2026, month, 15, tzinfo=UTC))
        assert found is not None
        assert found.full_data["name"] == name
    assert await history.as_of(pool, TENANT, CUSTOMERS, 1, datetime(2026, 1, 15, tzinfo=UTC)) is None


async def test_a_changed_event_carries_the_record_and_what_differed(pool: Pool) -> None:
    await merge(pool, JOBS, document(1, status="Open", total=5))
    await merge(pool, JOBS, document(1, status="Completed", total=5, modifiedOn="2026-03-01T00:00:00Z"))
    [(data, version)] = await rows(
        pool, "select data, version from automation.events where event_type = 'job_completed'"
    )
    assert data["status"] == "Completed"
    assert data["changed"]["status"] == "Open"
    assert "total" not in data["changed"]
    assert version == "2026-03-01T00:00:00.000000Z/2"


async def test_a_first_load_is_historical(pool: Pool) -> None:
    await merge(pool, JOBS, document(1, status="Completed", customerId=9), historical=True)
    found = await rows(pool, "select event_type, historical, data from automation.events order by 1")
    assert found == [
        ("job_completed", True, {"customer_id": 9, "unit_id": None}),
        ("job_created", True, {"customer_id": 9, "unit_id": None}),
    ]


async def test_events_that_are_there_already_are_not_told_again(pool: Pool) -> None:
    """Somebody removed rows by hand, and they are loaded anew."""
    await merge(pool, JOBS, document(1, status="Completed"), historical=True)
    before = await rows(pool, "select id, event_type, version from automation.events order by 1")
    await rows(pool, "delete from servicetitan.t_jobs returning 1")
    outcome = await merge(pool, JOBS, document(1, status="Completed"), document(2), historical=True)
    assert outcome.created == 2
    assert outcome.past_events == Counter({"job_created": 1})
    after = await rows(pool, "select id, event_type, version from automation.events order by 1")
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1


async def test_a_new_row_has_what_is_looked_up_for_it(pool: Pool) -> None:
    await merge(pool, CONTACTS, document(5, customerId=1, type="Phone", value="(212) 555-0142"))
    await merge(pool, CUSTOMERS, document(1, name="Ann"), document(2, name="Bo"), historical=True)
    assert await rows(pool, "select st_id, phone from servicetitan.t_customers order by 1") == [
        (1, "+12125550142"),
        (2, None),
    ]


async def test_bad_records_are_kept_with_their_reason_and_the_others_stored(pool: Pool) -> None:
    outcome = await merge(
        pool,
        CUSTOMERS,
        document(1, name="good"),
        document(2, name="nul \x00"),
        document(3, balance="abc"),
        document(4, createdOn="2026-13-40"),
        {"name": "no id"},
        b"[1]",
        document(5, balance="NaN"),
        document(6, name="also good"),
        broken=[BrokenRecord(b'{"id": 8, "balance": NaN}', "NaN is no JSON")],
    )
    assert (outcome.fetched, outcome.created, outcome.quarantined) == (9, 2, 7)
    held = await quarantine.waiting(pool, TENANT)
    assert {each.st_id: each.reason.split(":")[0] for each in held if each.st_id} == {
        2: "the document",
        3: "balance",
        4: "createdOn",
        5: "balance",
        8: "NaN is no JSON",
    }


async def test_a_good_version_closes_the_quarantine(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(3, balance="abc"))
    await merge(pool, CUSTOMERS, document(3, balance="abc"))
    [held] = await quarantine.waiting(pool, TENANT)
    assert held.times == 2
    await merge(pool, CUSTOMERS, document(3, balance="7", modifiedOn="2026-03-01T00:00:00Z"))
    assert await quarantine.waiting(pool, TENANT) == []


async def test_unknown_fields_and_other_kinds_are_reported(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(1, name=0, brandNew={"a": 1}))
    assert {(each["path"], each["kind"]) for each in await drift.reported(pool, TENANT)} == {
        ("name", "other_kind"),
        ("brandNew", "new_field"),
    }


async def test_a_phone_comes_from_contacts_and_follows_them(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(1), document(2))

    async def phones() -> list[Any]:
        return await rows(pool, "select st_id, phone from servicetitan.t_customers order by 1")

    land = document(10, customerId=1, type="Phone", value="(813) 555-0142 ext 5")
    mobile = document(11, customerId=1, type="MobilePhone", value="+1 813 555 0199")
    await merge(pool, CONTACTS, land, mobile)
    assert await phones() == [(1, "+18135550199"), (2, None)]
    await merge(pool, CONTACTS, mobile | {"customerId": 2, "modifiedOn": "2026-03-01T00:00:00Z"})
    assert await phones() == [(1, "+18135550142"), (2, "+18135550199")]
    await merge(pool, CONTACTS, mobile | {"active": False, "modifiedOn": "2026-03-02T00:00:00Z"})
    assert await phones() == [(1, "+18135550142"), (2, None)]
    await merge(pool, CUSTOMERS, document(3))
    await merge(pool, CONTACTS, document(12, customerId=4, type="Phone", value="8135550111"))
    await merge(pool, CUSTOMERS, document(4))
    assert (await phones())[-2:] == [(3, None), (4, "+18135550111")]


async def test_links_follow_live_records(pool: Pool) -> None:
    async def pairs() -> list[Any]:
        return await rows(
            pool, "select customer_id, kind_id from servicetitan.t_customer_kinds order by 1, 2"
        )

    one = document(1, customerId=1, kindId=5)
    await merge(pool, CONTACTS, one, document(2, customerId=1, kindId=5), document(3, customerId=2, kindId=6))
    assert await pairs() == [(1, 5), (2, 6)]
    await merge(pool, CONTACTS, one | {"kindId": 7, "modifiedOn": "2026-03-01T00:00:00Z"})
    assert await pairs() == [(1, 5), (1, 7), (2, 6)]
    await merge(
        pool, CONTACTS, document(2, customerId=1, kindId=5, active=False, modifiedOn="2026-03-01T00:00:00Z")
    )
    assert await pairs() == [(1, 7), (2, 6)]


async def test_items_are_replaced_with_their_record(pool: Pool) -> None:
    await merge(
        pool, JOBS, document(1, items=[{"id": 5, "quantity": "2"}, {"id": 6}]), document(2, items=None)
    )
    await merge(pool, JOBS, document(1, items=[{"id": 7}], modifiedOn="2026-03-01T00:00:00Z"))
    found = await rows(pool, "select job_id, position, item_id from servicetitan.t_job_items")
    assert found == [(1, 1, 7)]


async def test_our_own_columns_survive_a_merge(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(1, name="a"))
    async with pool.connection() as connection:
        await connection.execute("update servicetitan.t_customers set note = 'ours'")
    await merge(pool, CUSTOMERS, document(1, name="b", modifiedOn="2026-03-01T00:00:00Z"))
    assert await rows(pool, "select name, note from servicetitan.t_customers") == [("b", "ours")]


async def test_a_deletion_flag_deletes_and_its_absence_restores(pool: Pool) -> None:
    one = document(1, customerId=1, type="Phone", value="8135550111")
    await merge(pool, CONTACTS, one)
    outcome = await merge(pool, CONTACTS, one | {"active": False, "modifiedOn": "2026-03-01T00:00:00Z"})
    assert outcome.deactivated == 1
    assert await rows(pool, "select deleted_at from servicetitan.t_contacts") == [
        (datetime(2026, 3, 1, tzinfo=UTC),)
    ]
    await merge(pool, CONTACTS, one | {"modifiedOn": "2026-04-01T00:00:00Z"})
    assert await rows(pool, "select deleted_at from servicetitan.t_contacts") == [(None,)]


async def test_what_a_sweep_buried_comes_back_with_the_same_content(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(1, name="a"))
    assert await sweep.bury(pool, TENANT, CUSTOMERS, ENTITIES, [1, 99], None) == 1
    assert await rows(pool, "select deleted_at is null from servicetitan.t_customers") == [(False,)]
    outcome = await merge(pool, CUSTOMERS, document(1, name="a"))
    assert outcome.updated == 1
    assert await rows(pool, "select deleted_at, revision from servicetitan.t_customers") == [(None, 3)]
    assert await events(pool) == {("customer_created", 1): 1}


async def test_a_job_waits_for_the_unit_that_decides_about_its_event(pool: Pool) -> None:
    job = document(1, unitId=3, status="Open")
    with pytest.raises(Unsettled, match="units"):
        await merge(pool, JOBS, job, settle=True)
    assert await rows(pool, "select count(*) from servicetitan.t_jobs") == [(0,)]
    await merge(pool, ENTITIES["units"], document(3, name="Pool INSTALLation"))
    await merge(pool, JOBS, job, settle=True)
    assert ("install_job_created", 1) in await events(pool)


async def test_the_callers_part_is_in_the_same_transaction(pool: Pool) -> None:
    async def refuse(connection: mirror.Connection, outcome: Outcome) -> None:
        raise RuntimeError("the caller's part fails")

    batch = Batch(tenant_id=TENANT, entity=CUSTOMERS, entities=ENTITIES, records=encoded(document(1)))
    with pytest.raises(RuntimeError):
        await mirror.merge(pool, batch, refuse)
    assert await rows(pool, "select count(*) from servicetitan.t_customers") == [(0,)]
    assert await events(pool) == {}


async def test_listeners_hear_of_events_when_the_transaction_commits(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.set_autocommit(True)
        await connection.execute("listen perfectcatch_events")
        await merge(pool, CUSTOMERS, document(1), document(2))
        notes = [note async for note in connection.notifies(timeout=5, stop_after=1)]
        await connection.set_autocommit(False)
    assert f'"tenant_id":{TENANT}' in notes[0].payload
    [(ids,)] = await rows(pool, "select array_agg(id order by id) from automation.events")
    assert notes[0].payload.endswith(f'"ids":[{ids[0]},{ids[1]}]}}')


async def test_two_companies_do_not_meet(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(1, name="ours"))
    other = Batch(
        tenant_id=8, entity=CUSTOMERS, entities=ENTITIES, records=encoded(document(1, name="theirs"))
    )
    await mirror.merge(pool, other)
    found = await rows(pool, "select tenant_id, name from servicetitan.t_customers order by 1")
    assert found == [(7, "ours"), (8, "theirs")]


async def loaded(pool: Pool, moment: str) -> None:
    async with pool.connection() as connection:
        await state.put(connection, TENANT, "jobs_first_load", {"completed_at": moment})


async def evaluate(pool: Pool, *when: int, hour: int = 12) -> Counter[str]:
    now = datetime(*when, hour, tzinfo=UTC)  # type: ignore[misc,arg-type]
    fired = await clock_rules.evaluate(pool, TENANT, ENTITIES, now=now, zone="America/New_York")
    return fired.live


async def stages(pool: Pool) -> list[Any]:
    return await rows(
        pool,
        "select st_id, version, historical from automation.events "
        "where event_type = 'job_overdue' order by id",
    )


async def test_a_clock_rule_fires_once_per_record_and_stage(pool: Pool) -> None:
    await merge(pool, JOBS, document(1, dueDate="2026-03-01T00:00:00Z", balance=5, total=5))
    await loaded(pool, "2026-02-01T00:00:00+00:00")
    assert await evaluate(pool, 2026, 3, 1, hour=23) == {}
    assert await evaluate(pool, 2026, 3, 2, hour=4) == {}  # still the first of March in New York
    assert await evaluate(pool, 2026, 3, 2, hour=6) == {"job_overdue": 1}
    assert await evaluate(pool, 2026, 3, 3) == {}
    assert await evaluate(pool, 2026, 3, 9) == {"job_overdue": 1}
    assert await stages(pool) == [(1, "stage/0", False), (1, "stage/7", False)]


async def test_after_an_outage_only_the_latest_stage_reaches_people(pool: Pool) -> None:
    await merge(pool, JOBS, document(1, dueDate="2026-03-01T00:00:00Z", balance=5, total=5))
    await loaded(pool, "2026-02-01T00:00:00+00:00")
    await evaluate(pool, 2026, 4, 20)
    assert await stages(pool) == [(1, "stage/0", True), (1, "stage/7", True), (1, "stage/30", False)]
    assert await evaluate(pool, 2026, 4, 21) == {}


async def test_a_stage_before_the_first_load_is_historical(pool: Pool) -> None:
    await merge(pool, JOBS, document(1, dueDate="2026-03-01T00:00:00Z", balance=5, total=5), historical=True)
    assert await evaluate(pool, 2026, 3, 5) == {}  # the first load is not complete
    await loaded(pool, "2026-03-05T00:00:00+00:00")
    await evaluate(pool, 2026, 3, 5)
    assert await stages(pool) == [(1, "stage/0", True)]


async def test_a_stage_keeps_its_hour_when_clocks_change(pool: Pool) -> None:
    await merge(pool, JOBS, document(1, dueDate="2026-10-28T00:00:00Z", balance=5, total=5))
    await loaded(pool, "2026-02-01T00:00:00+00:00")
    await evaluate(pool, 2026, 12, 1)
    found = await rows(
        pool,
        "select occurred_at at time zone 'America/New_York' from automation.events "
        "where event_type = 'job_overdue' order by 1",
    )
    assert [(each[0].month, each[0].day, each[0].hour) for each in found] == [
        (10, 29, 0),
        (11, 5, 0),
        (11, 28, 0),
    ]


async def test_what_was_first_seen_deleted_appears_when_it_comes(pool: Pool) -> None:
    jobs = replace(JOBS, inactive_means=Inactive.DELETED)
    await merge(pool, jobs, document(1, active=False, status="Completed"))
    assert await events(pool) == {}
    await merge(pool, jobs, document(1, status="Completed", modifiedOn="2026-03-01T00:00:00Z"))
    assert await events(pool) == {("job_created", 1): 1, ("job_completed", 1): 1}
    await merge(pool, jobs, document(1, active=False, status="Open", modifiedOn="2026-03-02T00:00:00Z"))
    await merge(pool, jobs, document(1, status="Open", modifiedOn="2026-03-03T00:00:00Z"))
    assert await events(pool) == {("job_created", 1): 1, ("job_completed", 1): 1}


async def test_old_news_of_a_later_full_read_is_historical(pool: Pool) -> None:
    moment = datetime(2026, 2, 1, tzinfo=UTC)
    outcome = await merge(
        pool, JOBS, document(1), document(2, modifiedOn="2026-02-02T00:00:00Z"), past_before=moment
    )
    assert (outcome.events, outcome.past_events) == ({"job_created": 1}, {"job_created": 1})
    assert await events(pool) == {("job_created", 2): 1}


async def test_a_version_is_never_valid_until_before_it_began(pool: Pool) -> None:
    await merge(pool, CUSTOMERS, document(1, name="a"))
    await sweep.bury(pool, TENANT, CUSTOMERS, ENTITIES, [1], None)  # by our clock
    await merge(pool, CUSTOMERS, document(1, name="b", modifiedOn="2026-01-03T00:00:00Z"))  # by the vendor's
    await merge(pool, CUSTOMERS, document(1, name="c", modifiedOn="2026-01-04T00:00:00Z"))
    known = await history.versions(pool, TENANT, CUSTOMERS, 1)
    assert all(each.valid_to is None or each.valid_to >= each.valid_from for each in known)


async def test_a_paid_record_is_not_overdue(pool: Pool) -> None:
    await merge(pool, JOBS, document(1, dueDate="2026-03-01T00:00:00Z", balance="0.00", total=5))
    await loaded(pool, "2026-02-01T00:00:00+00:00")
    assert await evaluate(pool, 2026, 3, 5) == {}
