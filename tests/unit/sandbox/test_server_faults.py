"""What can be made to go wrong: each kind strikes as its row says, by seed, and never the control surface."""

import contextlib
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from server_client import Caller, caller

from perfectcatch.kit.clock import FakeClock
from perfectcatch.sandbox.servicetitan.answers import Answer
from perfectcatch.sandbox.servicetitan.company import generate
from perfectcatch.sandbox.servicetitan.faults.kinds import KINDS
from perfectcatch.sandbox.servicetitan.faults.values import AWKWARD, DRIFTS

FEED = "crm/export/customers"
RECENT = {"includeRecentChanges": "true"}


COLLECTIONS = {"crm.customers", "crm.locations", "jpm.jobs", "accounting.invoices"}


@pytest.fixture(scope="module")
def records() -> list[tuple[str, Any]]:
    company = generate(7, 120, now=FakeClock().now())
    return [(name, record) for name, record in company if name in COLLECTIONS]


@pytest.fixture
def who(records: list[tuple[str, Any]]) -> Caller:
    who = caller(export_page_size=100, token_seconds=86_400, tokens_per_minute=1000, records=records)
    who.clock.advance(901)
    return who


def control(who: Caller, method: str, name: str, query: str = "", **body: Any) -> Any:
    answer = who.control.answer(method, f"/_sandbox/{name}", query, json.dumps(body).encode())
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def fault(who: Caller, kind: str, **facts: Any) -> int:
    number: int = control(who, "POST", "faults", kind=kind, **facts)["id"]
    return number


def page(answer: Answer) -> Any:
    return json.loads(answer.body)


def ids(answer: Answer) -> list[int]:
    return [record["id"] for record in page(answer)["data"]]


def walk(who: Caller) -> tuple[list[int], str]:
    """Every id of the feed, and where it ends."""
    seen: list[int] = []
    token, more = "", True
    while more:
        answer = page(who.ask("GET", FEED, **RECENT, **{"from": token}))
        seen += [record["id"] for record in answer["data"]]
        token, more = answer["continueFrom"], answer["hasMore"]
    return seen, token


# When a fault strikes ------------------------------------------------------------------------------


def test_a_fault_strikes_after_some_each_so_many_and_so_often(who: Caller) -> None:
    fault(who, "5xx", on="crm.customers", after=2, every=3, times=2)
    statuses = [who.ask("GET", "crm/customers").status for _ in range(14)]
    assert [at for at, status in enumerate(statuses) if status == 503] == [4, 7]
    assert who.ask("GET", "crm/locations").status == 200
    [row] = control(who, "GET", "faults")["faults"]
    assert (row["matched"], row["struck"]) == (14, 2)


def test_a_share_is_drawn_by_seed_and_order(who: Caller) -> None:
    def drawn(seed: int) -> list[int]:
        number = fault(who, "5xx", share=0.2, seed=seed, on="crm.customers")
        statuses = [who.ask("GET", "crm/customers", pageSize=1).status for _ in range(200)]
        control(who, "POST", "faults/clear", id=number)
        return statuses

    first = drawn(1)
    assert first == drawn(1) != drawn(2)
    assert 20 <= first.count(503) <= 60


@pytest.mark.parametrize(
    "pattern",
    ["crm.customers", "crm.*", "GET /crm/*", "*/export/customers", "export/customers", "*"],
)
def test_a_pattern_names_requests(who: Caller, pattern: str) -> None:
    fault(who, "5xx", on=pattern)
    assert who.ask("GET", FEED).status == 503
    assert who.ask("GET", "jpm/jobs").status == (503 if pattern == "*" else 200)


