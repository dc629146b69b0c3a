"""How sure a comparison of some records makes of all of them: honest statistics, without input or output."""

from dataclasses import dataclass

from perfectcatch.kit.certainty import most_wrong, percent


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
            parts.append(f"with 95 % certainty at most {percent(self.at_most)} {what}")
        return "; ".join(parts)

    def _of_counts(self) -> str:
        if self.windows_equal < self.windows:
            return f"counts agree in {self.windows_equal:,} of {self.windows:,} windows"
        return "counts agree" if self.windows <= 1 else f"counts agree in all {self.windows:,} windows"
