"""Anthropic's Messages API: one question, one answer in a given shape.

The version of 2026-10-21 takes no sampling parameters (``temperature``, ``top_p``): none is sent.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from perfectcatch.errors import Refused
from perfectcatch.kit.asking import CALL_SECONDS, LARGEST_ANSWER, RULES, answer_of, asked, question_with
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.fitting import promised
from perfectcatch.kit.http import Http, Request

WHO: Final = "Anthropic"
VERSION: Final = "2026-10-21"


class Anthropic:
    """Fulfils the role of a thinker."""

    def __init__(self, *, http: Http, key: str, model: str, base_url: str, clock: Clock) -> None:
        self._http = http
        self._model = model
        self._url = f"{base_url.rstrip('/')}/v1/messages"
        self._clock = clock
        self._headers = {
            "x-api-key": key,
            "anthropic-version": VERSION,
            "Content-Type": "application/json",
        }

    async def think(
        self, question: str, *, schema: Mapping[str, Any], data: Mapping[str, Any], tokens: int
    ) -> Mapping[str, Any]:
        """Answer ``question`` about ``data`` with at most ``tokens``."""
        body = {
            "model": self._model,
            "max_tokens": tokens,
            "system": RULES,
            "messages": [{"role": "user", "content": question_with(question, data)}],
            "output_config": {"format": {"type": "json_schema", "schema": promised(schema)}},
        }
        request = Request(
            method="POST",
            url=self._url,
            headers=self._headers,
            body=json.dumps(body).encode(),
            setting="ANTHROPIC_BASE_URL",
            total_seconds=CALL_SECONDS,
            max_bytes=LARGEST_ANSWER,
        )
        said = await asked(self._http, request, self._clock, who=WHO)
        if not isinstance(said, dict):
            raise Refused(f"{WHO} gave an answer without a message.")
        if (ended := said.get("stop_reason")) in ("refusal", "max_tokens", "model_context_window_exceeded"):
            raise Refused(f"{WHO} did not finish its answer: {ended}.")
        blocks = said.get("content")
        texts = [
            block.get("text")
            for block in (blocks if isinstance(blocks, list) else [])
            if isinstance(block, dict) and block.get("type") == "text"
        ]
        return answer_of("".join(each for each in texts if isinstance(each, str)), schema, who=WHO)
