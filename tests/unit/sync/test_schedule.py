"""The rows of the schedule: one per setting, off when switched off, refused by the setting's name."""

from dataclasses import fields

import pytest

from perfectcatch.errors import BadSetting
from perfectcatch.settings import Settings
from perfectcatch.sync.modes import MODES
from perfectcatch.sync.schedule import CLOCK_RULES, GAPS, Crons, schedule


def test_every_row_runs_something_that_exists_under_its_own_name() -> None:
    rows = schedule(Crons())
    assert {row.mode for row in rows} <= {*MODES, CLOCK_RULES, GAPS}
    assert len({row.name for row in rows}) == len(rows) == len(fields(Crons))


def test_a_run_that_is_switched_off_has_no_row() -> None:
    assert "sync.pricebook" not in {row.name for row in schedule(Crons(pricebook=None))}


@pytest.mark.parametrize("name", [field.name for field in fields(Crons)])
def test_a_wrong_cron_is_refused_by_the_name_of_its_setting(name: str) -> None:
    with pytest.raises(BadSetting) as refusal:
        schedule(Crons(**{name: "every day"}))
    setting = str(refusal.value).split()[0]
    assert setting.endswith("_CRON")
    assert setting.lower() in Settings.model_fields
    assert name.upper() in setting
