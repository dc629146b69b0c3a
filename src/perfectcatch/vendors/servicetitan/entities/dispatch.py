"""Who goes where and when: assignments, and the time and skills of technicians."""

from perfectcatch.model.entity import (
    Convert,
    Entity,
    Inactive,
    Link,
    big,
    changed,
    export,
    flag,
    ids,
    moment,
    number,
    text,
    texts,
    whole,
)
from perfectcatch.model.event import appears, becomes

APPOINTMENT_ASSIGNMENTS = Entity(
    name="appointment_assignments",
    table="servicetitan.st_appointment_assignments",
    does="Technicians on appointments, one row each.",
    groups=("core",),
    feeds=export("dispatch.appointment_assignments.export", active="Any"),
    inactive_means=Inactive.DELETED,
    columns=(
        big("technician_id", ref="technicians"),
        text("technician_name"),
        big("job_id", ref="jobs"),
        big("appointment_id", ref="appointments"),
        text("status", does="Scheduled, Dispatched, Working or Done"),
        flag("is_paused"),
        moment("assigned_on"),
        big("assigned_by_id", does="The user that assigned the technician"),
    ),
    links=(
        Link(
            table="servicetitan.job_technicians",
            left="job_id",
            right="technician_id",
            does="Which technicians work on which job.",
        ),
    ),
    events=(
        appears("technician_assigned", "A technician was put on a visit."),
        becomes("technician_dispatched", "A technician was sent on the way.", "status", "Dispatched"),
        becomes("technician_arrived", "A technician has begun to work at the place.", "status", "Working"),
    ),
)

TEAMS = Entity(
    name="teams",
    table="public.scheduling_teams",
    does="Teams that technicians belong to.",
    groups=("reference", "scheduling"),
    feeds=changed("dispatch.teams.list", includeInactive="true"),
    reads_one="dispatch.teams.get",
    columns=(text("name"), big("created_by_id", "createdBy", does="The user that created it")),
)

ZONES = Entity(
    name="zones",
    table="public.scheduling_zones",
    does="Areas that work is planned by.",
    groups=("reference", "scheduling"),
    feeds=changed("dispatch.zones.list", active="Any"),
    reads_one="dispatch.zones.get",
    columns=(
        text("name"),
        texts("zips", index=True),
        texts("cities"),
        texts("territory_numbers"),
        texts("locn_numbers"),
        flag("service_days_enabled"),
        texts("service_days"),
        ids("business_unit_ids", "businessUnits"),
        ids("technician_ids", "technicians"),
        big("created_by_id", "createdBy", does="The user that created it"),
    ),
)

TECHNICIAN_SKILLS = Entity(
    name="technician_skills",
    table="public.scheduling_technician_skills",
    does="Which technician has which skill.",
    groups=("reference", "scheduling"),
    feeds=changed("dispatch.technician_skills.list", active="Any"),
    # The vendor documents this one id as text without a form, so a number is derived from it. The record
    # cannot be read by that number, hence no ``reads_one``.
    derived_key=("id",),
    columns=(
        text("skill_record_id", "id", does="The vendor's own id, which is text"),
        text("name", index=True),
        big("technician_id", ref="technicians"),
        ids("job_type_ids"),
    ),
)

TECHNICIAN_SHIFTS = Entity(
    name="technician_shifts",
    table="servicetitan.st_technician_shifts",
    does="Working time, time on call and time off of technicians.",
    groups=("scheduling",),
    feeds=changed("dispatch.technician_shifts.list", active="Any"),
    reads_one="dispatch.technician_shifts.get",
    inactive_means=Inactive.DELETED,
    columns=(
        big("technician_id", ref="technicians"),
        text("shift_type", does="Normal, OnCall or TimeOff"),
        text("title"),
        text("note"),
        moment("start_time", "start", index=True),
        moment("end_time", "end"),
        big("timesheet_code_id"),
    ),
)

ARRIVAL_WINDOWS = Entity(
    name="arrival_windows",
    table="public.scheduling_arrival_windows",
    does="Windows of the day that customers are offered.",
    groups=("scheduling",),
    feeds=whole("dispatch.arrival_windows.list", active="Any"),
    reads_one="dispatch.arrival_windows.get",
    created=None,
    modified=None,
    columns=(
        number("start_seconds", "start", convert=Convert.SECONDS, does="Seconds after midnight"),
        number("duration_seconds", "duration", convert=Convert.SECONDS),
        ids("business_unit_ids"),
    ),
)

NON_JOB_APPOINTMENTS = Entity(
    name="non_job_appointments",
    table="servicetitan.st_non_job_appointments",
    does="Time of a technician that is taken by something else than a job.",
    groups=("scheduling",),
    feeds=changed("dispatch.non_job_appointments.list", activeOnly="false"),
    # No ``reads_one``: the single read leaves out ``modifiedOn``, by which versions are told apart.
    inactive_means=Inactive.DELETED,
    columns=(
        big("technician_id", ref="technicians"),
        text("name"),
        text("summary"),
        moment("start_time", "start", index=True),
        number("duration_seconds", "duration", convert=Convert.SECONDS),
        flag("all_day"),
        flag("clear_dispatch_board"),
        flag("clear_technician_view"),
        flag("show_on_technician_schedule"),
        flag("remove_technician_from_capacity_planning"),
        big("timesheet_code_id"),
        big("created_by_id", does="The user that created it"),
    ),
)
