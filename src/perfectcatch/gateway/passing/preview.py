"""``?dry_run=true``: everything is checked as if it were sent, and the vendor's request is shown instead."""

from typing import Any

import msgspec
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from perfectcatch.gateway import problems
from perfectcatch.model.call import JSON, Call
from perfectcatch.model.passing import Passage

PARAMETER = "dry_run"


class Request(BaseModel):
    """The request that would go to the vendor. Credentials are left out."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any = Field(None, description="As JSON; of a file only its size is told.")


class Preview(BaseModel):
    """What would happen."""

    dry_run: bool = True
    operation: str = Field(description="The operation's name in the catalogue.")
    changes: bool = Field(description="Whether the vendor's data would change.")
    request: Request


def preview(passage: Passage, call: Call) -> Response:
    """The answer to a dry run: 200 with the request, or 422 with what is wrong in each field."""
    text = call.body if isinstance(call.body, bytes) and call.content_type == JSON else None
    is_json = text is not None
    body = msgspec.json.decode(text) if text else None
    wrong = passage.complaints(call.endpoint, body) if is_json else {}
    if wrong:
        said = "; ".join(texts[0] for texts in list(wrong.values())[:3])
        return problems.answer(
            422, f"{call.endpoint.name} would not take this body: {said}", errors=wrong, dry_run=True
        )
    shown = passage.shown(call)
    told = body if is_json or call.body is None else f"{len(call.body)} bytes"
    request = Request(method=shown.method, url=shown.url, headers=dict(shown.headers), body=told)
    return JSONResponse(
        Preview(operation=call.endpoint.name, changes=call.endpoint.writes, request=request).model_dump()
    )
