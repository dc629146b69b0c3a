"""What the processes that ``up`` starts are told."""

import pytest

from perfectcatch.cli.up import _shared
from perfectcatch.settings import Settings, child_environment


@pytest.mark.parametrize("cron", ["off", "0 * * * *"])
def test_a_schedule_that_is_off_stays_off(cron: str):
    told = child_environment(**_shared(Settings(ghl_sync_cron=cron, ghl_api_key="pit-1")))  # type: ignore[arg-type]
    assert (told["GHL_SYNC_CRON"], told["GHL_API_KEY"]) == (cron, "pit-1")
