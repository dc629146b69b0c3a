"""Anthropic's Messages API: one question, one answer in a given shape.

The version of 2026-10-21 takes no sampling parameters (``temperature``, ``top_p``): none is sent.
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

WHO: Final = "Anthropic"
VERSION: Final = "2026-10-21"
# Dollars for a million tokens, as the vendor listed them in November 2026, by how a model's name begins.
PRICES: Final = {
    "claude-opus": Price(asked=Decimal(4), answered=Decimal(20)),
    "claude-sonnet": Price(asked=Decimal(2), answered=Decimal(10)),
    "claude-haiku": Price(asked=Decimal("0.10"), answered=Decimal("0.50")),
}
_UNFINISHED: Final = ("refusal", "max_tokens", "model_context_window_exceeded")


class Anthropic:
    """Fulfils the role of a thinker."""

    def __init__(self, *, http: Http, key: str, model: str, base_url: str, clock: Clock) -> None:
        self._http = http
        self._model = model
        self._price = price_of(PRICES, model)
        self._url = f"{base_url.rstrip('/')}/v1/messages"
        self._clock = clock
        self._headers = {
            "x-api-key": key,
            "anthropic-version": VERSION,
            "Content-Type": "application/json",
        }

    async def think(
        self, question: str, *, schema: Mapping[str, Any], data: Mapping[str, Any], tokens: int
    ) -> Thought:
        """What the model says to ``question`` about ``data``, with at most ``tokens``."""
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
        ended, usage, blocks = said.get("stop_reason"), said.get("usage"), said.get("content")
        texts = [
            block.get("text")
            for block in (blocks if isinstance(blocks, list) else [])
            if isinstance(block, dict) and block.get("type") == "text"
        ]
        took, gave = counted(usage, "input_tokens"), counted(usage, "output_tokens")
        return Thought(
            who=WHO,
            model=self._model,
            words="".join(each for each in texts if isinstance(each, str)),
            trouble=f"{WHO} did not finish its answer: {ended}." if ended in _UNFINISHED else "",
            input_tokens=took,
            output_tokens=gave,
            cost=self._price.of(took, gave),
        )

    def most(self, characters: int, tokens: int) -> Decimal:
        """Dollars at most: no character has more than a token."""
        return self._price.of(characters, tokens)
