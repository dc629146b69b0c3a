"""What a comparison of some, drawn at random, says of all of them."""

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


def percent(share: float) -> str:
    """A share, rounded up so that it stays true."""
    return f"{ceil(share * 1000 - 1e-9) / 10:g} %"
