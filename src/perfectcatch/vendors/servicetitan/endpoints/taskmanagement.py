"""Tasks and the lists that tasks are made from."""

from perfectcatch.model.endpoint import Endpoint
from perfectcatch.vendors.servicetitan.endpoints._rows import ACTIVE, IDS, LISTED, Module

row = Module(
    "taskmanagement",
    root="/taskmanagement/v2/tenant/{tenant}/",
    scopes="tn.tsm.",
    schemas="TaskManagement.V2",
)

# A row is an entry of a table: name, path and sentence, then permission, schemas and query.
# fmt: off
ROWS: tuple[Endpoint, ...] = (
    # Lists for tasks
    row.item("data.get", "data", "Get the lists that a task is made from: types, sources, priorities",
        "data", ".ClientSideDataResponse"),
    # Tasks
    row.page("tasks.list", "tasks", "List tasks",
        "tasks", ".TaskGetResponse", LISTED, IDS, ACTIVE,
        "reportedBefore:date-time reportedOnOrAfter:date-time completeBefore:date-time",
        "completeOnOrAfter:date-time isClosed:boolean statuses name includeSubtasks:boolean",
        "businessUnitIds employeeTaskTypeIds employeeTaskSourceIds employeeTaskResolutionIds",
        "reportedById:integer assignedToId:integer involvedEmployeeIdList customerId:integer",
        "jobId:integer projectId:integer priorities taskNumber:integer jobNumber"),
    row.command("tasks.create", "POST tasks", "Create a task",
        "tasks", ".TaskCreateRequest", ".TaskCreateResponse"),
    row.item("tasks.get", "tasks/{id}", "Get one task",
        "tasks", ".TaskGetResponse", "includeSubtasks:boolean"),
    row.command("tasks_subtasks.create", "POST tasks/{id}/subtasks", "Add a subtask to a task",
        "tasks", ".SubtaskCreateRequest", ".SubtaskCreateResponse"),
)
# fmt: on
