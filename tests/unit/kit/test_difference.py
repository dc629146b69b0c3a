"""Differences between documents."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.kit.difference import Change, differences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("before", "after", "path", "kind"),
    [
        ({"a": 1}, {"a": 2}, "a", "changed"),
        ({"a": {"b": None}}, {"a": {}}, "a.b", "removed"),
        ({}, {"a": None}, "a", "added"),
        ({"a": 1}, {"a": True}, "a", "changed"),
        ({"a": [1, 2]}, {"a": [1]}, "a[1]", "removed"),
        ({"a": [{"id": 1}, {"id": 2}]}, {"a": [{"id": 2}]}, "a[id=1]", "removed"),
        ({"a": [{"id": 1}, {"id": 1}]}, {"a": [{"id": 1}]}, "a[1]", "removed"),
        ({"a": {}}, {"a": []}, "a", "changed"),
    ],
)
def test_a_difference_is_named(before: Any, after: Any, path: str, kind: str):
    [change] = differences(before, after)
    assert (change.path, change.kind) == (path, kind)


def test_equal_numbers_do_not_differ():
    assert differences({"a": Decimal("1.50")}, {"a": Decimal("1.5")}) == []


@settings(max_examples=60, deadline=None)
@given(JSON, JSON)
def test_nothing_differs_from_itself_and_both_ways_agree(one: Any, other: Any):
    assert differences(one, one) == []
    there = {(each.path, each.kind) for each in differences(one, other)}
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(each.path, turned[each.kind]) for each in differences(other, one)} == there
    assert bool(there) or one == other


def test_a_change_is_plain():
    assert differences(1, 2) == [Change("", "changed", 1, 2)]
