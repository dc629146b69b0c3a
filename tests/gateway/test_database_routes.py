"""``/db`` beside the records: kept places, the sync log, jobs that are handed to us, the CRM's state."""

from typing import Any

import pytest
from office import FOREIGN, Office, fixture

LATER = "2027-01-01T00:00:00Z"


async def test_values_are_kept_and_listed(office: Office):
    for key in ("b", "a", "c"):
        kept = await office.send("PUT", f"/db/sync-state/{key}", {"value": {"place": key, "n": 1.5}})
        assert kept["value"] == {"place": key, "n": 1.5}
    assert (await office.get("/db/sync-state/b"))["value"]["place"] == "b"
    page = await office.get("/db/sync-state?limit=2")
    assert [each["key"] for each in page["data"]] == ["a", "b"]
    assert [each["key"] for each in (await office.get(f"/db/sync-state?after={page['next']}"))["data"]] == [
        "c"
    ]
    assert "Nothing is kept under 'd'" in (await office.get("/db/sync-state/d", 404))["detail"]


@pytest.mark.parametrize("key", ["customers_cursor", "custom_fields_first_load", "jobs_checkpoint"])
async def test_a_place_of_the_sync_is_not_overwritten(office: Office, key: str):
    problem = await office.send("PUT", f"/db/sync-state/{key}", {"value": 1}, 422)
    assert "would lose records" in problem["detail"]
    await office.get(f"/db/sync-state/{key}", 404)


async def test_other_programs_write_their_own_lines(office: Office):
    line = {
        "module": "n8n_jobs",
        "sync_type": "full",
        "status": "succeeded",
        "started_at": "2026-03-01T00:00:00Z",
        "completed_at": "2026-03-01T00:00:02Z",
        "records_fetched": 5,
        "records_created": 4,
        "records_failed": 1,
    }
    number = (await office.send("POST", "/db/sync-logs", line, 201))["id"]
    await office.was_read("jobs")
    found = await office.get("/db/sync-logs?module=n8n_jobs")
    assert [(each["id"], each["duration_ms"], each["records_quarantined"]) for each in found["data"]] == [
        (number, 2000, 1)
    ]
    assert len((await office.get("/db/sync-logs"))["data"]) == 2
    assert (await office.get("/db/sync-logs?status=failed"))["data"] == []
    assert (await office.get(f"/db/sync-logs?after={number}"))["data"] == []
    assert (await office.get("/db/sync-logs?started_from=2026-04-01T00:00:00Z"))["data"][0][
        "module"
    ] == "jobs"
    evening = "started_from=2026-02-28T18:59:59&started_before=2026-02-28T19:00:01"  # the company's
    assert [each["id"] for each in (await office.get(f"/db/sync-logs?{evening}"))["data"]] == [number]
    [counted] = (await office.get("/db/sync-logs/statistics?module=n8n_jobs"))["data"]
    assert (counted["total_syncs"], counted["records_failed"]) == (1, 1)
    problem = await office.send("POST", "/db/sync-logs", {**line, "module": "jobs"}, 422)
    assert "tell how old the mirror is" in problem["detail"]
    problem = await office.send("POST", "/db/sync-logs", {**line, "sataus": 1}, 422)
    assert "sataus" in problem["detail"]


async def test_contacts_are_counted(library: Office):
    found = await library.get("/db/contacts/stats")
    assert found["customer_contacts"]["total"] == 1
    assert found["customers"]["total"] == 1


# The CRM ---------------------------------------------------------------------------------------


