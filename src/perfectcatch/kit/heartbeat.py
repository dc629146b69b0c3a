"""A file that is touched while a process is alive, for a container's health check.

It goes stale by itself when the process ends or its event loop hangs. It is never removed: several workers
of one host may share it.
"""

from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from perfectcatch.errors import BadSetting
from perfectcatch.kit.clock import Clock

EVERY_SECONDS: Final = 30.0
STALE_SECONDS: Final = 120.0

log = structlog.get_logger(__name__)


async def beat(
    file: Path, clock: Clock, *, every: float = EVERY_SECONDS, setting: str = "HEARTBEAT_FILE"
) -> None:
    """Touch ``file`` every ``every`` seconds until cancelled.

    Raises BadSetting, naming ``setting``, when it cannot be written at the start; later trouble with the disk
    is logged once and does not end the worker.
    """
    try:
        _touch(file)
    except OSError as error:
        raise BadSetting(
            f"{setting} is {str(file)!r}, which cannot be written ({error.strerror}); name a writable path."
        ) from error
    silent = False
    while True:
        await clock.sleep(every)
        try:
            _touch(file)
        except OSError as error:
            if not silent:
                log.warning("the heartbeat file cannot be written", file=str(file), error=error.strerror)
            silent = True
        else:
            silent = False


def _touch(file: Path) -> None:
    file.touch()


def age_seconds(file: Path, now: datetime) -> float | None:
    """Seconds since the last beat, None when there never was one. More than STALE_SECONDS means trouble."""
    try:
        return now.timestamp() - file.stat().st_mtime
    except OSError:
        return None