def test_faults_are_switched_off_one_by_one_or_all(who: Caller) -> None:
    numbers = [fault(who, "5xx"), fault(who, "html"), fault(who, "no-data")]
    assert control(who, "POST", "faults/clear", id=numbers[0]) == {"cleared": 1}
    assert who.ask("GET", FEED).body.startswith(b"<!DOCTYPE")
    assert control(who, "POST", "faults/clear") == {"cleared": 2}
    assert who.ask("GET", FEED).status == 200
    assert who.control.answer("POST", "/_sandbox/faults/clear", "", b'{"id":1}').status == 404


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"kind": "flood"}, "kind"),
        ({"kind": "5xx", "seconds": 3}, "seconds"),
        ({"kind": "5xx", "status": "bad"}, "status"),
        ({"kind": "5xx", "share": 2}, "share"),
        ({"kind": "429", "retry_after": "soon"}, "retry_after"),
        ({"kind": "awkward", "what": "nothing"}, "what"),
        ({"kind": "5xx", "times": True}, "times"),
    ],
)
def test_what_is_no_fault_is_refused_by_name(who: Caller, facts: dict[str, Any], field: str) -> None:
    answer = who.control.answer("POST", "/_sandbox/faults", "", json.dumps(facts).encode())
    assert (answer.status, list(json.loads(answer.body)["errors"])) == (400, [field])
    assert control(who, "GET", "faults") == {"faults": []}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_a_row_that_works(who: Caller, kind: str) -> None:
    row = KINDS[kind]
    assert row.does.endswith(".")
    assert sum(each is not None for each in (row.before, row.instead, row.change)) == 1
    small = {"bytes": 100_000} if "bytes" in row.parameters else {}
    number = fault(who, kind, **small)
    who.ask("GET", FEED, **RECENT)
    who.ask("GET", "crm/customers", pageSize=5)
    shown = control(who, "GET", "faults", f"id={number}")
    assert (shown["kind"], shown["struck"], shown["does"]) == (kind, 2, row.does)


def test_every_kind_is_on_the_page_about_the_sandbox() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "use-the-sandbox.md").read_text()
    assert [name for name in KINDS if f"| `{name}` |" not in page] == []


# In place of the answer ----------------------------------------------------------------------------


def test_the_three_hints_of_a_429(who: Caller) -> None:
    for hint, expected in (("seconds", "7"), ("date", "Thu, 01 Jan 2026 12:15:08 GMT"), ("none", None)):
        fault(who, "429", seconds=7, retry_after=hint, times=1)
        answer = who.ask("GET", FEED)
        assert (answer.status, answer.headers.get("Retry-After")) == (429, expected)


def test_tokens_expire_and_credentials_are_revoked(who: Caller) -> None:
    fault(who, "expired-token", times=1)
    assert who.ask("GET", FEED).status == 401
    who.log_in()
    assert who.ask("GET", FEED).status == 200

    fault(who, "revoked")
    assert who.ask("GET", FEED).status == 401
    assert json.loads(who.token().body) == {"error": "invalid_client"}
    control(who, "POST", "faults/clear")
    who.log_in()
    assert who.ask("GET", FEED).status == 200


def test_a_bomb_is_small_and_unpacks_to_what_was_asked_for(who: Caller) -> None:
    fault(who, "gzip-bomb", bytes=134_217_728)
    answer = who.ask("GET", FEED)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < 300_000
    assert len(gzip.decompress(answer.body)) == 134_217_728


def test_a_packed_answer_can_be_broken(who: Caller) -> None:
    whole = who.ask("GET", FEED).body
    for kind in ("broken-gzip", "cut-gzip"):
        fault(who, kind, times=1)
        body = who.ask("GET", FEED).body
        stream = zlib.decompressobj(wbits=31)
        with contextlib.suppress(zlib.error):
            assert stream.decompress(body) != whole or not stream.eof


# What becomes of a page ----------------------------------------------------------------------------


def test_a_feed_that_does_not_end(who: Caller) -> None:
    fault(who, "endless")
    pages = [page(who.ask("GET", FEED)) for _ in range(3)]
    assert [(each["hasMore"], each["data"]) for each in pages] == [(True, [])] * 3
    assert len({each["continueFrom"] for each in pages}) == 3
    control(who, "POST", "faults/clear")
    fault(who, "endless", rows="same")
    answers = [who.ask("GET", FEED), who.ask("GET", FEED, **{"from": "2026-01-01"})]
    assert ids(answers[0]) == ids(answers[1]) != []
    control(who, "POST", "faults/clear")
    fault(who, "same-token")
    first = page(who.ask("GET", FEED))
    again = page(who.ask("GET", FEED, **{"from": first["continueFrom"]}))
    assert first["hasMore"] is again["hasMore"] is True
    assert first["continueFrom"] == again["continueFrom"]


