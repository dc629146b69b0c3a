"""Collections that are parts of other records: an invoice's items and an estimate's items.

They are kept in step with their owners: an item whose content changed gets its owner's moment, one that
left its owner stays as inactive, which is how the export feed tells of it.
"""

from perfectcatch.sandbox.servicetitan.table import Id, Record, Row, Table

# collection: (owner's collection, field of the owner's id)
PARTS = {
    "accounting.invoice_items": ("accounting.invoices", "invoiceId"),
    "sales.estimates_items": ("sales.estimates", "estimateId"),
}


def follow(owners: Table, table: Table, link: str) -> None:
    """Fill ``table`` with the ``items`` of every owner and keep it so."""
    held: dict[Id, set[Id]] = {}

    def take(row: Row, record: Record | None, *, first: bool = False) -> None:
        items = (record or {}).get("items") or []
        before = held.get(row.id, set())
        held[row.id] = {item["id"] for item in items}
        for item in items:
            part = {**item, link: row.id, "active": row.active and record is not None}
            known = table.rows.get(item["id"])
            if known is None or known.record() != part:
                table.put(part, default=row.modified, modified=None if first else row.modified)
        for gone in before - held[row.id]:
            table.put({**table.rows[gone].record(), "active": False}, modified=row.modified)

    for row in owners.rows.values():
        take(row, row.record(), first=True)
    owners.watchers.append(take)
