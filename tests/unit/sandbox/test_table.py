"""A column of one field says the same whether its records were there before it or came after."""

from typing import Any

import pytest

from perfectcatch.sandbox.servicetitan.table import Column, Table

RECORDS: list[dict[str, Any]] = [
    {"id": 1, "from": "A", "tags": [5, 6], "owner": {"id": 9}, "_list": {"x": 1}},
    {"id": 2, "from": None, "tags": [], "owner": None, "only": "here"},
    {"id": 3, "tags": [6], "owner": {"id": 9, "name": "n"}, "hidden": True},
]


@pytest.mark.parametrize(
    "path",
    [("from",), ("tags",), ("owner", "id"), ("_list", "x"), ("hidden",), ("only",), ("nothing",), ("id",)],
)
def test_a_column_is_the_same_before_and_after(path: tuple[str, ...]) -> None:
    early, late = Table("t", {"id", "from", "tags", "owner"}), Table("t", {"id", "from", "tags", "owner"})
    early.column(*path)
    for record in RECORDS:
        early.put(dict(record))
        late.put(dict(record))

    before, after = early.column(*path), late.column(*path)
    assert before.values == after.values
    assert groups(before) == groups(after)


def groups(column: Column) -> dict[Any, set[Any]]:
    return {value: ids for value, ids in column.groups.items() if ids}
