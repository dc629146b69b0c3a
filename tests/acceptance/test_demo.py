"""The first thing that a newcomer types."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_one_cycle_of_the_demo(reachable: Path) -> None:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("SERVICE", "DATABASE"))}
    done = subprocess.run(
        [sys.executable, "-m", "perfectcatch", "up", "--sandbox", "--once", "--json"],
        env=kept | {"PERFECTCATCH_DATA_DIR": str(reachable / "data")},
        cwd=reachable,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    first = {row["entity"]: row["created"] for row in told["entities"] if row["run"] == "full"}
    assert first["customers"] == 1696
    assert first["jobs"] == 3260
    assert first["estimates"] == 1247
    assert first["invoices"] == 3597
    assert first["appointments"] == 4156
    assert first["technicians"] == 14
    assert told["historical_events"]["job_created"] == 3260
    assert sum(told["events"].values()) > 20
    assert told["database"].startswith("postgresql://")
    assert "client_secret" not in done.stderr
