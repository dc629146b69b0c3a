"""Makes processes of the product quickly: everything is imported once, each command runs in a fork of it.

forge.py reads a line of JSON, {"words": [...], "environment": {...}, "errors": FILE, "output": FILE}, forks,
and answers with the process number; without "output" both streams go to one file. "constants" holds other
values of the product's own, by "module:NAME", for what would need a large company to be seen. A line
{"ended": pid} is answered with null while it runs, then with its exit status; that is negative for a signal.
"""

import importlib
import json
import os
import sys

import perfectcatch.app
import perfectcatch.cli.db
import perfectcatch.cli.sandbox
import perfectcatch.cli.sync
import perfectcatch.cli.worker
import perfectcatch.cli.workflow
import perfectcatch.sandbox.servicetitan.server
import perfectcatch.store.jobs.queue
import perfectcatch.sync.worker
import perfectcatch.workflows.shelf  # noqa: F401 - imported before the first fork
from perfectcatch.cli import main


def child(order: dict[str, object]) -> None:
    os.setsid()
    log = os.open(str(order["errors"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 2)
    os.dup2(_file(order["output"]) if "output" in order else log, 1)
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[arg-type]
    os.chdir("/")
    for name, value in order.get("constants", {}).items():  # type: ignore[attr-defined]
        module, _, constant = name.partition(":")
        setattr(importlib.import_module(module), constant, value)
    sys.argv = ["perfectcatch", *order["words"]]  # type: ignore[misc]
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException as problem:  # noqa: BLE001 - told, and ended with
        os.write(2, repr(problem).encode())
        status = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _file(path: object) -> int:
    return os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)


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