def test_records_are_left_out_or_come_twice_always_the_same_ones(who: Caller) -> None:
    whole = who.ask("GET", "crm/customers", pageSize=100)
    number = fault(who, "absent", rows=0.4)
    fewer = who.ask("GET", "crm/customers", pageSize=100)
    assert ids(who.ask("GET", "crm/customers", pageSize=100)) == ids(fewer)
    assert 40 <= len(ids(fewer)) <= 80
    left_out = control(who, "GET", "faults", f"id={number}")["records"]
    assert set(ids(whole)) - set(ids(fewer)) == {int(each) for each in left_out}
    control(who, "POST", "faults/clear")
    fault(who, "duplicates", rows=0.2, carried=2)
    first = who.ask("GET", "crm/customers", pageSize=50, page=1)
    second = who.ask("GET", "crm/customers", pageSize=50, page=2)
    assert ids(second)[:2] == ids(whole)[48:50]
    assert len(ids(first)) > len(set(ids(first))) == 50


def test_a_change_is_seen_late_on_the_sandbox_clock(who: Caller) -> None:
    _, token = walk(who)
    fault(who, "late", seconds=480)
    changed = [record["id"] for record in who.service.read("crm.customers")[:20]]
    for each in changed:
        who.service.tenant.edit("crm.customers", each, name="Late")

    def late() -> set[int]:
        records = page(who.ask("GET", FEED, **RECENT, **{"from": token}))["data"]
        return {record["id"] for record in records if record["name"] == "Late"}

    assert late() == set()
    who.clock.advance(240)
    assert 3 <= len(late()) <= 17
    who.clock.advance(241)
    assert late() == set(changed)


def test_a_feed_passes_over_what_is_not_visible_yet(who: Caller) -> None:
    """No page of a feed is empty while it promises more, however many changes are hidden."""
    whole, _ = walk(who)
    fault(who, "equal-times", on="crm.customers", rows=len(whole), times=1)
    fault(who, "late", seconds=480)
    pages, token, more = [], "", True
    while more:
        answer = page(who.ask("GET", FEED, **RECENT, **{"from": token}))
        token, more = answer["continueFrom"], answer["hasMore"]
        pages.append(len(answer["data"]))
        who.clock.advance(1)
    assert sum(pages) < 20 < len(whole)
    assert all(pages[:-1])
    who.clock.advance(480)
    again = page(who.ask("GET", FEED, **RECENT, **{"from": token}))
    assert (len(again["data"]), again["hasMore"]) == (100, True)


def test_an_older_version_follows(who: Caller) -> None:
    for next_page in (False, True):
        fault(who, "stale", rows=1.0, next_page=next_page)
        pages = [page(who.ask("GET", "crm/customers", pageSize=10, page=each))["data"] for each in (1, 2)]
        older = pages[1][10:] if next_page else pages[0][10:]
        newer = pages[0][:10]
        assert [each["id"] for each in older] == [each["id"] for each in newer]
        assert all(a["modifiedOn"] < b["modifiedOn"] and a != b for a, b in zip(older, newer, strict=True))
        control(who, "POST", "faults/clear")


@pytest.mark.parametrize(
    ("kind", "what"), [*(("drift", each) for each in DRIFTS), *(("awkward", each) for each in AWKWARD)]
)
def test_values_that_nobody_expects(who: Caller, kind: str, what: str) -> None:
    plain = who.ask("GET", "accounting/invoices", pageSize=20)
    number = fault(who, kind, what=what, rows=0.5)
    spoiled = who.ask("GET", "accounting/invoices", pageSize=20)
    touched = control(who, "GET", "faults", f"id={number}")["records"]
    assert set(touched.values()) == {what}
    assert 2 <= len(touched) <= 18
    assert spoiled.body != plain.body
    assert len(spoiled.served) == 20
    try:
        records = {
            str(each["id"]): each for each in json.loads(spoiled.body)["data"] if isinstance(each, dict)
        }
    except (ValueError, RecursionError):
        return
    for record in json.loads(plain.body)["data"]:
        key = str(record["id"])
        if key in records:
            assert (records[key] == record) == (key not in touched)