async def test_a_push_is_noted_and_a_merge_leaves_it_alone(office: Office):
    job = fixture("jobs", businessUnitId=None)
    await office.merge("jobs", job, fixture("jobs", id=2, businessUnitId=None))
    await office.merge("customers", fixture("customers"))

    async def pending() -> list[int]:
        return [each["st_id"] for each in (await office.get("/db/jobs/pending-ghl-sync"))["data"]]

    assert await pending() == [2, job["id"]]
    path = f"/db/jobs/{job['id']}/ghl-sync"
    values = {"ghl_sync_status": "synced", "ghl_opportunity_id": "op1"}
    assert await office.send("PATCH", path, values) == {"st_id": job["id"], **values}
    assert await pending() == [2]
    await office.merge("jobs", {**job, "modifiedOn": LATER, "summary": "other"})
    found = await office.get(f"/db/jobs/{job['id']}")
    assert (found["summary"], found["ghl_opportunity_id"]) == ("other", "op1")
    noted = await office.send("PATCH", path, {"ghl_sync_status": "failed"})
    assert noted["ghl_opportunity_id"] == "op1"
    assert await pending() == [2, job["id"]]
    assert (await office.get("/db/jobs/pending-ghl-sync?enabled_only=true"))["data"] == []
    await office.send("PATCH", path, {}, 422)
    await office.send("PATCH", path, {"ghl_sync_status": "perhaps"}, 422)
    await office.send("PATCH", "/db/jobs/999/ghl-sync", values, 404)


# Jobs that are handed to us ----------------------------------------------------------------------


async def _known(office: Office) -> dict[str, Any]:
    """The mirror was loaded, so what comes now is news."""
    for name in ("customers", "jobs"):
        await office.rows(
            """insert into servicetitan.sync_state (tenant_id, key, value)
            values (%s, %s, '{"completed_at": "2026-01-01T00:00:00Z"}') returning key""",
            office.tenant,
            f"{name}_first_load",
        )
    await office.merge("business_units", fixture("business_units"))
    now = office.clock.now().isoformat()
    return {
        "job": fixture("jobs", modifiedOn=now, createdOn=now),
        "customer": fixture("customers", modifiedOn=now, createdOn=now),
    }


async def test_a_job_with_its_customer_is_merged_like_one_that_was_read(office: Office):
    given = await _known(office)
    merged = await office.send("POST", "/db/jobs/upsert", given)
    assert [(each["entity"], each["result"]) for each in merged["results"]] == [
        ("customers", "created"),
        ("jobs", "created"),
    ]
    again = await office.send("POST", "/db/jobs/upsert", given)
    assert {each["result"] for each in again["results"]} == {"unchanged"}
    job = {**given["job"], "jobStatus": "Completed", "modifiedOn": LATER}
    assert (await office.send("POST", "/db/jobs/upsert", {"job": job}))["results"][0]["result"] == "updated"
    assert (await office.send("POST", "/db/jobs/upsert", given))["results"][1]["result"] == "older"
    events = await office.rows(
        "select event_type, historical from automation.events where tenant_id = %s order by id", office.tenant
    )
    assert events[:2] == [("customer_created", False), ("job_created", False)]
    assert ("job_completed", False) in events
    versions = await office.get(f"/api/records/jobs/{job['id']}/versions")
    assert [each["ended_by"] for each in versions["data"]] == ["changed", None]
    # The vendor's own bytes come later: the same record is no change.
    await office.merge("jobs", dict(reversed(job.items())))
    assert (await office.get(f"/db/jobs/{job['id']}"))["revision"] == 2


async def test_a_batch_tells_what_became_of_each(office: Office):
    given = await _known(office)
    jobs = [
        {"job": {**given["job"], "id": 1}, "customer": given["customer"]},
        {"job": {**given["job"], "id": 2, "total": "a lot"}, "customer": given["customer"]},
    ]
    results = (await office.send("POST", "/db/jobs/upsert-batch", {"jobs": jobs}))["results"]
    assert [(each["st_id"], each["result"]) for each in results[1:]] == [(1, "created"), (2, "quarantined")]
    assert "a lot" in results[2]["reason"]
    problem = await office.send("POST", "/db/jobs/upsert", jobs[1], 422)
    assert "waits in quarantine" in problem["detail"]


