"""Made-up people at the other end: what somebody answers is settled by the number alone, so it repeats."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

# How many of a hundred people are of a kind; the rest reads and says nothing.
SHARES: Final[Mapping[str, int]] = {
    "answers": 20,
    "stops": 4,
    "misspells": 2,
    "stops_in_words": 2,
    "stops_in_spanish": 2,
    "asks_for_help": 1,
    "unreachable": 2,
    "landline": 2,
}

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "answers": (
        "Yes please, mornings are best",
        "Can you call me after 5?",
        "ok thanks",
        "How much would that be?",
        "Please don't stop the service, just move it a week",
        "Sí, mañana está bien",
    ),
    "stops": ("STOP", "Stop", "UNSUBSCRIBE", "Quit"),
    "misspells": ("Stpo", "SOTP", "stop!!", "Unsubcribe"),
    "stops_in_words": (
        "please stop texting me",
        "take me off your list",
        "wrong number, don't text again",
    ),
    "stops_in_spanish": ("ALTO", "no más mensajes", "ya no me manden mensajes por favor"),
    "asks_for_help": ("HELP",),
}
CARRIER_STOPS: Final = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"}
)
CARRIER_STARTS: Final = frozenset({"START", "YES", "UNSTOP"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a telephone. ``kind`` is a name of ``SHARES`` or "ignores"."""

    kind: str
    words: str | None  # what comes back, if anything


def person_at(number: str, seed: int, set_kinds: Mapping[str, str]) -> Person:
    """Who answers at ``number``; ``set_kinds`` are numbers whose kind was set by hand."""
    drawn = int.from_bytes(sha256(f"{seed} {number}".encode()).digest()[:8])
    kind = set_kinds.get(number) or _kind(drawn % 100)
    words = _WORDS.get(kind)
    return Person(kind, words[(drawn // 100) % len(words)] if words else None)


def _kind(percent: int) -> str:
    for kind, share in SHARES.items():
        if percent < share:
            return kind
        percent -= share
    return "ignores"
