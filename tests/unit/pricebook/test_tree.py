"""The tree of categories, whatever the parents say."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from perfectcatch.pricebook.tree import Category, tree


def row(st_id: int, parent_id: int | None = None, items: int = 1) -> dict[str, Any]:
    return {
        "st_id": st_id,
        "name": f"c{st_id}",
        "category_type": "Services",
        "active": True,
        "position": None,
        "parent_id": parent_id,
        "items": items,
    }


def everything(roots: list[Category]) -> list[int]:
    found = []
    for each in roots:
        found += [each.st_id, *everything(each.children)]
    return found


def test_a_tree_is_ordered_and_counted():
    roots = tree([row(1), row(2, 1, 3), row(3, 2), row(4, 99)])
    assert [root.st_id for root in roots] == [1, 4]
    assert (roots[0].items, roots[0].all_items) == (1, 5)
    assert roots[0].children[0].children[0].st_id == 3


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=12))
def test_every_category_is_there_once(parents: list[int]):
    """Circles, unknown parents and a category that is its own parent among them."""
    rows = [row(number, parent or None) for number, parent in enumerate(parents, 1)]
    assert sorted(everything(tree(rows))) == [each["st_id"] for each in rows]
