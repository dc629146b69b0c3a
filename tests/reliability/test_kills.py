"""The heavy proof (``make reliability``): kill -9 at random moments while the vendor goes on changing."""

import random
import signal

import pytest

from acceptance.conftest import Product, Sandbox
from acceptance.conftest import product as product  # noqa: PLC0414 - a fixture
from acceptance.conftest import sandbox as sandbox  # noqa: PLC0414 - a fixture
from acceptance.test_sync_commands import assert_equal, assert_events_once, rows_of, wait_for_requests

KILLS = 60
SEED = 20261121


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_sixty_random_kills(product: Product, sandbox: Sandbox) -> None:
    draw = random.Random(SEED)
    assert product.run("db", "migrate").returncode == 0
    for _ in range(KILLS):
        mode = draw.choice(["full", "incremental", "incremental"])
        killed = product.start("sync", mode, "--json", SERVICE_TITAN_RATE_LIMIT="60")
        wait_for_requests(sandbox, draw.randint(1, 45), killed)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        sandbox.post("activity", changes=draw.randint(0, 6))
    rows_of(product.run("sync", "full", "--json"))
    rows_of(product.run("sync", "incremental", "--json"))
    assert_equal(product, sandbox)
    assert_events_once(product)
