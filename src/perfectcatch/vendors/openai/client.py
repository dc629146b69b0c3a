"""OpenAI's chat completions: one question, one answer in a given shape.

This interface is also what most servers of other models speak, so OPENAI_BASE_URL may name one of those.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from perfectcatch.errors import Refused
from perfectcatch.kit.asking import CALL_SECONDS, LARGEST_ANSWER, RULES, answer_of, asked, question_with
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.fitting import promised
from perfectcatch.kit.http import Http, Request

WHO: Final = "OpenAI"


class OpenAI:
    """Fulfils the role of a thinker."""

    def __init__(self, *, http: Http, key: str, model: str, base_url: str, clock: Clock) -> None:
        self._http = http
        self._model = model
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._clock = clock
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    async def think(
        self, question: str, *, schema: Mapping[str, Any], data: Mapping[str, Any], tokens: int
    ) -> Mapping[str, Any]:
        """Answer ``question`` about ``data`` with at most ``tokens``."""
        told = promised(schema)
        # A strict shape has no property that may be left out.
        strict = set(told.get("required", ())) == set(told.get("properties", {}))
        shape = {"name": "answer", "schema": told, "strict": strict}
        body = {
            "model": self._model,
            "max_completion_tokens": tokens,
            "messages": [
                {"role": "system", "content": RULES},
                {"role": "user", "content": question_with(question, data)},
            ],
            "response_format": {"type": "json_schema", "json_schema": shape},
        }
        request = Request(
            method="POST",
            url=self._url,
            headers=self._headers,
            body=json.dumps(body).encode(),
            setting="OPENAI_BASE_URL",
            total_seconds=CALL_SECONDS,
            max_bytes=LARGEST_ANSWER,
        )
        said = await asked(self._http, request, self._clock, who=WHO)
        try:
            choice = said["choices"][0]
            message, ended = choice["message"], choice.get("finish_reason")
            refusal, words = message.get("refusal"), message.get("content")
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Refused(f"{WHO} gave an answer without a message.") from None
        if refusal or ended in ("length", "content_filter"):
            raise Refused(f"{WHO} did not finish its answer: {ended or 'refusal'}.")
        return answer_of(words if isinstance(words, str) else None, schema, who=WHO)
