"""What every command begins with: settings, logging, and words that mean moments."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from perfectcatch.errors import BadArgument, BadSetting

if TYPE_CHECKING:
    from perfectcatch.settings import Settings
    from perfectcatch.store.pool import Pool
    from perfectcatch.sync.schedule import Crons


class MadeUp:
    """The made-up company of ``up --sandbox``: whether this process looks at it, and who it is."""

    chosen: ClassVar[bool] = False
    name = "Perfect Catch Air"
    postal_address = "1 Main Street, Miami FL 33101"

    # While the demo stays up: five working hours pass in the first minutes, then the company lives as we do,
    # with a change every ten seconds, so that what happens is minutes old and its messages are due.
    hours, speed, changes = 5, 120.0, 6

    @classmethod
    def life(cls) -> list[str]:
        """How it lives while it is looked at, as words for ``perfectcatch sandbox``: up to now, and on."""
        from perfectcatch.kit.clock import SystemClock
        from perfectcatch.sandbox.servicetitan import moments
        from perfectcatch.sandbox.servicetitan.life import hours

        now = moments.micros(SystemClock().now())
        ago = (now - hours.working_time_ago(now, cls.hours * hours.HOUR)) // moments.SECOND
        lively = ["--ago", f"{ago}s", "--speed", str(cls.speed), "--skip-quiet"]
        return [*lively, "--activity", str(cls.changes)]

    @classmethod
    def company(cls, settings: "Settings") -> dict[str, Any]:
        """Its settings, where the person has set none of their own."""
        return {
            "company_name": settings.company_name or cls.name,
            "company_postal_address": settings.company_postal_address or cls.postal_address,
        }


def prepared(*, quiet: bool = False, looks: bool = False, **overrides: Any) -> "Settings":
    """Read the settings and start logging; ``quiet``: a person watches the result, unless a level is set.

    ``looks``: the command changes nothing outside the database, so that it may look at a made-up company.
    """
    from perfectcatch.kit import log
    from perfectcatch.settings import load_settings

    settings = load_settings(**overrides)
    if MadeUp.chosen and not looks:
        raise BadArgument(
            "--sandbox goes with commands that only look: `perfectcatch up --sandbox` does everything else."
        )
    if MadeUp.chosen:
        settings = load_settings(**MadeUp.company(settings), **overrides)
    level = "warning" if quiet and "log_level" not in settings.model_fields_set else settings.log_level
    log.configure(level=level, style=settings.log_style, secrets=settings.secrets)
    if level != "debug":
        # What the pool warns of on its way, our own errors say when it matters.
        logging.getLogger("psycopg").setLevel(logging.ERROR)
    return settings


@asynccontextmanager
async def looking() -> "AsyncIterator[tuple[Pool, int]]":
    """A pool and the company, for commands that only look at the database."""
    from perfectcatch.app import companies_of, open_store

    settings = prepared(looks=True)
    async with open_store(settings, application="perfectcatch", sandbox=MadeUp.chosen) as pool:
        known = await companies_of(settings, pool)
        if not known:
            raise BadSetting(
                "Nothing has been read into this database yet: set the SERVICE_TITAN_ settings and run "
                "`perfectcatch sync full`. For a made-up company run `perfectcatch up --sandbox`, and add "
                "--sandbox to this command."
            )
        if len(known) > 1:
            raise BadSetting(
                "The database holds several companies: say which one with SERVICE_TITAN_TENANT_ID."
            )
        yield pool, known[0]


def moment(text: str) -> datetime:
    """A moment as a person writes it; without an offset it is the company's time, as in the API."""
    from perfectcatch.settings import load_settings

    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise BadArgument(
            f"{text!r} is no moment: write it like 2026-03-01 or 2026-03-01T14:00:00Z."
        ) from None
    return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(load_settings().service_titan_timezone))


def crons(settings: "Settings") -> "Crons":
    """The schedules as they are set."""
    from perfectcatch.sync.schedule import Crons

    return Crons(
        incremental=settings.sync_incremental_cron,
        full=settings.sync_full_cron,
        contacts_incremental=settings.contacts_incremental_cron,
        contacts_full=settings.contacts_full_cron,
        scheduling=settings.sync_scheduling_cron,
        pricebook=settings.sync_pricebook_cron,
        gaps=settings.sync_gaps_cron,
        clock_rules=settings.clock_rules_cron,
    )
