"""The vendor's own documents, their known errors mended, and what they say against a request."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from perfectcatch.kit.http import Request
from perfectcatch.vendors.gohighlevel.versions import FIRST, THIRD, Version

DOCUMENTS = Path(__file__).parents[4] / "shared/vendors/specs/ghl/apps"
FILES = {
    FIRST.header: ("contacts.json", "opportunities.json", "locations.json"),
    THIRD.header: ("v3/contacts-v3.json", "v3/opportunities-v3.json", "v3/locations-v3.json"),
}
# Where the documents are wrong: what is live is told by integrations in public and by the vendor's own pages.
KNOWN_ERRORS = {
    "OpportunitySearchBodyDTO": (
        "every field is marked as needed, although `page` and `searchAfter` exclude each other; "
        "`filters` and `sort` are missing"
    ),
    "SearchBodyV2DTO": "empty: the body of the search of contacts is described on another page",
}


def mended(spec: dict[str, Any]) -> dict[str, Any]:
    """The document with its known errors mended, and names that the vendor does not know refused."""
    spec = deepcopy(spec)
    schemas = spec["components"]["schemas"]
    for path in spec["paths"].values():
        for operation in path.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                if name == "OpportunitySearchBodyDTO":
                    schemas[name]["required"] = ["locationId", "limit"]
                    array = {"type": "array", "items": {"type": "object"}}
                    schemas[name]["properties"] |= {"filters": array, "sort": array}
                if name and name not in KNOWN_ERRORS:
                    schemas[name]["additionalProperties"] = False
    if "OpportunitySearchBodyDTO" in schemas:
        schemas["OpportunitySearchBodyDTO"]["additionalProperties"] = False
    return spec


@cache
def documents(version: str) -> tuple[OpenAPI, ...]:
    config = [
        (mended(json.loads((DOCUMENTS / name).read_text())), (DOCUMENTS / name).as_uri())
        for name in FILES[version]
    ]
    return tuple(
        OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None, spec_base_uri=uri))
        for spec, uri in config
    )


def violations(request: Request, version: Version) -> list[str]:
    """What the document of the request's path says against it."""
    parts = urlsplit(request.url)
    body = request.body if isinstance(request.body, bytes) else None
    mock = MockRequest(
        "https://services.leadconnectorhq.com",
        request.method.lower(),
        parts.path,
        args=dict(parse_qsl(parts.query)),
        headers=dict(request.headers),
        data=body,
        content_type="application/json",
    )
    place = ("contacts", "opportunities", "locations").index(parts.path.split("/")[1])
    try:
        documents(version.header)[place].validate_request(mock)
    except OpenAPIError as error:
        return [f"{request.method} {parts.path}: {error} {error.__cause__}"]
    return []
