"""The company changes while it is being read."""

from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.faults.rule import Strike
from perfectcatch.sandbox.servicetitan.table import Table


def expire_tokens(strike: Strike) -> None:
    """Every token that was given ends now; a new one is to be had."""
    strike.door.revoke()


def shift(strike: Strike) -> None:
    """Between two pages records are deleted without a trace, inserted, and modified."""
    asked, tenant, lot = strike.asked, strike.tenant, strike.fault.random()
    if not _continues(strike):
        return
    table = _table(strike)
    ids = sorted(table.rows, key=str) if table is not None else []
    if table is None or len(ids) <= strike["delete"] + strike["modify"]:
        return
    gone = lot.sample(ids, strike["delete"])
    for record_id in gone:
        tenant.remove(asked.collection, record_id)
        strike.fault.touch(record_id, "deleted")
    for record_id in lot.sample(sorted(table.rows, key=str), strike["modify"]):
        row = table.rows[record_id]
        tenant.put(asked.collection, row.record(), row.scope)
        strike.fault.touch(record_id, "modified")
    for _ in range(strike["insert"]):
        like = table.rows[lot.choice(sorted(table.rows, key=str))]
        record = {**like.record(), "id": tenant.new_id(asked.collection), "createdOn": tenant.stamp()}
        tenant.put(asked.collection, record, like.scope)
        strike.fault.touch(record["id"], "inserted")


def _continues(strike: Strike) -> bool:
    """Whether the request asks for a page after the first."""
    query = strike.asked.query
    return bool(query.get("from")) or query.get("page", "1") not in {"0", "1"}


def equal_times(strike: Strike) -> None:
    """Records of the collection get one and the same moment of modification."""
    table = _table(strike)
    if table is None:
        return
    moment = strike.tenant.now()
    for row in [row for row in table.by_id() if not row.hidden][: strike["rows"]]:
        record: dict[str, Any] = row.record()
        if "modifiedOn" in record:
            record["modifiedOn"] = moments.write(moment)
            table.put(record, modified=moment, scope=row.scope)
            strike.fault.touch(row.id, "modified")


def _table(strike: Strike) -> Table | None:
    return strike.tenant.tables.get(strike.asked.collection)
