"""Settings: where a value comes from, and the one sentence about a value that cannot be used."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from perfectcatch.errors import BadSetting
from perfectcatch.settings import (
    Settings,
    child_environment,
    described,
    load_settings,
    require,
)
from perfectcatch.settings.documents import env_example, markdown

NAMES = [setting.name for setting in described()]


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for setting in described():
        for name in (setting.name, *setting.old_names):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_those_that_we_publish():
    settings = load_settings()
    assert settings.database_url is None
    assert settings.database_max_connections == 20
    assert settings.service_titan_rate_limit == 50
    assert settings.service_titan_api_url == "https://api.servicetitan.io"
    assert settings.service_titan_timezone == "America/New_York"
    assert settings.sync_incremental_cron == "*/5 * * * *"
    assert settings.sync_full_cron == "0 2 * * *"
    assert settings.contacts_incremental_cron == "0 */4 * * *"
    assert settings.contacts_full_cron == "0 3 * * *"
    assert settings.heartbeat_file.name == "worker-heartbeat"


def test_the_environment_wins_over_the_file_and_an_override_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / ".env").write_text(
        "DATABASE_MAX_CONNECTIONS=5\nSERVICE_TITAN_RATE_LIMIT=7\nLOG_LEVEL=debug\n"
    )
    monkeypatch.setenv("DATABASE_MAX_CONNECTIONS", "6")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    settings = load_settings(log_level="warning")
    assert settings.database_max_connections == 6
    assert settings.service_titan_rate_limit == 7
    assert settings.log_level == "warning"


def test_an_account_of_a_stand_in_for_twilio_may_have_a_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "ACtest")
    monkeypatch.setenv("TWILIO_MESSAGING_SERVICE_SID", "MG00000000000000000000000000000001")
    assert load_settings().twilio_account_sid == "ACtest"


def test_an_empty_value_counts_as_absent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "")
    assert load_settings().database_url is None


def test_what_is_not_ours_in_the_file_is_left_alone(tmp_path: Path):
    (tmp_path / ".env").write_text("SOMEBODY_ELSES=1\n")
    load_settings()


def test_explicit_values_do_not_look_at_the_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_MAX_CONNECTIONS", "6")
    assert Settings.model_validate({"log_level": "debug"}).database_max_connections == 20


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("SERVICETITAN_DATABASE_URL", "database_url", "postgresql://localhost/a"),
        ("SERVICETITAN_API_KEY", "service_titan_app_key", "ak1.key"),
        ("SERVICETITAN_APP_KEY", "service_titan_app_key", "ak1.key"),
        ("SERVICETITAN_CLIENT_ID", "service_titan_client_id", "cid.one"),
    ],
)
def test_an_old_name_is_understood_with_a_warning(
    old: str, new: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv(old, value)
    with caplog.at_level(logging.WARNING):
        found = getattr(load_settings(), new)
    assert found.get_secret_value() == value
    assert f"{old} is the old name of {new.upper()}: rename it." in caplog.text
    assert value not in caplog.text


def test_the_new_name_wins_over_the_old_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SERVICETITAN_API_KEY", "old")
    monkeypatch.setenv("SERVICE_TITAN_APP_KEY", "new")
    key = load_settings().service_titan_app_key
    assert key is not None
    assert key.get_secret_value() == "new"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_MAX_CONNECTIONS", "many"),
        ("DATABASE_MAX_CONNECTIONS", "0"),
        ("SERVICE_TITAN_TENANT_ID", "acme"),
        ("SERVICE_TITAN_API_URL", "api.servicetitan.io"),
        ("SERVICE_TITAN_RATE_LIMIT", "0"),
        ("SERVICE_TITAN_RATE_LIMIT", "nan"),
        ("SERVICE_TITAN_TIMEZONE", "New York"),
        ("SERVICE_TITAN_TIMEZONE", "America"),
        ("SERVICE_TITAN_TIMEZONE", "../etc/passwd"),
        ("TWILIO_ACCOUNT_SID", "SK12"),
        ("TWILIO_MESSAGING_SERVICE_SID", "MG 12"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("ENVIRONMENT", "test"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_says_how_to_mend_it(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as refusal:
        load_settings()
    sentence = str(refusal.value)
    assert sentence.startswith(f'{name} is "{value}": give ')
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert refusal.value.exit_status == 2


@pytest.mark.parametrize("name", ["DATABASE_URL", "SERVICETITAN_DATABASE_URL"])
@pytest.mark.parametrize(
    "value", ["mysql://u:hunter22@h/db", "u:hunter22@h", "postgresql://u:hunter22@h:port/d"]
)
def test_a_wrong_secret_is_never_shown(name: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match=r"^DATABASE_URL cannot be used: give ") as refusal:
        load_settings()
    assert "hunter22" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_password_inside_another_address_is_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SERVICE_TITAN_API_URL", "ftp://u:hunter22@host")
    with pytest.raises(BadSetting) as refusal:
        load_settings()
    assert "hunter22" not in str(refusal.value)


@pytest.mark.parametrize("value", ["*/10 * * * *", "30 */10 * * * *"])
def test_a_schedule_has_five_fields_or_six(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNC_INCREMENTAL_CRON", value)
    assert load_settings().sync_incremental_cron == value


@pytest.mark.parametrize("value", ["every night", "61 * * * *"])
def test_a_wrong_schedule_names_its_setting(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNC_FULL_CRON", value)
    with pytest.raises(BadSetting, match=f"^SYNC_FULL_CRON is {re.escape(repr(value))}, .*write for example"):
        load_settings()


def test_a_schedule_can_be_switched_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SYNC_PRICEBOOK_CRON", "Off")
    assert load_settings().sync_pricebook_cron is None


def test_a_file_that_is_no_text_is_named(tmp_path: Path):
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(BadSetting, match=r"^The file \.env cannot be read"):
        load_settings()


def test_required_settings_are_named_together():
    settings = Settings.model_validate({"service_titan_client_id": "cid"})
    require(settings, "SERVICE_TITAN_CLIENT_ID")
    with pytest.raises(BadSetting, match=r"^SERVICE_TITAN_TENANT_ID and SERVICE_TITAN_APP_KEY are missing: "):
        require(settings, "SERVICE_TITAN_CLIENT_ID", "SERVICE_TITAN_TENANT_ID", "SERVICE_TITAN_APP_KEY")
    with pytest.raises(BadSetting, match=r"^SERVICE_TITAN_APP_KEY is missing: "):
        require(settings, "SERVICE_TITAN_APP_KEY")


def test_secrets_are_collected_and_never_printed():
    settings = Settings.model_validate(
        {
            "database_url": "postgresql://me:p%40ss@host/db",
            "service_titan_client_secret": "cs.abc",
            "service_titan_app_key": "ak1.def",
        }
    )
    assert set(settings.secrets) == {"p%40ss", "p@ss", "cs.abc", "ak1.def"}
    assert not any(secret in repr(settings) for secret in settings.secrets)


def test_a_process_that_we_start_has_our_environment_with_changes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setenv("SOMEBODY_ELSES", "1")
    environment = child_environment(log_level=None, log_format="console", database_max_connections=7)
    assert "LOG_LEVEL" not in environment
    assert environment["LOG_FORMAT"] == "console"
    assert environment["DATABASE_MAX_CONNECTIONS"] == "7"
    assert environment["SOMEBODY_ELSES"] == "1"


def test_the_log_suits_the_environment():
    assert Settings.model_validate({}).log_style == "console"
    assert Settings.model_validate({"environment": "production"}).log_style == "json"
    assert (
        Settings.model_validate({"environment": "production", "log_format": "console"}).log_style == "console"
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_setting_is_in_both_documents(name: str):
    assert f"\n# {name}=" in env_example()
    assert f"\n| `{name}` |" in markdown()


def test_the_example_file_uncommented_is_valid(tmp_path: Path):
    lines = env_example().splitlines()
    switched_on = [
        line.removeprefix("# ") for line in lines if line.startswith(tuple(f"# {n}=" for n in NAMES))
    ]
    (tmp_path / ".env").write_text("\n".join(switched_on))
    assert load_settings() == Settings()


def test_the_documents_are_written_by_a_command():
    command = [sys.executable, "-m", "perfectcatch.settings"]
    done = subprocess.run([*command, "markdown"], capture_output=True, text=True, check=True)
    assert done.stdout == markdown()
    refused = subprocess.run([*command, "poem"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("usage: ")
