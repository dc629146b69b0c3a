"""The commands as processes: list, lint, export, import and the dry run of a shop."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shop import Shop

from commands import commands
from perfectcatch.store.address import parse


def run(shop: Shop, *words: str, status: int = 0) -> Any:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SERVICE_TITAN")},
        "DATABASE_URL": parse(shop.pool.url).url(),
        "SERVICE_TITAN_TENANT_ID": str(shop.tenant),
        "COMPANY_NAME": "Peak Air",
    }
    done = commands().run("--json", "workflow", *words, environment=environment, timeout=60)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else done.stderr


async def test_from_the_list_to_the_dry_run(shop: Shop, tmp_path: Path) -> None:
    made = datetime.now(UTC).replace(microsecond=0) - timedelta(days=20)
    await shop.customer(1)
    await shop.job(11, 1, made)
    await shop.estimate(21, 11, 1, made)
    rows = {each["name"]: each for each in run(shop, "list")}
    assert rows["estimate-follow-up"]["recipe"] == "R-05"
    file = tmp_path / "mine.yaml"
    run(shop, "export", "estimate-follow-up", str(file))
    file.write_text(file.read_text().replace("least: 300", "least: 500"))
    assert run(shop, "import", str(file))["source"] == "own"
    found = run(shop, "dry-run", "estimate-follow-up", "--days", "30", "--assume-consent")
    assert found["started"] == 1
    told = run(shop, "import", "nowhere.yaml", status=2)
    assert "nowhere.yaml cannot be read: No such file or directory." in str(told)
    assert found["would"][0]["text"].startswith("Hi Ann, thanks for having Peak Air over.")
    file.write_text(file.read_text().replace("template: first", "template: nowhere"))
    assert any("no template nowhere" in each["sentence"] for each in run(shop, "lint", str(file), status=1))


async def test_what_has_no_value_is_set_before_a_workflow_goes_live(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    run(shop, "export", "review-request", str(file))
    run(shop, "import", str(file))
    refused = run(shop, "enable", "review-request", status=2)["error"]["message"]
    assert "perfectcatch workflow set review-request review_link=..." in refused
    run(shop, "enable", "review-request", "--shadow")  # looking on is allowed
    told = run(
        shop, "set", "review-request", "review_link=https://example.com/r?a=1", "wait_for_complaints=3"
    )
    assert told["settings"] == {"review_link": "https://example.com/r?a=1", "wait_for_complaints": 3}
    run(shop, "enable", "review-request")
    for words, sentence in [
        (["review_link"], "SETTING=VALUE"),
        (["review_lnk=x"], "it has: review_link, wait_for_complaints"),
        (["wait_for_complaints=soon"], "wait_for_complaints is 3"),
    ]:
        assert sentence in run(shop, "set", "review-request", *words, status=2)["error"]["message"]
