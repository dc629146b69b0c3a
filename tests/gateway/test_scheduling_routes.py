"""``/scheduling``: who there is, who is free, and which visit could be offered."""

from typing import Any

import jsonschema
import pytest
from office import FOREIGN, TENANT, Office, fixture

MONDAY = "from=2026-03-02T00:00:00Z&to=2026-03-03T05:00:00Z"


def _technician(number: int, name: str, skill: str, zone: int) -> dict[str, Any]:
    skills = [{"id": number, "name": skill}]
    return fixture("technicians", id=number, name=name, skills=skills, mainZoneId=zone, zoneIds=[zone])


async def _team(office: Office) -> None:
    """Ann and Bo on Monday, 2026-03-02: eight to five in New York, which is 13:00 to 22:00 UTC."""
    people = [
        fixture(
            "technicians", id=1, name="Ann", skills=[{"id": 1, "name": "Pools"}], mainZoneId=7, zoneIds=[7]
        ),
        fixture(
            "technicians", id=2, name="Bo", skills=[{"id": 2, "name": "Heaters"}], mainZoneId=8, zoneIds=[8]
        ),
        fixture("technicians", id=3, name="Cy", active=False),
    ]
    await office.merge("technicians", *people)
    shift = {"start": "2026-03-02T13:00:00Z", "end": "2026-03-02T22:00:00Z", "shiftType": "Normal"}
    await office.merge(
        "technician_shifts",
        *(fixture("technician_shifts", id=number, technicianId=number, **shift) for number in (1, 2, 3)),
    )
    await office.merge("zones", fixture("zones", id=7, name="North", zips=["33601"], technicians=[1]))
    await office.merge("job_types", fixture("job_types", id=5, duration=5400, skills=["Pools"]))


async def _visit(office: Office, st_id: int, *technicians: int, **values: Any) -> None:
    times = {"start": "2026-03-02T15:00:00Z", "end": "2026-03-02T17:00:00Z", "status": "Scheduled"}
    await office.merge("appointments", fixture("appointments", id=st_id, **times | values))
    for number in technicians:
        assignment = fixture(
            "appointment_assignments", id=st_id * 10 + number, appointmentId=st_id, technicianId=number
        )
        await office.merge("appointment_assignments", assignment)


async def _free(office: Office, who: int = 1) -> list[str]:
    found = await office.get(f"/scheduling/availability?technician_id={who}&{MONDAY}")
    return [f"{each['start'][11:16]}-{each['end'][11:16]}" for each in found["data"][0]["free"]]


async def test_visits_time_off_and_other_time_are_not_free(office: Office):
    await _team(office)
    assert await _free(office) == ["13:00-22:00"]
    await _visit(office, 31, 1)
    assert await _free(office) == ["13:00-15:00", "17:00-22:00"]
    await office.merge(
        "technician_shifts",
        fixture(
            "technician_shifts",
            id=9,
            technicianId=1,
            shiftType="TimeOff",
            start="2026-03-02T20:00:00Z",
            end="2026-03-02T23:00:00Z",
        ),
    )
    await office.merge(
        "non_job_appointments",
        fixture(
            "non_job_appointments",
            id=8,
            technicianId=1,
            start="2026-03-02T13:00:00Z",
            duration="01:30:00",
            allDay=False,
        ),
    )
    assert await _free(office) == ["14:30-15:00", "17:00-20:00"]
    found = await office.get(f"/scheduling/availability?technician_id=1&{MONDAY}")
    assert [(each["reason"], each["id"]) for each in found["data"][0]["taken"]] == [
        ("other", 8),
        ("appointment", 31),
        ("time off", 9),
    ]
    assert await _free(office, 2) == ["13:00-22:00"]


async def test_what_is_cancelled_deleted_or_nobodys_does_not_block(office: Office):
    await _team(office)
    await _visit(office, 31, 1, status="Canceled")
    await _visit(office, 32, 1, active=False)
    await _visit(office, 33)
    await _visit(office, 34, 1, start="2026-03-02T18:00:00Z", end="2026-03-02T18:00:00Z")
    assert await _free(office) == ["13:00-22:00"]
    found = await office.get(f"/scheduling/availability?{MONDAY}")
    assert found["unassigned_visits"] == 1
    assert [each["technician_id"] for each in found["data"]] == [1, 2]
    assert await _free(office, 3) == []  # switched off


async def test_a_day_is_that_of_the_company(office: Office):
    await _team(office)
    await office.merge(
        "non_job_appointments",
        fixture(
            "non_job_appointments",
            id=8,
            technicianId=1,
            start="2026-03-03T02:00:00Z",
            duration="00:30:00",
            allDay=True,
        ),
    )  # 21:00 on Monday in New York
    assert await _free(office) == []


async def test_slots_are_ranked_with_reasons(office: Office):
    await _team(office)
    await _visit(office, 31, 1)
    office.clock.advance(60 * 86400)  # 2026-03-02 12:00 UTC
    wanted = {"job_type_id": 5, "end": "2026-03-03T05:00:00Z", "zone_id": 7}
    found = await office.send("POST", "/scheduling/slots", wanted)
    assert (found["duration_minutes"], found["skills"], found["keeps_shifts"]) == (90, ["Pools"], True)
    assert {slot["technician_id"] for slot in found["data"]} == {1}
    reasons = {(each["technician_id"], each["code"], each["blocked_by"]) for each in found["refused"]}
    assert (2, "skill missing", None) in reasons
    assert (3, "inactive", None) in reasons
    assert (1, "appointment", 31) in reasons
    for slot in found["data"]:
        assert slot["end"] <= "2026-03-02T14:30:00Z" or slot["start"] >= "2026-03-02T17:30:00Z"
        assert {part["name"] for part in slot["parts"]} == {"sooner", "zone", "workload", "fit"}
    document = (await office.http.get("/openapi.json")).json()
    jsonschema.validate(found, {"$ref": "#/components/schemas/Slots", "components": document["components"]})
    query = "job_type_id=5&end=2026-03-03T05:00:00Z&zone_id=7"
    assert (await office.get(f"/scheduling/slots?{query}"))["data"] == found["data"]


