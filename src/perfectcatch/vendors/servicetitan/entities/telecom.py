"""Calls, and the reasons that they are filed under."""

from perfectcatch.model.entity import Convert, Entity, Inactive, big, changed, export, flag, number, text
from perfectcatch.model.event import All, Is, appears

_INBOUND = Is("direction", ("Inbound",))

CALLS = Entity(
    name="calls",
    table="servicetitan.st_calls",
    does="Telephone calls in and out.",
    groups=("core",),
    # The lists and the single read nest most of a call under ``leadCall`` and mean something else by
    # ``type``; only the export feed is flat, so nothing else is read.
    feeds=export("telecom.calls.export"),
    inactive_means=Inactive.DELETED,
    columns=(
        text("direction", does="Inbound or Outbound"),
        text("status", does="Ringing, Answered, Completed or Initiated"),
        text(
            "call_type", "type", does="Abandoned, Unbooked, Excused, Booked or NotLead; null if not filed yet"
        ),
        text("from_number", "from", convert=Convert.PHONE, index=True),
        text("to_number", "to", convert=Convert.PHONE, index=True),
        number("duration_seconds", "duration", convert=Convert.SECONDS),
        big("customer_id", "customer.id", ref="customers"),
        big("location_id", "location.id", ref="locations"),
        big("campaign_id", "campaign.id", ref="campaigns"),
        text("campaign_name", "campaign.name"),
        big("reason_id", "reason.id", ref="call_reasons"),
        text("reason_name", "reason.name"),
        big("job_id", "job.id", ref="jobs"),
        text("job_number", "job.number"),
        # No ``ref``: a lead names its call, so calls are read first.
        big("lead_id", "lead.id", index=True),
        big("agent_id", "agent.id"),
        text("agent_name", "agent.name"),
        big("created_by_id", "createdBy.id", does="The user that placed an outbound call"),
        text("excuse_memo"),
        text("tag"),
        text("recording_url"),
        text("voicemail_path", "voiceMailPath"),
    ),
    events=(
        appears("call_received", "Somebody has called.", when=_INBOUND),
        appears(
            "call_abandoned",
            "Somebody has called and hung up before anybody answered.",
            when=All((_INBOUND, Is("call_type", ("Abandoned",)))),
        ),
    ),
)

CALL_REASONS = Entity(
    name="call_reasons",
    table="servicetitan.st_call_reasons",
    does="Reasons that a call is filed under.",
    groups=("reference",),
    feeds=changed("jbce.call_reasons.list", active="Any"),
    columns=(text("name"), flag("is_lead", does="Whether such a call counts as a chance to book")),
)
