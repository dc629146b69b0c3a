"""How many texts went to and fro with a number lately, whoever wrote them."""

from datetime import timedelta
from typing import Any, Final

from perfectcatch.store.names import MESSAGES, RECEIVED
from perfectcatch.workflows.questions.asked import Asked

GIVES: Final = ("count",)
_USUAL_MINUTES: Final = 10


async def answer(asked: Asked) -> dict[str, Any]:
    """Texts with ``number`` in the ``minutes`` (10) before ``until``, which is now if left out."""
    number = asked.values.get("number")
    if not number:
        return {"count": 0}
    minutes = timedelta(minutes=float(asked.values.get("minutes") or _USUAL_MINUTES))
    found = await asked.reads.rows(
        f"""
        select (select count(*) from {RECEIVED} where tenant_id = %(tenant)s and sender = %(number)s
            and received_at > %(since)s)
          + (select count(*) from {MESSAGES} where tenant_id = %(tenant)s and address = %(number)s
            and sent_at > %(since)s and not shadow and status in ('sent', 'delivered', 'unknown')) as count
        """,
        {"tenant": asked.tenant_id, "number": number, "since": asked.now - minutes},
    )
    return {"count": found[0]["count"]}