async def test_a_place_tells_its_zone(office: Office):
    await _team(office)
    await office.merge("locations", fixture("locations", id=6, zoneId=None, address={"zip": "33601"}))
    office.clock.advance(60 * 86400)
    found = await office.send("POST", "/scheduling/slots", {"location_id": 6, "end": "2026-03-03T05:00:00Z"})
    assert found["zone_id"] == 7
    assert {(each["technician_id"], each["code"]) for each in found["refused"]} >= {(2, "too far")}


async def test_rules_are_shown_and_changed(office: Office):
    rules = {rule["name"]: rule for rule in (await office.get("/scheduling/rules"))["data"]}
    assert rules["buffer_minutes"]["value"] == 30
    await office.send("PUT", "/scheduling/rules/buffer_minutes", {"value": 0})
    rules = {rule["name"]: rule for rule in (await office.get("/scheduling/rules"))["data"]}
    assert (rules["buffer_minutes"]["value"], rules["buffer_minutes"]["changed"]) == (0, True)
    await office.send("PUT", "/scheduling/rules/buffer_minutes", {"value": None})
    rules = {rule["name"]: rule for rule in (await office.get("/scheduling/rules"))["data"]}
    assert not rules["buffer_minutes"]["changed"]
    problem = await office.send("PUT", "/scheduling/rules/bufer_minutes", {"value": 1}, 422)
    assert "did you mean buffer_minutes" in problem["detail"]
    reader = {"Authorization": f"Bearer {await office.key('read')}"}
    answer = await office.http.put("/scheduling/rules/on_call", json={"value": True}, headers=reader)
    assert answer.status_code == 403
    assert (await office.http.post("/scheduling/slots", json={}, headers=reader)).status_code == 200


async def test_technicians_are_found_by_skills(office: Office):
    await _team(office)

    async def names(query: str) -> list[str]:
        return [
            each["name"] for each in (await office.get(f"/scheduling/technicians/by-skills?{query}"))["data"]
        ]

    assert await names("skills=pools") == ["Ann"]
    assert await names("skills=Pools,Heaters") == []
    assert await names("skills=Pools,Heaters&match=any") == ["Ann", "Bo"]
    problem = await office.get("/scheduling/technicians/by-skills?skills=Pool", 422)
    assert "did you mean Pools" in problem["detail"]


async def test_lists_are_remembered_for_a_minute(office: Office):
    await _team(office)
    await office.was_read("technicians", "technician_skills")
    first = await office.get("/scheduling/technicians")
    assert [each["name"] for each in first["data"]] == ["Ann", "Bo", "Cy"]
    await office.merge("technicians", fixture("technicians", id=4, name="Di"))
    office.clock.advance(30)
    again = await office.http.get("/scheduling/technicians?active=true")
    assert [each["name"] for each in again.json()["data"]] == ["Ann", "Bo"]
    assert again.json()["cached_seconds"] == 30
    assert int(again.headers["x-data-age-seconds"]) >= 3630
    office.clock.advance(31)
    assert len((await office.get("/scheduling/technicians"))["data"]) == 4


@pytest.mark.parametrize(
    "path", ["technicians", "teams", "zones", "job-types", "stats", "rules", "availability"]
)
async def test_lists_are_as_described(library: Office, path: str):
    answer = await library.http.get(f"/scheduling/{path}")
    assert answer.status_code == 200, answer.text
    document = (await library.http.get("/openapi.json")).json()
    entry = document["paths"][f"/scheduling/{path}"]["get"]
    schema = entry["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
    assert FOREIGN not in answer.text
    assert "x-data-age-seconds" in answer.headers


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("from=2026-03-03T00:00:00Z&to=2026-03-02T00:00:00Z", 422),
        ("from=2026-01-01T00:00:00Z&to=2026-06-01T00:00:00Z", 422),
        ("from=0001-01-01T00:00:00Z", 422),
        ("from=9999-12-31T23:00:00-12:00", 422),
        ("from=next-week", 422),
        ("technician_id=999", 404),
        ("technicianid=1", 422),
    ],
)
async def test_a_wrong_span_is_refused(library: Office, query: str, status: int):
    assert (await library.get(f"/scheduling/availability?{query}", status))["detail"]


async def test_a_moment_without_an_offset_is_the_companys(library: Office):
    told = await library.get("/scheduling/availability?from=2026-03-03&to=2026-03-04T12:00:00")
    assert (told["start"], told["end"]) == ("2026-03-03T05:00:00Z", "2026-03-04T17:00:00Z")
    told = await library.get("/scheduling/slots?start=2026-03-03T08:00:00&end=2026-03-04T08:00:00-05:00")
    assert (told["start"], told["end"]) == ("2026-03-03T13:00:00Z", "2026-03-04T13:00:00Z")


async def test_a_wrong_wish_is_refused(library: Office):
    for wanted, status in (
        ({"job_type_id": 1}, 404),
        ({"location_id": 1}, 404),
        ({"technician_ids": [1]}, 404),
        ({"duration_minutes": 0}, 422),
        ({"durations": 5}, 422),
        ({"start": "2026-03-03T00:00:00Z", "end": "2026-03-01T00:00:00Z"}, 422),
    ):
        await library.send("POST", "/scheduling/slots", wanted, status)
    assert library.tenant == TENANT
