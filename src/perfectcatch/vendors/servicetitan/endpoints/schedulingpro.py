"""Online schedulers and how they perform."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import DATED, Module

row = Module(
    "schedulingpro", root="/schedulingpro/v2/tenant/{tenant}/", scopes="tn.sp.", schemas="SchedulingPro.V2"
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Routers
    row.item("routers_performance.get", "routers/{id:string}/performance", "Get the performance of a router",
        "schedulers", ".RouterPerformanceResponse",
        "!sessionCreatedOnOrAfter:date-time !sessionCreatedBefore:date-time"),
    row.page("routers_sessions.list", "routers/{id:string}/sessions", "List the sessions of a router",
        "schedulers", ".RouterSessionResponse", DATED),
    # Schedulers
    row.page("schedulers.list", "schedulers", "List schedulers", "schedulers", ".SchedulerResponse", DATED),
    row.item("schedulers_performance.get", "schedulers/{id:string}/performance",
        "Get the performance of a scheduler", "schedulers", ".SchedulerPerformanceResponse",
        "!sessionCreatedOnOrAfter:date-time !sessionCreatedBefore:date-time"),
    row.page("schedulers_sessions.list", "schedulers/{id:string}/sessions",
        "List the sessions of a scheduler", "schedulers", ".SchedulerSessionResponse", DATED),
)
# fmt: on
