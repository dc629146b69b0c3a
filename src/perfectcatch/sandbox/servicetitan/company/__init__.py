"""A made-up home-service company in Florida whose records have the vendor's shapes.

The same seed, size and moment give the same records to the byte. ``generate`` yields them one by one in
bounded memory; ``make_company`` gathers them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from perfectcatch.sandbox.servicetitan.company.office import TENANT_ID, TENANT_NAME, Record
from perfectcatch.sandbox.servicetitan.company.plan import Size
from perfectcatch.sandbox.servicetitan.company.shapes import call_in_v3, export_shape, list_shape
from perfectcatch.sandbox.servicetitan.company.story import tell

__all__ = [
    "DEFAULT_CUSTOMERS",
    "TENANT_ID",
    "TENANT_NAME",
    "Company",
    "Record",
    "Size",
    "call_in_v3",
    "export_shape",
    "generate",
    "list_shape",
    "make_company",
]

DEFAULT_CUSTOMERS = 1_696


@dataclass
class Company:
    """All records of a company: collection (``module.resource``) to records in the export's shape."""

    seed: int
    size: Size
    now: datetime
    collections: dict[str, list[Record]] = field(default_factory=dict)


def generate(
    seed: int = 7, customers: int = DEFAULT_CUSTOMERS, *, now: datetime, size: Size | None = None
) -> Iterator[tuple[str, Record]]:
    """Yield (collection, record) of a company of so many customers as it stands at ``now`` (aware).

    ``size`` states other numbers than the usual proportions. Records that belong together come together;
    a yielded record is not touched again, but nested values (an address) may be shared by several: replace
    them, never change them in place. Raises BadArgument for a naive ``now`` or an impossible size.
    """
    return tell(seed, size or Size.of(customers), now)


def make_company(
    seed: int = 7, customers: int = DEFAULT_CUSTOMERS, *, now: datetime, size: Size | None = None
) -> Company:
    """Return a whole company in memory (about ten kilobytes a customer as JSON, several times that here)."""
    company = Company(seed, size or Size.of(customers), now)
    for collection, record in generate(seed, customers, now=now, size=size):
        company.collections.setdefault(collection, []).append(record)
    return company
