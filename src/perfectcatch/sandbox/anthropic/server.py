"""The simulated Anthropic on a socket: ``POST /v1/messages`` as the vendor answers it.

====  ============================  ===================================================
GET   /_sandbox/anthropic/asked     every question that was taken
POST  /_sandbox/anthropic/faults    {kind, times}: let questions fail; null ends it
====  ============================  ===================================================
"""

import json
import secrets
from typing import Any, Final

from aiohttp import web

from perfectcatch.sandbox.made_up_model import Model, controls, went_wrong

KEY: Final = "sk-ant-made-up"
MODELS: Final = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
VERSIONS: Final = ("2023-06-01", "2026-10-21")
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_KINDS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
MODEL: Final = web.AppKey("anthropic", Model)


def make_app() -> web.Application:
    """Make the application."""
    app = web.Application()
    install(app)
    return app


def install(app: web.Application) -> None:
    """Add the vendor's route and the control surface to ``app``."""
    app[MODEL] = model = Model()
    asked, fault = controls(model)
    app.router.add_post("/v1/messages", _messages)
    app.router.add_get("/_sandbox/anthropic/asked", asked)
    app.router.add_post("/_sandbox/anthropic/faults", fault)


async def _messages(request: web.Request) -> web.Response:
    model = request.app[MODEL]
    # The vendor's library sends the key as a bearer, everybody else in a header of its own.
    if KEY not in (request.headers.get("x-api-key"), request.headers.get("Authorization", "")[7:]):
        return _failed(401, "invalid x-api-key")
    version = request.headers.get("anthropic-version", "")
    if version not in VERSIONS:
        return _failed(400, "anthropic-version: header is required")
    try:
        question = json.loads(await request.read())
    except ValueError:
        return _failed(400, "The request body is not valid JSON")
    if (answer := _wrong(question, version)) is not None:
        return answer
    model.asked.append(question)
    fault = model.strike()
    if (answer := await went_wrong(request, fault, _failed)) is not None:
        return answer
    said = json.dumps(question["messages"], ensure_ascii=False)
    schema = question.get("output_config", {}).get("format", {}).get("schema", {"type": "string"})
    text = model.answer(fault, schema, _records(question["messages"]))
    stopped = {"refusal": "refusal", "cut": "max_tokens"}.get(fault or "", "end_turn")
    content = [] if stopped == "refusal" else [{"type": "text", "text": text}]
    return web.json_response(
        {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": question["model"],
            "content": content,
            "stop_reason": stopped,
            "stop_sequence": None,
            "usage": {
                "input_tokens": len(said) // 4,
                "output_tokens": len(text) // 4 + 1,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "service_tier": "standard",
            },
        },
        headers={"request-id": f"req_{secrets.token_hex(12)}"},
    )


def _records(messages: list[dict[str, Any]]) -> str:
    """The last words of the last turn."""
    content = messages[-1]["content"]
    return content if isinstance(content, str) else content[-1].get("text", "")


def _wrong(question: Any, version: str) -> web.Response | None:
    """What is wrong with a question, in the vendor's words."""
    if not isinstance(question, dict):
        return _failed(400, "The request body must be an object")
    for name in ("model", "max_tokens", "messages"):
        if name not in question:
            return _failed(400, f"{name}: Field required")
    if version != VERSIONS[0] and (found := [each for each in _SAMPLING if each in question]):
        return _failed(400, f"{found[0]}: this parameter is not supported")
    if not isinstance(question["max_tokens"], int) or question["max_tokens"] < 1:
        return _failed(400, "max_tokens: Input should be greater than or equal to 1")
    if not question["messages"] or question["messages"][0].get("role") != "user":
        return _failed(400, "messages: first message must use the user role")
    if question["model"] not in MODELS:
        return _failed(404, f"model: {question['model']}")
    shape = question.get("output_config", {}).get("format")
    if shape is not None and (said := _shape(shape.get("schema"))) is not None:
        return _failed(400, f"output_config.format.schema: {said}")
    return None


def _shape(schema: Any) -> str | None:
    """What structured output does not take in a schema."""
    if not isinstance(schema, dict):
        return "Field required"
    unknown = {"minimum", "maximum", "minLength", "maxLength", "multipleOf", "maxItems"} & set(schema)
    if unknown:
        return f"property '{min(unknown)}' is not supported"
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    below = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    if "items" in schema:
        below.append(schema["items"])
    return next(filter(None, map(_shape, below)), None)


def _failed(status: int, message: str) -> web.Response:
    kind = _KINDS.get(status, "api_error")
    said = {"type": "error", "error": {"type": kind, "message": message}}
    return web.json_response(said | {"request_id": f"req_{secrets.token_hex(12)}"}, status=status)
