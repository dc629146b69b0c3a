"""``/pricebook/...``: the company's own copy of the price book."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from perfectcatch.gateway import answers
from perfectcatch.gateway.access import Scope, scoped
from perfectcatch.gateway.context import gateway_of
from perfectcatch.gateway.models import Told
from perfectcatch.model.entity import Type
from perfectcatch.pricebook import search as searching
from perfectcatch.pricebook.tree import CATEGORIES, ITEMS, categories, tree
from perfectcatch.store.reading.fields import BIGGEST, value_of

router = APIRouter(prefix="/pricebook", tags=["price book"])

Words = Annotated[str, Query(max_length=200, description="A code, the beginning of one, or words.")]
CategoryId = Annotated[
    int | None, Query(ge=-BIGGEST, le=BIGGEST, description="Only of this category and those below it.")
]
Price = Annotated[str | None, Query(max_length=40, description="An amount such as 12.50.")]
Active = Annotated[Literal["true", "false", "any"], Query(description="Whether entries are switched on.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After = Annotated[str | None, Query(max_length=100, description="The `next` of the answer before.")]


class Category(Told):
    """A category with what is below it."""

    st_id: int
    name: str | None
    category_type: str | None
    active: bool
    position: int | None
    parent_id: int | None
    items: int
    all_items: int
    children: list["Category"]


class Categories(Told):
    """The tree of categories."""

    data_as_of: datetime | None
    data: list[Category]


class Item(Told):
    """An entry of the price book. ``match``: by what it was found."""

    kind: Literal["service", "material", "equipment"]
    st_id: int
    code: str | None
    display_name: str | None
    description: str | None
    price: float | None
    member_price: float | None
    add_on_price: float | None
    cost: float | None
    hours: float | None
    taxable: bool | None
    active: bool
    category_ids: list[int]
    manufacturer: str | None
    model: str | None
    unit_of_measure: str | None
    primary_vendor_name: str | None
    primary_vendor_part: str | None
    match: Literal["code", "beginning of the code", "words"] | None


class Items(Told):
    """Entries, the best first; without words in the order of their ids."""

    data_as_of: datetime | None
    corrected: str | None
    data: list[Item]
    next: str | None


@router.get("/categories", summary="The tree of categories.", response_model=Categories, **scoped(Scope.READ))
async def category_tree(
    request: Request,
    active: Annotated[bool, Query(description="`false`: those that are switched off too.")] = True,
    type: Annotated[Literal["Services", "Materials"] | None, Query()] = None,  # noqa: A002
) -> Response:
    """Categories with the number of live entries in each."""
    gateway = gateway_of(request)
    age = await gateway.freshness.of(CATEGORIES)
    rows = await categories(gateway.reads, gateway.tenant_id, gateway.entities, only_active=active, kind=type)
    return answers.json({"data_as_of": age.as_of, "data": tree(rows)}, age)


async def _found(request: Request, kinds: tuple[str, ...], asked: dict[str, Any]) -> Response:
    gateway = gateway_of(request)
    wanted = searching.Wanted(
        kinds=kinds,
        words=asked["q"],
        category_id=asked["category_id"],
        active={"true": True, "false": False, "any": None}[asked["active"]],
        price_from=_amount("price_from", asked["price_from"], gateway.zone),
        price_before=_amount("price_before", asked["price_before"], gateway.zone),
        after=asked["after"],
        limit=asked["limit"],
    )
    age = await gateway.freshness.of(*(ITEMS[kind] for kind in kinds))
    found = await searching.search(gateway.reads, gateway.tenant_id, gateway.entities, wanted)
    body = {"data_as_of": age.as_of, "corrected": found.corrected, "data": found.items, "next": found.next}
    return answers.json(body, age)


def _amount(name: str, text: str | None, zone: str) -> Decimal | None:
    return None if text is None else value_of(Type.MONEY, text, name, zone)


@router.get("/search", summary="Search in the price book.", response_model=Items, **scoped(Scope.READ))
async def search(
    request: Request,
    q: Words = "",
    kind: Annotated[list[Literal["service", "material", "equipment"]] | None, Query()] = None,
    category_id: CategoryId = None,
    active: Active = "true",
    price_from: Price = None,
    price_before: Price = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """An exact code first, then codes that begin so, then words; misspelled words find what is near."""
    asked = {
        "q": q,
        "category_id": category_id,
        "active": active,
        "price_from": price_from,
        "price_before": price_before,
        "after": after,
        "limit": limit,
    }
    kinds = tuple(each for each in ITEMS if kind is None or each in kind)
    return await _found(request, kinds, asked)


def _route(path: str, kind: str, what: str) -> None:
    async def listed(
        request: Request,
        q: Words = "",
        category_id: CategoryId = None,
        active: Active = "true",
        price_from: Price = None,
        price_before: Price = None,
        after: After = None,
        limit: Limit = 100,
    ) -> Response:
        asked = {
            "q": q,
            "category_id": category_id,
            "active": active,
            "price_from": price_from,
            "price_before": price_before,
            "after": after,
            "limit": limit,
        }
        return await _found(request, (kind,), asked)

    listed.__name__ = f"pricebook_{path}"
    router.add_api_route(
        f"/{path}",
        listed,
        methods=["GET"],
        summary=f"{what} of the price book.",
        description="All of them, or what is found by a code or by words.",
        response_model=Items,
        **scoped(Scope.READ),
    )


_route("services", "service", "Services")
_route("materials", "material", "Materials")
_route("equipment", "equipment", "Equipment")
