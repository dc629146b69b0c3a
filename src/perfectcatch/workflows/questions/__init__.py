"""Questions about the whole company that a step may ask: its figures, its free time, who could come instead.

Each is a function over the mirror as it is now. ``GIVES`` says what each answer holds. A customer whom the
value ``ABOUT`` names is read anew before.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from perfectcatch.errors import Refused
from perfectcatch.workflows.questions import capacity, figures, invitees, texts
from perfectcatch.workflows.questions.asked import Asked

__all__ = ["ABOUT", "GIVES", "Asked", "answer"]

ABOUT: Final = "customer_id"

_ANSWERS: Final[Mapping[str, Callable[[Asked], Awaitable[dict[str, Any]]]]] = MappingProxyType(
    {
        "figures": figures.answer,
        "capacity": capacity.answer,
        "invitees": invitees.answer,
        "texts": texts.answer,
    }
)
GIVES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "figures": figures.GIVES,
        "capacity": capacity.GIVES,
        "invitees": invitees.GIVES,
        "texts": texts.GIVES,
    }
)


async def answer(question: str, asked: Asked) -> dict[str, Any]:
    """What the mirror says. Raises Refused for a question that there is not."""
    if question not in _ANSWERS:
        raise Refused(f"The mirror is not asked for {question}: {', '.join(_ANSWERS)}.")
    return await _ANSWERS[question](asked)
