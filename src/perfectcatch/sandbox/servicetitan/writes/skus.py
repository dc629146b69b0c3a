"""Lines of estimates and invoices: what a sold article is called and costs."""

from dataclasses import dataclass
from typing import Any

from perfectcatch.sandbox.servicetitan.table import Record
from perfectcatch.sandbox.servicetitan.tenant import Tenant

_KINDS = (
    ("pricebook.services", "Service"),
    ("pricebook.materials", "Material"),
    ("pricebook.equipment", "Equipment"),
    ("pricebook.discounts_and_fees", "PriceModifier"),
)


@dataclass(frozen=True, slots=True)
class Sku:
    """An article of the price book, as a line needs it."""

    id: int
    code: str
    name: str
    kind: str
    price: float
    cost: float
    hours: float
    taxable: bool
    modified: str

    @classmethod
    def find(cls, tenant: Tenant, number: Any, code: Any) -> "Sku | None":
        """Look an article up by its id or code; None where the price book has neither."""
        for collection, kind in _KINDS:
            table = tenant.table(collection)
            ids = [number] if number in table.rows else list(table.column("code").ids(code)) if code else []
            if ids:
                return cls.of(table.rows[ids[0]].record(), kind)
        return None

    @classmethod
    def of(cls, record: Record, kind: str) -> "Sku":
        """Read an article's record."""
        return cls(
            id=record["id"],
            code=record["code"],
            name=record["displayName"],
            kind=kind,
            price=float(record.get("price") or record.get("amount") or 0),
            cost=float(record.get("cost") or 0),
            hours=float(record.get("hours") or 0),
            taxable=bool(record.get("taxable")),
            modified=record["modifiedOn"],
        )


UNKNOWN = Sku(
    0, "Custom", "Custom item", "Service", 0.0, 0.0, 0.0, taxable=False, modified="2020-01-01T00:00:00Z"
)
