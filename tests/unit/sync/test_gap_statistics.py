"""What a sample says of the whole, held against exact probabilities."""

from math import comb

from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.kit.certainty import most_wrong
from perfectcatch.sync.gaps.sure import Sure


@settings(deadline=None)
@given(st.data())
def test_the_bound_is_the_exact_one(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 200))
    compared = data.draw(st.integers(1, total))
    found = data.draw(st.integers(0, min(3, compared)))

    def at_most(wrong: int) -> float:
        ways = sum(comb(wrong, shown) * comb(total - wrong, compared - shown) for shown in range(found + 1))
        return ways / comb(total, compared)

    bound = most_wrong(total, compared, found)
    if compared < total:
        assert at_most(bound) > 0.05 - 1e-9
        if bound < total - compared + found:
            assert at_most(bound + 1) <= 0.05 + 1e-9
    else:
        assert bound == found


def test_the_rule_of_three() -> None:
    assert most_wrong(1_000_000, 300) / 1_000_000 < 3.0 / 300
    assert most_wrong(1_000_000, 300) / 1_000_000 > 2.9 / 300


def test_the_sentences() -> None:
    sampled = Sure(total=14_231, compared=200, counted=True, windows=8, windows_equal=8)
    assert str(sampled) == (
        "counts agree in all 8 windows; 200 of 14,231 records compared, all equal; "
        "with 95 % certainty at most 1.5 % more differ"
    )
    assert str(Sure(total=60, compared=60)) == "certain: all 60 records were compared"
    wrong = Sure(total=14_231, compared=200, wrong=2, counted=True, windows=9, windows_equal=8)
    assert "counts agree in 8 of 9 windows; 200 of 14,231 records compared, 2 differ" in str(wrong)
    pages = Sure(total=9_000, compared=3_000, pages=10, all_pages=30)
    assert str(pages).endswith("with 95 % certainty at most 20 % of the windows hold a difference")
