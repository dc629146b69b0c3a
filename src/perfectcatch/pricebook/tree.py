"""Categories as a tree, whatever the vendor's parents look like."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import qualified
from perfectcatch.store.reading.reads import Reads

ITEMS: Final = {
    "service": "pricebook_services",
    "material": "pricebook_materials",
    "equipment": "pricebook_equipment",
}
CATEGORIES: Final = "pricebook_categories"


@dataclass(slots=True)
class Category:
    """A category. ``items``: live entries that name it; ``all_items``: with those of the categories below."""

    st_id: int
    name: str | None
    category_type: str | None
    active: bool
    position: int | None
    parent_id: int | None
    items: int
    all_items: int = 0
    children: list["Category"] = field(default_factory=list)


async def categories(
    reads: Reads, tenant_id: int, entities: Mapping[str, Entity], *, only_active: bool, kind: str | None
) -> list[dict[str, Any]]:
    """Every category with the number of its entries."""
    named = " union all ".join(
        f"select unnest(category_ids) as category_id from {qualified(entities[name].table)}"
        " where tenant_id = %(tenant)s and deleted_at is null and active"
        for name in ITEMS.values()
    )
    return await reads.rows(
        f"""
with counted as (select category_id, count(*) as items from ({named}) named group by category_id)
select c.st_id, c.name, c.category_type, c.active, c.position, c.parent_id, coalesce(n.items, 0) as items
from {qualified(entities[CATEGORIES].table)} c left join counted n on n.category_id = c.st_id
where c.tenant_id = %(tenant)s and c.deleted_at is null and (c.active or not %(only_active)s)
  and (%(kind)s::text is null or c.category_type = %(kind)s)
order by c.position nulls last, c.name, c.st_id""",
        {"tenant": tenant_id, "only_active": only_active, "kind": kind},
    )


def tree(rows: Iterable[Mapping[str, Any]]) -> list[Category]:
    """The roots, each with what is below it, in the given order.

    Every category is in the tree once: one whose parent is not here is a root, and a circle is cut at the
    first of its members.
    """
    known = {row["st_id"]: Category(**row) for row in rows}
    roots = [each for each in known.values() if each.parent_id not in known]
    placed: set[int] = set()
    _place(roots, known, placed)
    for each in known.values():
        if each.st_id not in placed:
            roots.append(each)
            _place([each], known, placed)
    for root in roots:
        _count(root)
    return roots


def _place(roots: list[Category], known: Mapping[int, Category], placed: set[int]) -> None:
    below: dict[int | None, list[Category]] = {}
    for each in known.values():
        below.setdefault(each.parent_id, []).append(each)
    waiting = list(roots)
    placed.update(root.st_id for root in roots)
    while waiting:
        each = waiting.pop()
        for child in below.get(each.st_id, ()):
            if child.st_id not in placed:
                placed.add(child.st_id)
                each.children.append(child)
                waiting.append(child)


def _count(root: Category) -> None:
    """Add up from below, without recursion: a vendor's tree may be a chain of any length."""
    order, waiting = [], [root]
    while waiting:
        each = waiting.pop()
        order.append(each)
        waiting += each.children
    for each in reversed(order):
        each.all_items = each.items + sum(child.all_items for child in each.children)
