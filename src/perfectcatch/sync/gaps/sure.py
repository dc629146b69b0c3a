"""How sure a comparison of some records makes of all of them: honest statistics, without input or output."""

from dataclasses import dataclass
from math import ceil, exp, lgamma

CONFIDENCE = 0.95


def most_wrong(total: int, compared: int, found: int = 0, confidence: float = CONFIDENCE) -> int:
    """The largest number of wrong records among ``total`` with which so few as ``found`` would still come up.

    ``compared`` of them were drawn at random, each set of them equally likely, and ``found`` were wrong. If
    more were wrong than the number given here, a draw would show more than ``found`` with a probability of
    at least ``confidence``. Nothing found among n of very many: the rule of three, 3/n of them.
    """
    if compared >= total:
        return found
    low, high = found, total - compared + found
    while low < high:
        middle = (low + high + 1) // 2
        if _at_most(found, total, middle, compared) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low


def _at_most(found: int, total: int, wrong: int, drawn: int) -> float:
    """The probability that a draw of ``drawn`` of ``total`` shows at most ``found`` of ``wrong``."""
    every = _ways(total, drawn)
    least, most = max(0, drawn - (total - wrong)), min(found, wrong, drawn)
    return sum(
        exp(_ways(wrong, shown) + _ways(total - wrong, drawn - shown) - every)
        for shown in range(least, most + 1)
    )


def _ways(number: int, chosen: int) -> float:
    """The logarithm of the number of ways to choose."""
    return lgamma(number + 1) - lgamma(chosen + 1) - lgamma(number - chosen + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sure:
    """What was compared, and what follows.

    ``windows`` and ``windows_equal``: spans of time whose counts were compared, after what was found wrong
    had been read. ``counted``: whether the vendor told a number at all. ``units`` are what was drawn at
    random: records, or pages of what cannot be asked for single records.
    """

    total: int
    compared: int
    wrong: int = 0
    counted: bool = False
    windows: int = 0
    windows_equal: int = 0
    pages: int = 0
    all_pages: int = 0

    @property
    def certain(self) -> bool:
        """Whether everything was compared."""
        return self.compared >= self.total

    @property
    def at_most(self) -> float:
        """With 95 % certainty the share of records that differ beyond those found is at most this."""
        if self.certain:
            return 0.0
        if self.all_pages:
            bound = most_wrong(self.all_pages, self.pages)
            return bound / self.all_pages
        return (most_wrong(self.total, self.compared, self.wrong) - self.wrong) / max(1, self.total)

    def __str__(self) -> str:
        """One sentence for a person."""
        if self.certain:
            return f"certain: all {self.total:,} records were compared"
        parts = [self._of_counts()] if self.counted else []
        equal = "all equal" if not self.wrong else f"{self.wrong:,} differ"
        parts.append(f"{self.compared:,} of {self.total:,} records compared, {equal}")
        if self.compared:
            what = "of the windows hold a difference" if self.all_pages else "more differ"
            parts.append(f"with 95 % certainty at most {_percent(self.at_most)} {what}")
        return "; ".join(parts)

    def _of_counts(self) -> str:
        if self.windows_equal < self.windows:
            return f"counts agree in {self.windows_equal:,} of {self.windows:,} windows"
        return "counts agree" if self.windows <= 1 else f"counts agree in all {self.windows:,} windows"


def _percent(share: float) -> str:
    """A share, rounded up so that it stays true."""
    return f"{ceil(share * 1000 - 1e-9) / 10:g} %"