async def test_what_is_old_is_history(office: Office):
    given = await _known(office)
    given["job"] |= {"modifiedOn": "2020-01-01T00:00:00Z"}
    await office.send("POST", "/db/jobs/upsert", given)
    events = dict(
        await office.rows(
            "select event_type, historical from automation.events where tenant_id = %s", office.tenant
        )
    )
    assert (events["job_created"], events["customer_created"]) == (True, False)


async def test_what_decides_about_an_event_must_be_known(office: Office):
    given = await _known(office)
    given["job"]["businessUnitId"] = 999
    problem = await office.send("POST", "/db/jobs/upsert", given, 422)
    assert "refers to one of business_units" in problem["detail"]
    await office.get(f"/db/jobs/{given['job']['id']}", 404)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "job"),
        ({"job": 1}, "no JSON object"),
        ({"job": {}}, "no usable `id`"),
        ({"job": {"id": -1}}, "no usable `id`"),
        ({"job": {"id": True}}, "no usable `id`"),
        ({"job": {"id": 1}}, "no `modifiedOn`"),
        ({"job": {"id": 1, "modifiedOn": LATER}, "custmer": {}}, "custmer"),
        ({"job": {"id": 1, "modifiedOn": LATER}, "tenant_id": 1}, "tenant_id"),
    ],
)
async def test_what_cannot_be_merged_is_refused(library: Office, body: Any, said: str):
    assert said in (await library.send("POST", "/db/jobs/upsert", body, 422))["detail"]


async def test_bodies_have_an_end(library: Office):
    answer = await library.http.post("/db/jobs/upsert", content=b" " * (11 << 20))
    assert (answer.status_code, "larger than 10 MB" in answer.text) == (422, True)
    assert (await library.http.post("/db/jobs/upsert", content=b"")).status_code == 422
    assert (await library.http.post("/db/jobs/upsert-batch", json={"jobs": []})).status_code == 422


@pytest.mark.parametrize(
    ("path", "mode"), [("/db/contacts/sync", "contacts"), ("/pricebook/sync", "pricebook")]
)
async def test_a_run_is_asked_for(office: Office, path: str, mode: str):
    first = await office.send("POST", path, None, 202)
    assert (first["mode"], first["new"]) == (mode, True)
    assert (await office.get(f"/api/sync/runs/{first['run_id']}"))["status"] == "waiting"
    assert (await office.send("POST", path, None, 202)) == {**first, "new": False}


async def test_writing_needs_its_own_scope(library: Office):
    reader = {"Authorization": f"Bearer {await library.key('read')}"}
    for method, path in (
        ("PUT", "/db/sync-state/x"),
        ("POST", "/db/sync-logs"),
        ("POST", "/db/jobs/upsert"),
        ("POST", "/db/jobs/upsert-batch"),
        ("PATCH", "/db/jobs/1/ghl-sync"),
        ("POST", "/db/contacts/sync"),
        ("POST", "/pricebook/sync"),
    ):
        answer = await library.http.request(method, path, json={}, headers=reader)
        assert answer.status_code == 403, path


OURS = ("/db", "/api/records", "/api/events", "/api/customers", "/scheduling", "/pricebook")


async def test_nothing_of_another_company_is_answered(library: Office):
    """Every route that reads and takes no more than a number: with the ids of both companies."""
    document = (await library.http.get("/openapi.json")).json()
    asked = 0
    for path, methods in document["paths"].items():
        if "get" not in methods or not path.startswith(OURS) or path.endswith("/enrich"):
            continue
        name = path.split("/")[2].replace("-", "_") if path.startswith("/db/") else "customers"
        st_id = str(fixture(name)["id"]) if "{st_id}" in path else ""
        url = path.replace("{st_id}", st_id).replace("{entity}", "customers").replace("{key}", "x")
        assert FOREIGN not in (await library.http.get(url)).text, url
        asked += 1
    assert asked > 80
