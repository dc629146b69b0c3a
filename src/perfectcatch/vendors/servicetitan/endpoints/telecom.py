"""Calls and text-message opt-outs. The list of calls exists in two versions, the rest in one."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import ACTIVE, CREATED, IDS, LISTED, MODIFIED, Module

v2 = Module("telecom", root="/telecom/v2/tenant/{tenant}/", scopes="tn.tlc.", schemas="Module.Telecom.Shared")
v3 = Module("telecom", root="/telecom/v3/tenant/{tenant}/", scopes="tn.tlc.", schemas="Telecom.V3")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Calls
    v3.page("calls.list", "calls", "List calls",
        "calls", ".CallResponse", LISTED, IDS, ACTIVE,
        "createdAfter:date-time modifiedAfter:date-time campaignId:integer agentId:integer",
        "minDuration:integer phoneNumberCalled callerPhoneNumber agentName agentIsExternal:boolean",
        "agentExternalId:integer sid tag"),
    v2.page("calls.list_v2", "calls", "List calls (the older version)",
        "calls", ".V2.BundleCallModel", CREATED, MODIFIED,
        "modifiedAfter:date-time minDuration:integer phoneNumberCalled campaignId:integer",
        "agentId:integer agentName agentIsExternal:boolean agentExternalId:integer orderBy",
        "orderByDirection activeOnly:boolean createdAfter:date-time ids:integer[] page:integer",
        "pageSize:integer", answer="CollectionResult_Of_Module.Telecom.Shared.V2.BundleCallModel"),
    v2.item("calls.get", "calls/{id}", "Get one call", "calls", ".DetailedBundleCallModel"),
    v2.command("calls.replace", "PUT calls/{id}", "Update how a call is classified",
        "calls", ".CallInUpdateModelV2", ".DetailedCallModel"),
    v2.export("calls.export", "export/calls", "Export calls", "calls", "Telecom.V2.ExportCallResponse"),
    v2.file("calls_recording.get", "calls/{id}/recording", "Download the recording of a call",
        "calls", "binary"),
    v2.file("calls_voicemail.get", "calls/{id}/voicemail", "Download the voicemail of a call",
        "calls", "binary"),
    # Opt-outs
    v3.whole("optinouts_optouts.list", "optinouts/optouts",
        "List phone numbers that opted out of text messages", "", ".OptOutResponse",
        answer=".OptOutListResponse", current=False),
    v3.command("optinouts_optouts.create", "POST optinouts/optouts",
        "Record phone numbers as opted out of text messages", "", ".CreateOptOutListRequest",
        ".CreateOptOutListResponse", current=False),
    v3.ask("optinouts_optouts.query", "optinouts/optouts/getlist",
        "Ask which of the given phone numbers opted out", "", ".GetOptOutListRequest", ".OptOutListResponse",
        current=False),
)
# fmt: on
