"""What models of requests and answers have in common."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, WithJsonSchema, model_validator

# JSON can write both, PostgreSQL keeps neither: the character 0, and half of a pair of surrogates.
_UNUSABLE: Final = re.compile("[\x00\ud800-\udfff]")

Dollars = Annotated[Decimal, WithJsonSchema({"type": "number"})]  # written with all its digits


class Asked(BaseModel):
    """What a caller sends: a name that we do not know is refused, and text that no table can hold."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _usable(cls, given: Any) -> Any:
        refuse_unusable(given)
        return given


class Told(BaseModel):
    """What we answer."""


def refuse_unusable(given: Any) -> None:
    """Raise ValueError for text anywhere in ``given`` that no table can hold."""
    waiting = [given]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if _UNUSABLE.search(each):
                raise ValueError("text holds a character that cannot be stored")
        elif isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
