"""What is taken out before anybody may read it."""

import pytest

from perfectcatch.kit import redact

CANARY = "canary-4711-secret"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"grant_type=client_credentials&client_secret={CANARY}&x=1",
        f'{{"access_token": "{CANARY}", "x": 1}}',
        f"ST-App-Key: {CANARY}",
        f"'app_key': '{CANARY}'",
        f"password={CANARY}",
        f"Basic {CANARY}",
    ],
)
def test_secrets_are_hidden_in_text(text: str) -> None:
    assert CANARY not in redact.text(text)
    assert redact.HIDDEN in redact.text(text)


def test_ordinary_text_stays() -> None:
    sentence = "pageSize: must be between 1 and 5000 for tenant 123456"
    assert redact.text(sentence) == sentence


def test_headers() -> None:
    given = {"Authorization": CANARY, "ST-App-Key": CANARY, "Set-Cookie": CANARY, "Accept": "text/plain"}
    assert redact.headers(given) == {
        "Authorization": "[hidden]",
        "ST-App-Key": "[hidden]",
        "Set-Cookie": "[hidden]",
        "Accept": "text/plain",
    }


def test_urls_keep_the_names_of_their_query() -> None:
    assert (
        redact.url(f"https://user:{CANARY}@host/a?sig={CANARY}&page=1") == "https://host/a?sig=...&page=..."
    )
    assert redact.url("https://host/a") == "https://host/a"


def test_samples_of_json_show_structure_only() -> None:
    body = b'{"id": 1, "name": "Jane Doe", "phone": "+1 (813) 555-0123", "note": "cut off he'
    shown = redact.sample(body)
    assert '"name"' in shown
    for personal in ("Jane", "Doe", "813", "0123", "cut off"):
        assert personal not in shown


def test_samples_of_pages_hide_addresses_and_numbers() -> None:
    body = (
        b"\xef\xbb\xbf<html>\n<title>Sign in</title> jane@example.com 813-555-0123 \xff\x00 Bearer abcdefghij"
    )
    shown = redact.sample(body)
    assert shown.startswith("<html> <title>Sign in</title> [e-mail] [number]")
    assert "abcdefghij" not in shown


def test_samples_are_short() -> None:
    assert len(redact.sample(b"x" * 10_000)) < 200
    assert redact.sample(b"") == ""
