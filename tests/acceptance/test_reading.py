"""Reading over HTTP as an outsider does it: a real server, a key of the command, a company that was read."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from conftest import Product, Sandbox


class Api:
    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def ask(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def get(self, path: str) -> Any:
        status, answer = self.ask(path)
        assert status == 200, answer
        return answer


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(product: Product) -> Iterator[Api]:
    made = product.run("--json", "key", "create", "--scope", "read", "--scope", "write", "--per-second", "0")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "perfectcatch", "serve", "--port", str(port)], env=product.environment, cwd="/"
    )
    api = Api(f"http://127.0.0.1:{port}", json.loads(made.stdout)["key"])
    try:
        until = time.monotonic() + 120
        while True:
            try:
                api.get("/health")
                break
            except (OSError, AssertionError):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
        yield api
    finally:
        process.terminate()
        assert process.wait(30) in {0, -15}


def everything(api: Api, path: str) -> list[Any]:
    found: list[Any] = []
    after = ""
    while True:
        page = api.get(f"{path}{'&' if '?' in path else '?'}limit=50{after}")
        found += page["data"]
        if page["next"] is None:
            return found
        after = f"&after={quote(page['next'])}"


def test_a_company_is_read_over_http(product: Product, sandbox: Sandbox):
    assert product.run("sync", "full").returncode == 0
    with serving(product) as api:
        customers = everything(api, "/db/customers?sort=modified")
        [[known]] = product.rows("select count(*) from servicetitan.st_customers where deleted_at is null")
        assert len({each["st_id"] for each in customers}) == len(customers) == known

        [[owner]] = product.rows(
            "select customer_id from servicetitan.st_invoices where deleted_at is null group by 1 "
            "order by count(*) desc limit 1"
        )
        timeline = everything(api, f"/api/customers/{owner}/timeline?sort=oldest")
        [[invoices]] = product.rows(
            "select count(*) from servicetitan.st_invoices where customer_id = %s and deleted_at is null",
            owner,
        )
        told = [each for each in timeline if (each["entity"], each["kind"]) == ("invoices", "record")]
        assert len(told) == invoices
        assert all("$" in each["sentence"] for each in told)
        assert all(not each["sentence"].startswith("None") for each in timeline)

        events = everything(api, "/api/events?")
        [[written]] = product.rows("select count(*) from automation.events")
        assert len({each["id"] for each in events}) == len(events) == written

        skill = api.get("/scheduling/technicians")["data"][0]["skills"][0]
        status, slots = api.ask("/scheduling/slots", {"duration_minutes": 60, "skills": [skill]})
        assert status == 200
        assert slots["data"]
        assert {each["code"] for each in slots["refused"]} >= {"skill missing"}

        code = api.get("/pricebook/services?limit=1")["data"][0]["code"]
        assert api.get(f"/pricebook/search?q={quote(code)}")["data"][0]["match"] == "code"

        # A job that another program hands us is the vendor's own next version of it.
        [[document]] = product.rows(
            "select full_data from servicetitan.st_jobs where deleted_at is null order by st_id desc limit 1"
        )
        changed = document | {"summary": "Gate code 4711", "modifiedOn": "2099-01-01T00:00:00Z"}
        status, merged = api.ask("/db/jobs/upsert", {"job": changed})
        assert (status, merged["results"][0]["result"]) == (200, "updated")
        found = api.get(f"/api/records/jobs/{document['id']}?as_of=2098-01-01&compare=2099-06-01")
        assert {each["path"] for each in found["changes"]} == {"summary", "modifiedOn"}
        assert api.ask("/db/jobs/1?field=x")[0] == 422
        api.key = "pck_0_0"
        assert api.ask("/db/customers")[0] == 401


def test_a_customer_is_read_on_demand(product: Product, sandbox: Sandbox):
    """Nothing was read before: the customer comes with everything around it."""
    with serving(product) as api:
        # The pass-through tells which customers there are.
        st_id = api.get("/st/crm/customers?pageSize=1")["data"][0]["id"]
        assert api.ask(f"/db/customers/{st_id}")[0] == 404
        status, found = api.ask(f"/db/customers/{st_id}/enrich", method="POST")
        assert (status, found["complete"], found["customer"]["st_id"]) == (200, True, st_id)
        brought = {part["entity"]: part["created"] for part in found["parts"]}
        assert brought["customers"] == 1
        assert brought["locations"] >= 1
        assert len(api.get(f"/db/locations?customer_id={st_id}")["data"]) == brought["locations"]
        again = api.get(f"/db/customers/{st_id}/enrich")
        assert {part["created"] + part["updated"] for part in again["parts"]} == {0}
        assert api.ask("/db/customers/1/enrich", method="POST")[0] == 404
