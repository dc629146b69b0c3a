"""Makes processes of the product quickly: everything is imported once, each command runs in a fork of it.

forge.py reads a line of JSON, {"words": [...], "environment": {...}, "errors": FILE}, forks, and answers with
the process number. A line {"ended": pid} is answered with null while it runs, and then with its exit status;
that is negative for a signal.
"""

import json
import os
import sys

import perfectcatch.app
import perfectcatch.cli.db
import perfectcatch.cli.sync
import perfectcatch.cli.worker
import perfectcatch.store.jobs.queue
import perfectcatch.sync.worker  # noqa: F401 - imported before the first fork
from perfectcatch.cli import main


def child(order: dict[str, object]) -> None:
    os.setsid()
    log = os.open(str(order["errors"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[arg-type]
    os.chdir("/")
    sys.argv = ["perfectcatch", *order["words"]]  # type: ignore[misc]
    try:
        main()
    except SystemExit as ended:
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    except BaseException as problem:  # noqa: BLE001 - told, and ended with
        os.write(2, repr(problem).encode())
        os._exit(70)
    os._exit(0)


for line in sys.stdin:
    told = json.loads(line)
    answer: int | None = None
    if "ended" in told:
        pid, status = os.waitpid(told["ended"], os.WNOHANG)
        answer = os.waitstatus_to_exitcode(status) if pid else None
    else:
        answer = os.fork()
        if answer == 0:
            child(told)
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
