"""What vendors tell later: statuses of messages, and what they teach. Doing it twice changes nothing."""

from typing import Final

import structlog

from perfectcatch.messaging.desk import Desk
from perfectcatch.messaging.learning import learn, learn_of_others
from perfectcatch.messaging.numbers import normalized
from perfectcatch.model.reports import Report
from perfectcatch.store.messages import log, outcomes
from perfectcatch.store.messages.log import Message

_LONGEST_ID: Final = 18
_log = structlog.get_logger(__name__)


async def apply(desk: Desk, report: Report) -> Message | None:
    """Keep what a vendor reports; None when it is about no message of ours, which may still end messages."""
    message = await _of(desk, report)
    if message is None:
        if report.trouble is not None:
            await learn_of_others(desk, report.channel, report.address, report.trouble)
        _log.info("report_about_no_message_of_ours", channel=report.channel, vendor_id=report.vendor_id)
        return None
    if report.receipt is not None:
        message = await outcomes.progress(
            desk.pool, desk.tenant_id, report.receipt, now=desk.clock.now(), message_id=message.id
        )
        assert message is not None
    if report.trouble is not None:
        await learn(desk, message, report.trouble)
    return message


async def _of(desk: Desk, report: Report) -> Message | None:
    """By the vendor's id. By our reference only where the row has no id yet, and the same recipient.

    Another installation may send from the same account: its references are not ours.
    """
    async with desk.pool.connection() as connection:
        if report.vendor_id:
            found = await log.by_vendor_id(connection, desk.tenant_id, report.vendor_id)
            if found is not None:
                return found
        if not report.reference or not report.reference.isdecimal() or len(report.reference) > _LONGEST_ID:
            return None
        found = await log.by_id(connection, desk.tenant_id, int(report.reference))
    if found is None or found.channel != report.channel or found.shadow or found.sent_at is None:
        return None
    same = found.address == (normalized(report.channel, report.address)[0] or report.address)
    known = found.vendor_id in (None, report.vendor_id) or found.vendor_id == f"message {found.id}"
    return found if same and known else None