@pytest.mark.parametrize("amount", ["0.00", "-12.5", "1000"])
def test_an_amount_is_not_taken_for_a_text(amount: str) -> None:
    record = {"id": 1, "discountTotal": amount, "dueDate": "2026-01-02T00:00:00Z", "summary": "a text"}
    spoiled = json.loads(AWKWARD["huge-text"](record, ""))
    assert [name for name in record if spoiled[name] != record[name]] == ["summary"]


def test_a_large_page(who: Caller) -> None:
    fault(who, "large-page", bytes=1_000_000)
    answer = who.ask("GET", "crm/customers", pageSize=100)
    assert len(answer.body) == pytest.approx(1_000_000, rel=0.05)
    assert len(ids(answer)) == 100


# The company ---------------------------------------------------------------------------------------


def test_the_company_changes_between_pages(who: Caller) -> None:
    number = fault(who, "page-shift", on="crm.customers", delete=2, insert=1, modify=1)
    first = ids(who.ask("GET", "crm/customers", pageSize=50))
    assert control(who, "GET", "faults", f"id={number}")["records"] == {}
    who.ask("GET", "crm/customers", pageSize=50, page=2)
    done = control(who, "GET", "faults", f"id={number}")["records"]
    assert sorted(done.values()) == ["deleted", "deleted", "inserted", "modified"]
    assert len(who.service.read("crm.customers")) == 119
    assert first


def test_many_records_of_one_moment(who: Caller) -> None:
    fault(who, "equal-times", on="crm.customers", rows=60, times=1)
    who.ask("GET", FEED)
    moments = [record["modifiedOn"] for record in who.service.read("crm.customers")]
    assert max(moments.count(each) for each in moments) == 60
    seen, _ = walk(who)
    assert sorted(seen) == sorted(record["id"] for record in who.service.read("crm.customers"))


# The ledger ----------------------------------------------------------------------------------------


@pytest.fixture
def told(who: Caller) -> Caller:
    fault(who, "5xx", on="crm.locations", every=2)
    for _ in range(4):
        who.ask("GET", "crm/locations", pageSize=3)
    who.get("crm/customers", pageSize=3)
    who.get("crm/customers", pageSize=3)
    who.token()
    return who


def test_the_ledger_tells_what_struck_and_what_was_shown(told: Caller) -> None:
    entries = control(told, "GET", "ledger", "ids=true&limit=7")["entries"]
    assert [entry["faults"] for entry in entries] == [[], ["5xx"], [], ["5xx"], [], [], []]
    assert entries[4]["ids"] == [record["id"] for record in told.service.read("crm.customers")[:3]]
    assert entries[4]["operation"] == "GET /crm/v2/tenant/{tenant}/customers"
    moments = [entry["at"] for entry in entries]
    assert moments == sorted(moments)
    last = control(told, "GET", "ledger", f"after={entries[4]['number']}")["entries"]
    assert [entry["path"] for entry in last] == [entry["path"] for entry in entries[5:]]
    served = control(told, "GET", "ledger/served/crm.customers")
    assert served == {str(each): 2 for each in entries[4]["ids"]}


def test_the_ledger_sums_up_for_a_checker(told: Caller) -> None:
    summary = control(told, "GET", "ledger/summary")
    tenant = str(told.service.options.tenant_id)
    assert summary["requests"] == 6
    assert summary["peak_per_second"] == {tenant: 6}
    assert (summary["token_calls"], summary["peak_token_calls_per_minute"]) == (2, 2)
    assert summary["faults"] == {"5xx": 2}
    assert summary["requests_again"] == 2
    assert summary["statuses"] == {"200": 4, "503": 2}


def test_the_ledger_stays_bounded(who: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfectcatch.sandbox.servicetitan.ledger.KEPT_IDS", 100)
    for _ in range(5):
        who.get("crm/customers", pageSize=40)
    assert [len(entry.served) for entry in who.service.ledger.entries][-5:] == [0, 0, 0, 40, 40]
