"""What a message from a person means: an end of messages, a new beginning, a call for help, or words.

English and Spanish. Whole-message keywords and phrases of which no reasonable person doubts end messages at
once. What only may mean it is ``DOUBTFUL``: nothing goes out until somebody has read it. So this module can
add suppressions and never takes one away.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import yaml


class Meaning(StrEnum):
    """What a message from a person means."""

    OPT_OUT = "opt_out"
    DOUBTFUL = "doubtful"
    START = "start"
    HELP = "help"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Heard:
    """``by``: keyword or phrase; ``spanish``: the language to answer in."""

    meaning: Meaning
    by: str = ""
    spanish: bool = False


_SIGNS: Final = ("🛑", "🚫", "✋", "🖕", "⛔", "🤚")
_YES: Final = frozenset({"yes", "si"})
_UNSUBSCRIBE: Final = re.compile(r"\bun[\s-]?su[bs]?s?[bcr]*[ie]?[bcrs]*i?b?e?d?\b")
_APOSTROPHES: Final = re.compile("['`\u2019]")


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    text = files("perfectcatch.messaging").joinpath("data/opt_outs.yaml").read_text()
    read: dict[str, Any] = yaml.safe_load(text)
    return read


@lru_cache(maxsize=16)
def _words(name: str) -> frozenset[str]:
    return frozenset(_data()[name])


@lru_cache(maxsize=16)
def _any(name: str) -> re.Pattern[str]:
    """All patterns of a list as one."""
    parts: dict[str, str] = _data()["parts"]
    patterns = []
    for pattern in _data()[name]:
        for part, text in parts.items():
            pattern = pattern.replace(f"<{part}>", text)  # noqa: PLW2901 - it grows
        patterns.append(pattern)
    return re.compile("|".join(patterns))


def carriers_act(body: str) -> bool:
    """Whether carriers and vendors end messages by themselves on this one, and confirm it."""
    return " ".join(body.split()).casefold() in _words("carriers")


def understand(body: str, *, opted_out: bool = False) -> Heard:
    """What ``body`` means; ``opted_out``: its sender is, so that a yes is a new beginning."""
    text = _plain(body)
    words = re.sub(r"[^\w\s]", " ", text)
    words = " ".join(words.split())
    spanish = bool(_any("spanish").search(words))
    words = _UNSUBSCRIBE.sub(_unsubscribe, _any("misspelt").sub("stop", words))
    if not words:
        signs = any(each in body for each in _SIGNS)
        return Heard(Meaning.OPT_OUT, "keyword") if signs else Heard(Meaning.REPLY)
    whole = _whole(words, opted_out=opted_out)
    if whole is not None:
        return whole
    if _any("negated").search(words):
        return Heard(Meaning.DOUBTFUL, "phrase", spanish)
    if _any("phrases").search(words):
        return Heard(Meaning.OPT_OUT, "phrase", spanish)
    if _any("phrases_spanish").search(words):
        return Heard(Meaning.OPT_OUT, "phrase", spanish=True)
    rest = _any("elsewhere").sub(" ", words)
    may = _any("words_of_stop").search(rest) or _any("doubtful").search(words)
    if may or any(each in body for each in _SIGNS):
        return Heard(Meaning.DOUBTFUL, "phrase", spanish)
    return Heard(Meaning.REPLY, spanish=spanish)


def _whole(words: str, *, opted_out: bool) -> Heard | None:
    """The meaning of a message that is a keyword, said once or several times, with or without thanks."""
    once = re.sub(r"^(\w+)(?: \1)+$", r"\1", words)
    for text in (words, once, re.sub(r"\s+(?:please|pls|plz|thanks|thank you|now|ok)$", "", once)):
        if text in _words("carriers") or text in _words("stop") or _nearly(text):
            return Heard(Meaning.OPT_OUT, "keyword")
        if text in _words("stop_spanish"):
            return Heard(Meaning.OPT_OUT, "keyword", spanish=True)
        if text in _words("start") or (opted_out and text in _YES):
            return Heard(Meaning.START, "keyword", spanish=text == "si")
        if text in _words("start_spanish"):
            return Heard(Meaning.START, "keyword", spanish=True)
        if text in _words("help"):
            return Heard(Meaning.HELP, "keyword")
        if text in _words("help_spanish"):
            return Heard(Meaning.HELP, "keyword", spanish=True)
    return None


def _plain(body: str) -> str:
    """Without case, accents, apostrophes and the digits and dots that stand in for letters."""
    text = _APOSTROPHES.sub("", unicodedata.normalize("NFKD", body))
    text = "".join(each for each in text if not unicodedata.combining(each)).casefold()
    text = re.sub(r"\bst0p\b", "stop", re.sub(r"\b5top\b", "stop", text))
    return re.sub(r"\b(\w)[.\s_*-](\w)[.\s_*-](\w)[.\s_*-](\w)\b", _spaced, text)


def _spaced(found: re.Match[str]) -> str:
    """``s.t.o.p`` as a word."""
    word = "".join(found.groups())
    return word if word == "stop" else found[0]


def _unsubscribe(found: re.Match[str]) -> str:
    return "unsubscribe" if len(found[0]) > 4 else found[0]  # noqa: PLR2004 - "unsub" and longer


_LONG: Final = ("unsubscribe", "cancel", "stopall", "revoke")
_REAL: Final = frozenset({"cancer", "chancel", "cancels", "evoke", "revoked", "revokes"})


def _nearly(text: str) -> bool:
    """A long keyword with one letter wrong, missing, doubled or swapped."""
    return " " not in text and text not in _REAL and any(_one_off(text, each) for each in _LONG)


def _one_off(text: str, word: str) -> bool:
    if abs(len(text) - len(word)) > 1 or not text:
        return False
    if len(text) == len(word):
        wrong = [index for index in range(len(word)) if text[index] != word[index]]
        first, *rest = wrong or [0]
        swapped = rest == [first + 1] and text[first] == word[first + 1] and text[first + 1] == word[first]
        return len(wrong) == 1 or swapped
    short, long = sorted((text, word), key=len)
    return any(long[:index] + long[index + 1 :] == short for index in range(len(long)))
