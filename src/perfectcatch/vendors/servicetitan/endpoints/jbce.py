"""Call reasons, as chosen when a job is booked."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import ACTIVE, LISTED, REFERENCE, Module

row = Module("jbce", root="/jbce/v2/tenant/{tenant}/", scopes="tn.jbce.", schemas="Jbce.V2")

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Call reasons
    row.page("call_reasons.list", "call-reasons", "List call reasons",
        "callreasons", ".CallReasonResponse", LISTED, ACTIVE, fresh_seconds=REFERENCE),
)
# fmt: on
