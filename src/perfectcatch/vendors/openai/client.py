"""OpenAI's chat completions: one question, one answer in a given shape.

This interface is also what most servers of other models speak, so OPENAI_BASE_URL may name one of those.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from perfectcatch.errors import Refused
from perfectcatch.kit.asking import CALL_SECONDS, LARGEST_ANSWER, RULES, asked, question_with
from perfectcatch.kit.clock import Clock
from perfectcatch.kit.fitting import promised
from perfectcatch.kit.http import Http, Request
from perfectcatch.kit.thought import Price, Thought, counted, price_of

WHO: Final = "OpenAI"
# Dollars for a million tokens, by how a model's name begins.
PRICES: Final = {
    "gpt-5": Price(asked=Decimal("1.25"), answered=Decimal(10)),
    "gpt-5-mini": Price(asked=Decimal("0.25"), answered=Decimal(2)),
    "gpt-5-nano": Price(asked=Decimal("0.05"), answered=Decimal("0.40")),
}


class OpenAI:
    """Fulfils the role of a thinker."""

    def __init__(self, *, http: Http, key: str, model: str, base_url: str, clock: Clock) -> None:
        self._http = http
        self._model = model
        self._price = price_of(PRICES, model)
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._clock = clock
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    async def think(
        self, question: str, *, schema: Mapping[str, Any], data: Mapping[str, Any], tokens: int
    ) -> Thought:
        """What the model says to ``question`` about ``data``, with at most ``tokens``."""
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
        usage = said.get("usage")
        took, gave = counted(usage, "prompt_tokens"), counted(usage, "completion_tokens")
        unfinished = refusal or ended in ("length", "content_filter")
        return Thought(
            who=WHO,
            model=self._model,
            words=words if isinstance(words, str) else None,
            trouble=f"{WHO} did not finish its answer: {ended or 'refusal'}." if unfinished else "",
            input_tokens=took,
            output_tokens=gave,
            cost=self._price.of(took, gave),
        )

    def most(self, characters: int, tokens: int) -> Decimal:
        """Dollars at most: no character has more than a token."""
        return self._price.of(characters, tokens)
