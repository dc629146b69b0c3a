"""What a step gives where it is not done: in shadow mode and in a dry run it went well, and brought nothing.

The same names as a step that was done, so that conditions and templates behind it read the same.
"""

from perfectcatch.model.workflow import Approval, Call, Message, Result, Run, Step, Task


def supposed(step: Step) -> Result:
    """The result of ``step`` as if it had been done. Steps that ask a model have an answer of their own."""
    match step:
        case Message():
            return Result(outcome="sent", value={"message_id": None})
        case Task():
            return Result(value={"task_id": None})
        case Approval():
            return Result(outcome="approved", value={"answer": "approved"})
        case Call():
            return Result(value={"status": 200, "body": {}})
        case Run():
            return Result(value={"instance_id": None})
        case _:
            return Result(value={})
