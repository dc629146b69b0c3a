"""Lists by page: ``{page, pageSize, hasMore, totalCount, data}``."""

from collections.abc import Sequence
from typing import Any

from perfectcatch.sandbox.servicetitan.answers import Answer, bad
from perfectcatch.sandbox.servicetitan.call import Call
from perfectcatch.sandbox.servicetitan.filters import field_names, parent, wanted
from perfectcatch.sandbox.servicetitan.routes import owner_of
from perfectcatch.sandbox.servicetitan.table import Row, Table
from perfectcatch.sandbox.servicetitan.views import join, view
from perfectcatch.vendors.servicetitan.shapes import Shape

DEFAULT_PAGE_SIZE = 50
_LIMITS = {
    "inventory.return_types": 500,  # reported by clients, not in the documents
    "settings.business_units_intacct": 500,
}
_FROM_ZERO = frozenset({"settings.business_units_intacct"})
_NEEDS_MODIFIED = frozenset(
    {"/crm/v2/tenant/{tenant}/customers/contacts", "/crm/v2/tenant/{tenant}/locations/contacts"}
)
_SORTABLE = ("Id", "CreatedOn", "ModifiedOn")


def page(call: Call) -> Answer:
    """Answer a list request. Raises 400 for values that the vendor refuses."""
    number, size = _numbers(call)
    _needs(call)
    table = call.tenant.table(call.route.collection)
    if call.route.parents:
        furnish(call, table)
    order = _order(call, table)
    filters = frozenset(
        (name, text) for name, text in call.query.items() if name not in {"page", "pageSize", "includeTotal"}
    )
    filters_of = (call.route.key, tuple(call.path.values()), filters)

    def select() -> list[Row]:
        rows = wanted(call, table).rows(table.by_id())
        rows = parent(call, table).rows(rows) if call.route.parents else rows
        return sorted(rows, key=order[0], reverse=order[1]) if order else rows

    rows = table.result(filters_of, select)
    first = (number - (0 if call.route.collection in _FROM_ZERO else 1)) * size
    some = rows[first : first + size]
    has_more = first + size < len(rows)
    data = join(some, view(call.tenant, call.route, table))
    return envelope(call, number, size, has_more, len(rows), data, some)


def envelope(
    call: Call, number: int, size: int, has_more: bool, total: int, data: bytes, shown: Sequence[Any]
) -> Answer:
    """Write a page around its records. The total is told only on request, or where it may not be null."""
    field = call.route.answer.fields.get("totalCount") if call.route.answer else None
    told = call.flag("includeTotal") or (field is not None and field.required and not field.nullable)
    count_text = b"%d" % total if told else b"null"
    head = b'{"page":%d,"pageSize":%d,"hasMore":%s,"totalCount":%s,"data":[' % (
        number,
        size,
        b"true" if has_more else b"false",
        count_text,
    )
    return Answer(body=b"".join((head, data, b"]}")), records=len(shown), served=shown)


def _numbers(call: Call) -> tuple[int, int]:
    lowest = 0 if call.route.collection in _FROM_ZERO else 1
    number = call.integer("page", lowest)
    size = call.integer("pageSize", DEFAULT_PAGE_SIZE)
    most = _LIMITS.get(call.route.collection, call.route.operation.max_page_size)
    if number < lowest:
        raise bad("page", f"The page must be {lowest} or greater.")
    if not 1 <= size <= most:
        raise bad("pageSize", f"The page size must be between 1 and {most}.")
    return number, min(size, call.tenant.options.export_page_size)


def _needs(call: Call) -> None:
    query = call.query
    if call.route.path in _NEEDS_MODIFIED and not (
        query.get("modifiedOnOrAfter") or query.get("modifiedBefore")
    ):
        raise bad("modifiedOnOrAfter", "Either modifiedOnOrAfter or modifiedBefore is required.")
    for name, shape in call.route.operation.query.items():
        if shape.required and not query.get(name):
            raise bad(name, f"The {name} field is required.")


def _order(call: Call, table: Table) -> tuple[Any, bool] | None:
    known, query = call.route.operation.query, call.query
    text = (query.get("sort") if "sort" in known else None) or (
        query.get("orderBy") if "orderBy" in known else None
    )
    if not text:
        return None
    # A plus sign that was not encoded arrives as a space; both mean ascending.
    descending = text.startswith("-") or query.get("orderByDirection", "").lower().startswith("desc")
    field = text.lstrip("+- ").strip()
    allowed = {each.lower(): each for each in call.route.operation.sort or _SORTABLE}
    if field.lower() not in allowed:
        name = "sort" if "sort" in known else "orderBy"
        raise bad(name, f"Cannot sort by '{field}': the fields are {', '.join(allowed.values())}.")
    return _key(call, table, field.lower()), descending


def _key(call: Call, table: Table, field: str) -> Any:
    if field == "id":
        return lambda row: (0, row.id) if isinstance(row.id, int) else (1, row.id)
    if field in {"createdon", "modifiedon"}:
        attribute = field.removesuffix("on")
        return lambda row: (getattr(row, attribute), str(row.id))
    fields = call.tenant.routes.all_fields(call.route.collection)
    name = next((each for each in fields if each.lower() == field), "id")
    values = table.column(name).values

    def key(row: Row) -> tuple[bool, str, float]:
        value = values.get(row.id)
        number = float(value) if isinstance(value, int | float) else 0.0
        return value is None, "" if isinstance(value, int | float) else str(value), number

    return key


def furnish(call: Call, table: Table) -> None:
    """Below a parent that exists, make up what the company does not keep. Raises 404."""
    ancestors(call)
    fields: dict[str, Shape] = call.tenant.routes.all_fields(call.route.collection)
    if table.name in call.tenant.given or not fields or call.scope in table.furnished:
        return
    table.furnished.add(call.scope)
    known: dict[str, Any] = {}
    for name, segment in call.route.parents:
        link = next((each for each in field_names(name, segment) if each in fields), None)
        if link is not None:
            known[link] = call.link(name)
    for index in range(3):
        table.put(
            call.tenant.made(table.name, index, known, *call.scope),
            default=call.tenant.opened,
            scope=call.scope,
        )


def ancestors(call: Call) -> None:
    """Check that the parents named in the path exist. Raises 404."""
    static: list[str] = []
    module = call.route.collection.split(".")[0]
    names = {name for name, _ in call.route.parents}
    for segment in call.route.path.strip("/").split("/")[4:]:
        if not segment.startswith("{"):
            static.append(segment)
            continue
        if segment[1:-1] not in names:
            return
        owner = owner_of(module, static)
        if owner in call.tenant.routes.by_collection and owner != call.route.collection:
            call.tenant.row(owner, call.path[segment[1:-1]])
