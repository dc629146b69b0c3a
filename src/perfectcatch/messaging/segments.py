"""How many parts a text is sent in, which is what it costs by."""

from typing import Final

# The alphabet of GSM 03.38, and the characters of it that take two places.
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_PLANE: Final = 0xFFFF  # characters beyond it take two places in UTF-16
_DOUBLE: Final = frozenset("^{}\\[~]|€\f")


def segments(body: str) -> int:
    """Parts of 160 characters of GSM's alphabet or of 70 of UTF-16; of 153 or 67 when there are several."""
    if _BASIC.issuperset(body):
        return _parts([1] * len(body), 160, 153)
    if all(each in _BASIC or each in _DOUBLE for each in body):
        return _parts([2 if each in _DOUBLE else 1 for each in body], 160, 153)
    return _parts([2 if ord(each) > _PLANE else 1 for each in body], 70, 67)


def _parts(widths: list[int], alone: int, joined: int) -> int:
    if sum(widths) <= alone:
        return 1
    parts, used = 1, 0
    for width in widths:  # a character of two places is never cut in halves
        if used + width > joined:
            parts, used = parts + 1, 0
        used += width
    return parts
