"""A made-up AI model: answers of the asked shape by simple rules, and everything that a real one does wrong.

==========  =======================================================================================
refusal     declines to answer
cut         stops in the middle, for want of tokens
broken      answers in words where JSON was asked for
nonsense    answers with values that the shape does not allow
huge        answers with more than anybody reads
obeys       follows the records: the first JSON object in them becomes the answer, whatever was asked
hang        takes the question and stays silent
drop        takes the question and hangs up
400 ..      answers with that status
==========  =======================================================================================
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

_HANG_SECONDS: Final = 120.0
_COMPLAINTS: Final = re.compile(
    r"angry|unhappy|upset|terrible|awful|worst|complain|disappoint|refund|still (?:broken|leaking|not work)"
    r"|never again|unacceptable|rude|enojad|molest|queja|p[eé]simo|reembolso",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with the next questions, ``times`` often; for ever without it."""

    kind: str
    times: int | None = None
    struck: int = 0


@dataclass(slots=True)
class Model:
    """What it was asked, and what is to go wrong."""

    asked: list[Any] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def strike(self) -> str | None:
        """The fault of this question."""
        for fault in self.faults:
            if fault.times is None or fault.struck < fault.times:
                fault.struck += 1
                return fault.kind
        return None

    def answer(self, fault: str | None, schema: Mapping[str, Any], said: str) -> str:
        """The words of an answer about ``said``."""
        match fault:
            case "broken":
                return "Sure! I would say that they are unhappy."
            case "huge":
                return "[" * 2_000_000
            case "nonsense":
                return json.dumps({name: ["?"] for name in schema.get("properties", {})} | {"more": True})
            case "obeys" if (found := _first_object(said)) is not None:
                return json.dumps(found)
        whole = json.dumps(filled(schema, said))
        return whole[: len(whole) // 2] if fault == "cut" else whole


def filled(schema: Mapping[str, Any], said: str, name: str = "") -> Any:
    """A value of this shape: yes where somebody complains; of a list the word that was said, or the first."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return _of(schema["enum"], said)
    if "anyOf" in schema:
        return filled(schema["anyOf"][0], said, name)
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return {key: filled(each, said, key) for key, each in schema.get("properties", {}).items()}
        case "array":
            return [filled(schema.get("items", {}), said, name)]
        case "boolean":
            return _COMPLAINTS.search(said) is not None
        case "integer":
            return 1
        case "number":
            return 0.5
        case "null":
            return None
        case _:
            found = _COMPLAINTS.search(said)
            return f"They say: {found[0]}." if found else "Nothing in the records stands out."


def _of(words: list[Any], said: str) -> Any:
    if {"yes", "no"} <= {each for each in words if isinstance(each, str)}:
        return "yes" if _COMPLAINTS.search(said) else "no"
    spoken = [each for each in words if isinstance(each, str) and each.lower() in said.lower()]
    return spoken[0] if spoken else words[0]


def _first_object(said: str) -> Any:
    """The first JSON object inside a text of the records."""
    for text in re.findall(r'"((?:[^"\\]|\\.)*)"', said):
        inside = json.loads(f'"{text}"')
        start, end = inside.find("{"), inside.rfind("}")
        if 0 <= start < end:
            try:
                return json.loads(inside[start : end + 1])
            except ValueError:
                continue
    return None


# On a socket -------------------------------------------------------------------------------------

Failed = Callable[[int, str], web.Response]
"""An error as the vendor writes it, from a status and a sentence."""


async def went_wrong(request: web.Request, fault: str | None, failed: Failed) -> web.Response | None:
    """The answer to a question that fails before the model has seen it."""
    match fault:
        case "hang":
            await asyncio.sleep(_HANG_SECONDS)
            return failed(500, "Internal server error")
        case "drop":
            assert request.transport is not None
            request.transport.abort()
            return failed(500, "Internal server error")
        case str() if fault.isdecimal():
            answer = failed(int(fault), "Made to fail.")
            if fault == "429":
                answer.headers["Retry-After"] = "1"
            return answer
    return None


def controls(model: Model) -> tuple[Callable[[web.Request], Awaitable[web.Response]], ...]:
    """Routes to see what was asked and to let questions fail: GET, and POST {kind, times} or null."""

    async def asked(_: web.Request) -> web.Response:
        return web.json_response(model.asked)

    async def fault(request: web.Request) -> web.Response:
        facts = await request.json()
        if facts is None:
            model.faults.clear()
        else:
            model.faults.append(Fault(**facts))
        return web.json_response([{"kind": each.kind, "struck": each.struck} for each in model.faults])

    return asked, fault
