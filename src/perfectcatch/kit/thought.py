"""What a model said to a question, before anybody looked whether it fits."""

from dataclasses import dataclass
from decimal import Decimal

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """Words of a model. ``trouble``: why they are no answer; ``cost`` in dollars."""

    who: str
    model: str
    words: str | None
    trouble: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars for a million tokens."""

    asked: Decimal
    answered: Decimal

    def of(self, input_tokens: int, output_tokens: int) -> Decimal:
        """What so many tokens cost, in dollars."""
        return (self.asked * input_tokens + self.answered * output_tokens) / _MILLION


def price_of(prices: dict[str, Price], model: str) -> Price:
    """The price of the longest name that ``model`` begins with; of an unknown one the dearest."""
    known = [name for name in prices if model.startswith(name)]
    if known:
        return prices[max(known, key=len)]
    return max(prices.values(), key=lambda each: each.answered)


def counted(usage: object, name: str) -> int:
    """A number of tokens out of what a vendor tells of its use; nothing is 0."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
