"""What keeps a server from serving real people's data carelessly."""

import pytest

from perfectcatch.errors import BadSetting
from perfectcatch.settings import Settings, production
from perfectcatch.settings.production import refuse_unsafe, unsafe

SAFE = {
    "environment": "production",
    "secret_key": "k" * 32,
    "service_titan_webhook_secret": "w" * 32,
    "public_base_url": "https://api.example.com",
    "database_url": "postgresql://app:8f2c1d90@db.example.com/perfectcatch",
}


@pytest.fixture(autouse=True)
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(production.os, "geteuid", lambda: 1000)


def test_careful_settings_are_accepted() -> None:
    refuse_unsafe(Settings(**SAFE))
    refuse_unsafe(Settings(**SAFE | {"database_url": None}))


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"secret_key": None}, "SECRET_KEY"),
        ({"secret_key": "k" * 31}, "SECRET_KEY"),
        ({"service_titan_webhook_secret": None}, "SERVICE_TITAN_WEBHOOK_SECRET"),
        ({"service_titan_webhook_secret": "short"}, "SERVICE_TITAN_WEBHOOK_SECRET"),
        ({"public_base_url": None}, "PUBLIC_BASE_URL"),
        ({"public_base_url": "http://api.example.com"}, "PUBLIC_BASE_URL"),
        ({"service_titan_api_url": "http://api.servicetitan.io"}, "SERVICE_TITAN_API_URL"),
        ({"service_titan_api_url": "https://localhost:4010"}, "SERVICE_TITAN_API_URL"),
        ({"service_titan_auth_url": "http://127.0.0.1:4010/connect/token"}, "SERVICE_TITAN_AUTH_URL"),
        ({"service_titan_api_url": "https://127.8.0.1"}, "SERVICE_TITAN_API_URL"),
        ({"twilio_api_url": "http://api.twilio.com"}, "TWILIO_API_URL"),
        ({"twilio_api_url": "https://127.0.0.1:4011"}, "TWILIO_API_URL"),
        ({"sendgrid_api_url": "http://localhost:4012"}, "SENDGRID_API_URL"),
        ({"sendgrid_api_url": "https://[::1]:4012"}, "SENDGRID_API_URL"),
        ({"anthropic_base_url": "https://vendor.localhost"}, "ANTHROPIC_BASE_URL"),
        ({"anthropic_base_url": "http://api.anthropic.com"}, "ANTHROPIC_BASE_URL"),
        ({"database_url": "postgresql://app:postgres@db.example.com/x"}, "DATABASE_URL"),
        ({"database_url": "postgresql://app@db.example.com/x"}, "DATABASE_URL"),
        ({"api_rate_limit": 0}, "API_RATE_LIMIT"),
        ({"log_level": "debug"}, "LOG_LEVEL"),
    ],
)
def test_each_carelessness_is_named(changed: dict[str, object], names: str) -> None:
    [reason] = unsafe(Settings(**SAFE | changed))
    assert names in reason
    with pytest.raises(BadSetting, match=names):
        refuse_unsafe(Settings(**SAFE | changed))


def test_nobody_serves_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(production.os, "geteuid", lambda: 0)
    assert list(unsafe(Settings(**SAFE))) == ["the server runs as root: start it as an ordinary user"]


def test_elsewhere_nothing_is_asked() -> None:
    refuse_unsafe(Settings())


def test_all_reasons_come_at_once() -> None:
    with pytest.raises(BadSetting) as refused:
        refuse_unsafe(Settings(environment="production"))
    assert str(refused.value).count(";") == 2
