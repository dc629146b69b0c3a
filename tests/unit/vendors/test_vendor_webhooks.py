"""The vendor's webhooks: who signed them, and what they are about."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.model.webhook import Hint
from perfectcatch.vendors.servicetitan.webhooks import HEADER, Webhooks

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SECRET, OLD = "n" * 32, "o" * 32
BODY = b'{"eventId": "e1", "eventType": "job.completed", "data": {"id": 5}}'
HOOKS = Webhooks(secret=SECRET)


def digest(body: bytes = BODY, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), body, sha256).digest()


def signed(text: str) -> dict[str, str]:
    return {HEADER: text}


@pytest.mark.parametrize(
    "text",
    [
        digest().hex(),
        digest().hex().upper(),
        base64.b64encode(digest()).decode(),
        "sha256=" + digest().hex(),
        f" {digest().hex()} ",
    ],
)
def test_hexadecimal_and_base64_are_understood(text: str) -> None:
    assert HOOKS.verify(signed(text), BODY, NOW)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, BODY),
        (signed(""), BODY),
        (signed("sha256="), BODY),
        (signed(digest().hex()[:-2]), BODY),
        (signed(digest().hex() + "00"), BODY),
        (signed(digest(secret="x" * 32).hex()), BODY),
        (signed(digest().hex()), BODY + b" "),
        (signed(hmac.new(SECRET.encode(), BODY, "sha1").hexdigest()), BODY),
        ({"x-other-signature": digest().hex()}, BODY),
        (signed("é" * 64), BODY),
    ],
)
def test_everything_else_is_refused(headers: dict[str, str], body: bytes) -> None:
    assert not HOOKS.verify(headers, body, NOW)


def test_without_a_secret_nothing_is_accepted() -> None:
    for secret in (None, ""):
        hooks = Webhooks(secret=secret)
        assert not hooks.verify(signed(digest(secret="").hex()), BODY, NOW)
        assert not hooks.verify({}, BODY, NOW)


def test_an_old_secret_holds_until_its_moment() -> None:
    hooks = Webhooks(secret=SECRET, old_secret=OLD, old_secret_until=NOW)
    old = signed(digest(secret=OLD).hex())
    assert hooks.verify(old, BODY, NOW - timedelta(microseconds=1))
    assert not hooks.verify(old, BODY, NOW)
    assert hooks.verify(signed(digest().hex()), BODY, NOW)
    assert not Webhooks(secret=SECRET, old_secret=OLD).verify(old, BODY, NOW)


@pytest.mark.parametrize(
    ("happening", "hint"),
    [
        ({"eventType": "job.completed", "data": {"id": 5}}, Hint("jobs", 5)),
        ({"event": "customer.created", "customerId": 7, "id": "evt_1"}, Hint("customers", 7)),
        ({"type": "appointmentScheduled", "payload": {"appointmentId": "12"}}, Hint("appointments", 12)),
        ({"event_type": "paymentReceived", "entityId": 3}, Hint("payments", 3)),
        ({"eventName": "installed-equipment.updated", "data": {"id": 9}}, Hint("installed_equipment", 9)),
        ({"eventType": "customer_contact.deleted", "data": {"id": 9}}, Hint("customer_contacts", 9)),
        ({"eventType": "estimate.sold", "data": {"id": "not a number"}}, Hint("estimates", None)),
        ({"eventType": "invoice.updated"}, Hint("invoices", None)),
    ],
)
def test_what_it_is_about(happening: dict[str, Any], hint: Hint) -> None:
    assert HOOKS.read({}, json.dumps(happening).encode()).hints == (hint,)


def test_the_event_may_stand_in_a_header() -> None:
    read = HOOKS.read({"x-servicetitan-event": "lead.created"}, b'{"id": 4}')
    assert (read.event_type, read.hints) == ("lead.created", (Hint("leads", 4),))


def test_a_list_is_one_delivery() -> None:
    body = b'[{"eventType": "job.updated", "id": 1, "eventId": "a"}, {"eventType": "call.ended", "id": 2}]'
    read = HOOKS.read({}, body)
    assert read.hints == (Hint("jobs", 1), Hint("calls", 2))
    assert read.event_id is None


@pytest.mark.parametrize("body", [b"", b"no json", b"null", b"[]", b'"text"', b"[1, null]", b"{}", b"\xff"])
def test_what_cannot_be_read_gives_no_hint(body: bytes) -> None:
    assert HOOKS.read({}, body).hints == ()


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["eventType", "event", "id", "data", "eventId", "payload", "x"]), inner
            )
        ),
    )
)
def test_no_body_breaks_it(said: Any) -> None:
    HOOKS.read({}, json.dumps(said).encode())
