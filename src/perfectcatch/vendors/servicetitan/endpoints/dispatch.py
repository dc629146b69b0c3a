"""Assignments, capacity, shifts, skills, teams and zones.

A job's appointments are in module jpm; technicians are in module settings.
"""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import (
    ACTIVE,
    CREATED,
    IDS,
    LISTED,
    PAGING,
    REFERENCE,
    Module,
)

row = Module("dispatch", root="/dispatch/v2/tenant/{tenant}/", scopes="tn.dis.", schemas="Dispatch.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Appointment assignments
    row.page("appointment_assignments.list", "appointment-assignments",
        "List which technicians are assigned to which appointments", "appointmentassignments",
        ".AppointmentAssignmentResponse", LISTED, IDS, ACTIVE, "appointmentIds jobId:integer"),
    row.command("appointment_assignments.assign_technicians",
        "POST appointment-assignments/assign-technicians",
        "Assign technicians to an appointment", "appointmentassignments", ".AssignTechniciansRequest",
        ".AppointmentResponse"),
    row.command("appointment_assignments.unassign_technicians",
        "POST appointment-assignments/unassign-technicians",
        "Take technicians off an appointment", "appointmentassignments", ".UnassignTechniciansRequest",
        ".AppointmentResponse"),
    row.export("appointment_assignments.export", "export/appointment-assignments",
        "Export appointment assignments", "appointmentassignments", ".ExportAppointmentAssignmentsResponse",
        ACTIVE),
    # Arrival windows
    row.page("arrival_windows.list", "arrival-windows", "List arrival windows",
        "arrivalwindows", ".ArrivalWindowResponse", PAGING, CREATED, ACTIVE, fresh_seconds=REFERENCE),
    row.command("arrival_windows.create", "POST arrival-windows", "Create an arrival window",
        "arrivalwindows", ".CreateArrivalWindowRequest", ".ArrivalWindowResponse"),
    row.item("arrival_windows.get", "arrival-windows/{id}", "Get one arrival window",
        "arrivalwindows", ".ArrivalWindowResponse"),
    row.command("arrival_windows.replace", "PUT arrival-windows/{id}", "Replace an arrival window",
        "arrivalwindows", ".UpdateArrivalWindowRequest", ".ArrivalWindowResponse"),
    row.command("arrival_windows.activated", "PUT arrival-windows/{id}/activated",
        "Switch an arrival window on or off", "arrivalwindows", ".SetArrivalWindowStatusRequest"),
    row.command("arrival_windows_configuration.create", "POST arrival-windows/configuration",
        "Set how arrival windows are configured", "arrivalwindows",
        ".UpdateArrivalWindowConfigurationRequest", ".ArrivalWindowConfigurationResponse"),
    row.item("arrival_windows_configuration.get", "arrival-windows/configuration",
        "Get how arrival windows are configured", "arrivalwindows", ".ArrivalWindowConfigurationResponse"),
    # Business hours
    row.command("business_hours.create", "POST business-hours", "Set the business hours",
        "businesshours", ".CreateBusinessHourRequest", ".CreateBusinessHourResponse"),
    row.item("business_hours.get", "business-hours", "Get the business hours",
        "businesshours", ".BusinessHourModel"),
    # Capacity
    row.ask("adcap_availability.get", "adcap/availability",
        "Ask for the open capacity of adjustable capacity planning", "",
        "Capacity.V2.GetAvailabilityRequestArgs", "Capacity.V2.GetAvailabilityResponse", current=False),
    row.ask("adcap_availability_slots.get", "adcap/availability/slots",
        "Ask for the open slots of adjustable capacity planning", "",
        "Capacity.V2.GetAvailabilityRequestArgs", "Capacity.V2.GetAvailabilitySlotsResponse", current=False),
    row.ask("capacity.get", "capacity", "Ask for the capacity that is free for booking",
        "capacity", ".CapacityRequestArgs", ".CapacityResponse"),
    # GPS positions
    row.command("gps_provider_gps_pings.create", "POST gps-provider/{gps_provider:string}/gps-pings",
        "Report positions of vehicles", "gpspings", "array<.GpsPingCreateRequest>",
        "array<.GpsPingResponse>"),
    # Non-job appointments
    row.page("non_job_appointments.list", "non-job-appointments", "List non-job appointments",
        "nonjobappointments", ".NonJobAppointmentResponse", LISTED, IDS,
        "technicianId:integer startsOnOrAfter:date-time startsOnOrBefore:date-time",
        "timesheetCodeId:integer activeOnly:boolean showOnTechnicianSchedule:boolean"),
    row.command("non_job_appointments.create", "POST non-job-appointments", "Create a non-job appointment",
        "nonjobappointments", ".CreateNonJobAppointmentRequest",
        "Dispatch.Contracts.NonJobAppointment.CreateNonJobAppointmentResult"),
    row.item("non_job_appointments.get", "non-job-appointments/{id}", "Get one non-job appointment",
        "nonjobappointments", ".GetNonJobAppointmentResponse"),
    row.command("non_job_appointments.replace", "PUT non-job-appointments/{id}",
        "Replace a non-job appointment", "nonjobappointments", ".NonJobAppointmentUpdateRequest",
        ".GetNonJobAppointmentResponse"),
    row.command("non_job_appointments.delete", "DELETE non-job-appointments/{id}",
        "Delete a non-job appointment", "nonjobappointments", None,
        "Dispatch.Contracts.NonJobAppointment.DeleteNonJobAppointmentResult"),
    # Teams
    row.page("teams.list", "teams", "List teams",
        "teams", ".TeamResponse", LISTED, "includeInactive:boolean", fresh_seconds=REFERENCE),
    row.command("teams.create", "POST teams", "Create a team",
        "teams", ".CreateTeamRequest", ".CreateTeamResponse"),
    row.item("teams.get", "teams/{id}", "Get one team", "teams", ".TeamResponse"),
    row.command("teams.delete", "DELETE teams/{id}", "Delete a team", "teams"),
    # Technician shifts
    row.page("technician_shifts.list", "technician-shifts", "List technician shifts",
        "technicianshifts", ".TechnicianShiftResponse", LISTED, ACTIVE,
        "startsOnOrAfter:date-time endsOnOrBefore:date-time shiftType=Normal|OnCall|TimeOff",
        "technicianId:integer titleContains noteContains"),
    row.command("technician_shifts.create", "POST technician-shifts", "Create a technician shift",
        "technicianshifts", ".CreateTechnicianShiftRequest", ".TechnicianShiftCreateResponse"),
    row.item("technician_shifts.get", "technician-shifts/{id}", "Get one technician shift",
        "technicianshifts", ".TechnicianShiftResponse"),
    row.command("technician_shifts.update", "PATCH technician-shifts/{id}", "Update a technician shift",
        "technicianshifts", ".UpdateTechnicianShiftRequest", ".TechnicianShiftUpdateResponse"),
    row.command("technician_shifts.delete", "DELETE technician-shifts/{id}", "Delete a technician shift",
        "technicianshifts", None, "Dispatch.Contracts.TechnicianShift.DeleteTechnicianShiftResult"),
    row.command("technician_shifts.bulk_delete", "POST technician-shifts/bulk-delete",
        "Delete many technician shifts", "technicianshifts", ".BulkDeleteTechnicianShiftRequest",
        "Dispatch.Contracts.TechnicianShift.BulkDeleteTechnicianShiftResult"),
    # Technician skills
    row.page("technician_skills.list", "technician-skills", "List technician skills",
        "technicianskills", ".TechnicianSkillResponse", LISTED, ACTIVE, "technicianId:integer",
        fresh_seconds=REFERENCE),
    row.command("technician_skills.create", "POST technician-skills", "Create a technician skill",
        "technicianskills", ".CreateTechnicianSkillRequest", ".TechnicianSkillResponse"),
    row.item("technician_skills.get", "technician-skills/{id:string}", "Get one technician skill",
        "technicianskills", ".TechnicianSkillResponse"),
    row.command("technician_skills.update", "PATCH technician-skills", "Set the skills of a technician",
        "technicianskills", ".UpdateTechnicianSkillsRequest", ".UpdateTechnicianSkillsResponse"),
    row.command("technician_skills.delete", "DELETE technician-skills/{id:string}",
        "Delete a technician skill", "technicianskills", None,
        "Dispatch.Contracts.TechnicianSkill.DeleteTechnicianSkillResult"),
    # Technician tracking
    row.item("technician_tracking.get", "technician-tracking",
        "Get the link on which a customer follows the technician", "techniciantracking",
        ".TechnicianTrackingResponse", "!technicianId:integer !appointmentId:integer"),
    # Zones
    row.page("zones.list", "zones", "List zones", "zones", ".ZoneResponse", LISTED, ACTIVE,
        fresh_seconds=REFERENCE),
    row.command("zones.create", "POST zones", "Create a zone",
        "zones", ".CreateOrUpdateZoneRequestArgs", ".CreateOrUpdateZoneResponse"),
    row.item("zones.get", "zones/{id}", "Get one zone", "zones", ".ZoneResponse"),
    row.command("zones.update", "PATCH zones/{zoneId}", "Update a zone",
        "zones", ".CreateOrUpdateZoneRequestArgs", ".CreateOrUpdateZoneResponse"),
    row.command("zones.delete", "DELETE zones/{zoneId}", "Delete a zone", "zones"),
)
# fmt: on
