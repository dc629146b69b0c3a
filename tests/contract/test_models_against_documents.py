"""What we ask of a vendor of models, and what its simulation answers, against its OpenAPI document."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp.test_utils import TestServer
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from perfectcatch.errors import PerfectCatchError
from perfectcatch.kit.clock import FakeClock
from perfectcatch.kit.http import Http, Request, Response
from perfectcatch.sandbox.anthropic import server as vendor
from perfectcatch.sandbox.made_up_model import Fault
from perfectcatch.vendors.anthropic.client import Anthropic

SHARED = Path(os.environ.get("PERFECTCATCH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
DOCUMENT = SHARED / "vendors/specs/anthropic/anthropic-messages-unofficial.yml"
SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 1}}}

pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="the vendor's document is not here")


class Listening(Http):
    """Keeps what was sent and what was answered."""

    async def send(self, request: Request) -> Response:
        self.request, self.response = request, await super().send(request)
        return self.response


@pytest.fixture(scope="module")
def document() -> OpenAPI:
    whole = yaml.safe_load(DOCUMENT.read_text())
    whole["servers"] = [{"url": "https://api.anthropic.com"}]  # the document's own repeats /v1
    return OpenAPI.from_dict(whole)


async def heard(fault: str | None) -> tuple[MockRequest, MockResponse]:
    app = vendor.make_app()
    if fault is not None:
        app[vendor.MODEL].faults.append(Fault(fault))
    async with TestServer(app) as server, Listening() as http:
        client = Anthropic(
            http=http,
            key=vendor.KEY,
            model="claude-sonnet-5-5",
            base_url=str(server.make_url("")),
            clock=FakeClock(),
        )
        try:
            await client.think("How many?", schema=SCHEMA, data={"job": {"id": 1}}, tokens=50)
        except PerfectCatchError:
            assert fault is not None
    sent = http.request
    assert isinstance(sent.body, bytes)
    request = MockRequest(
        "https://api.anthropic.com",
        sent.method,
        "/v1/messages",
        headers=dict(sent.headers),
        data=sent.body,
        content_type="application/json",
    )
    answer = MockResponse(
        http.response.body, status_code=http.response.status, content_type="application/json"
    )
    return request, answer


@pytest.mark.parametrize("fault", [None, "400", "403", "429", "500", "529"])
async def test_a_question_and_its_answer_are_as_documented(document: OpenAPI, fault: str | None) -> None:
    request, answer = await heard(fault)
    document.validate_request(request)
    document.validate_response(request, answer)


async def test_the_document_can_refuse(document: OpenAPI) -> None:
    request, _ = await heard(None)
    said: dict[str, Any] = json.loads(request.body or b"")
    del said["max_tokens"]
    worse = MockRequest(
        "https://api.anthropic.com",
        "POST",
        "/v1/messages",
        headers=dict(request.parameters.header),
        data=json.dumps(said).encode(),
    )
    with pytest.raises(Exception, match="body"):
        document.validate_request(worse)
