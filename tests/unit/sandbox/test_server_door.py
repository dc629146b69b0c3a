import json
from email.utils import parsedate_to_datetime

import pytest
from server_client import Caller, caller


@pytest.fixture(scope="module")
def quiet() -> Caller:
    return caller()


def test_a_token_is_given_for_the_right_form() -> None:
    answer = caller().token()

    body = json.loads(answer.body)
    assert answer.status == 200
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 900


def test_a_json_body_is_refused(quiet: Caller) -> None:
    answer = quiet.token('{"grant_type":"client_credentials"}', "application/json")

    assert answer.status == 400
    assert json.loads(answer.body) == {"error": "invalid_request"}


def test_wrong_credentials_are_invalid_client(quiet: Caller) -> None:
    answer = quiet.token("grant_type=client_credentials&client_id=x&client_secret=y")

    assert answer.status == 400
    assert json.loads(answer.body) == {"error": "invalid_client"}


def test_the_token_endpoint_is_throttled() -> None:
    who = caller(tokens_per_minute=3)

    statuses = [who.token().status for _ in range(3)]
    who.clock.advance(61)

    assert statuses == [200, 200, 429]
    assert who.token().status == 200


def test_a_token_expires() -> None:
    who = caller(token_seconds=30)
    assert who.ask("GET", "crm/customers").status == 200

    who.clock.advance(30)

    assert who.ask("GET", "crm/customers").status == 401
    who.log_in()
    assert who.ask("GET", "crm/customers").status == 200


@pytest.mark.parametrize("missing", ["Authorization", "ST-App-Key"])
def test_a_call_without_token_or_app_key_is_401(missing: str) -> None:
    who = caller()
    del who.headers[missing]

    assert who.refused("GET", "crm/customers")["status"] == 401


def test_another_tenant_is_403(quiet: Caller) -> None:
    answer = quiet.service.answer("GET", "/crm/v2/tenant/1/customers", "", quiet.headers)

    assert answer.status == 403


def test_unknown_paths_are_404_and_wrong_methods_405(quiet: Caller) -> None:
    assert quiet.refused("GET", "dispatch/appointments")["status"] == 404
    assert quiet.refused("GET", "dispatch/technicians")["status"] == 404
    assert quiet.refused("GET", "crm/customers/1")["status"] == 404
    assert quiet.refused("GET", "crm/customers/abc")["status"] == 404
    assert quiet.service.answer("GET", "/nowhere", "", quiet.headers).status == 404
    wrong = quiet.ask("POST", "sales/estimates/1/sell", {"soldBy": 1})
    assert (wrong.status, wrong.headers["Allow"]) == (405, "PUT")


def test_above_sixty_requests_a_second_comes_429_with_three_kinds_of_hints() -> None:
    who = caller(rate=60)
    allowed = [who.ask("GET", "settings/business-units").status for _ in range(60)]

    refused = [who.ask("GET", "settings/business-units") for _ in range(4)]

    assert allowed == [200] * 60
    assert [answer.status for answer in refused] == [429] * 4
    hints = [answer.headers.get("Retry-After") for answer in refused]
    assert hints[0] == "2"
    assert hints[1] is not None
    assert parsedate_to_datetime(hints[1]) > who.clock.now()
    assert hints[2] is None
    assert hints[3] == "2"
    who.clock.advance(1)
    assert who.ask("GET", "settings/business-units").status == 200
