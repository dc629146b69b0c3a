"""Finding out what nobody told us: what became of messages, and messages from people whose webhook was lost.

A message whose outcome is unknown is never sent again on a guess. Its vendor is read: what is found there is
noted; what is certainly not there may be offered again. Certain is only a vendor that can be asked, asked
long after the call must have ended. An email's vendor cannot be asked: such a message stays unknown until an
event tells of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from perfectcatch.errors import PerfectCatchError
from perfectcatch.messaging import footers, gate, inbound
from perfectcatch.messaging.desk import Desk
from perfectcatch.model.messaging import Channel, Decision, Receipt, Status, Text
from perfectcatch.store import state
from perfectcatch.store.messages import log, outcomes, people
from perfectcatch.store.messages.log import Message
from perfectcatch.store.pool import transaction

FIRST_LOOK: Final = timedelta(seconds=20)  # longer than any call for a text lasts
ABSENT_AFTER: Final = timedelta(seconds=60)  # what is not there by then will not come
# A vendor that cannot be read for so long holds a workflow no longer: its step ends with *unknown*.
SETTLED_WITHIN: Final = timedelta(hours=1)
_LOOK_AGAIN: Final = timedelta(seconds=30)
FIRST_LOOK_BACK: Final = timedelta(days=3)  # for messages from people; older ones met another system
OVERLAP: Final = timedelta(minutes=10)
_HEARD: Final = "messages_heard_until"  # a place that only moves forward

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look at the vendors brought."""

    found: int = 0
    absent: int = 0
    open: int = 0


async def outcomes_unknown(desk: Desk, *, limit: int = 200) -> Looked:
    """Read back messages of unknown outcome. Errors of a vendor end the look; the next one goes on."""
    now = desk.clock.now()
    found = absent = still = 0
    for message in await outcomes.unknown(desk.pool, desk.tenant_id, before=now - FIRST_LOOK, limit=limit):
        receipt = await _read_back(desk, message)
        if receipt is not None:
            found += 1
            await outcomes.progress(
                desk.pool, desk.tenant_id, receipt, now=desk.clock.now(), message_id=message.id
            )
        elif _is_absent(desk, message, now):
            absent += await outcomes.absent(desk.pool, desk.tenant_id, message.id, now=desk.clock.now())
        else:
            still += 1
    if found or absent:
        _log.info("unknown_outcomes_read_back", found=found, absent=absent, open=still)
    return Looked(found=found, absent=absent, open=still)


async def _read_back(desk: Desk, message: Message) -> Receipt | None:
    since = message.sent_at
    assert since is not None, "what is unknown was handed over"
    intent = gate.intent_of(message)
    if message.channel == Channel.SMS:
        if desk.messenger is None or message.address is None:
            return None
        return await desk.messenger.find(_text(message), since=since)
    if desk.mailer is None or message.address is None:
        return None
    mail = footers.mail_of(
        intent, desk.company, tenant_id=desk.tenant_id, message_id=message.id, to=message.address
    )
    return await desk.mailer.find(mail, since=since)


def _is_absent(desk: Desk, message: Message, now: datetime) -> bool:
    asked = message.channel == Channel.SMS and desk.messenger is not None and message.address is not None
    return asked and message.sent_at is not None and message.sent_at <= now - ABSENT_AFTER


def _text(message: Message) -> Text:
    assert message.address is not None
    return Text(
        to=message.address,
        body=footers.text_of(gate.intent_of(message)),
        reference=str(message.id),
        valid_for=1,
    )


async def look_again_at(desk: Desk, decision: Decision) -> datetime | None:
    """When it is worth asking again for a text of unknown outcome; None: nobody will find out more."""
    if decision.status is not Status.UNKNOWN or decision.message_id is None or desk.messenger is None:
        return None
    async with desk.pool.connection() as connection:
        message = await log.by_id(connection, desk.tenant_id, decision.message_id)
    now = desk.clock.now()
    if message is None or message.channel != Channel.SMS:
        return None
    if message.status != Status.UNKNOWN:
        return now  # found out meanwhile
    if message.sent_at is None or message.sent_at <= now - SETTLED_WITHIN:
        return None
    return now + _LOOK_AGAIN


async def messages_from_people(desk: Desk) -> int:
    """Take the messages of people that no webhook brought; how many were new."""
    if desk.messenger is None:
        return 0
    started = desk.clock.now()
    places = await state.get(desk.pool, desk.tenant_id, _HEARD)
    place = places.get(_HEARD)
    since = datetime.fromisoformat(place) - OVERLAP if place else await _first_look(desk, started)
    new = 0
    for received in await desk.messenger.received(since=since):
        taken = await inbound.take(desk, received)
        new += taken.new
    async with transaction(desk.pool) as connection:
        await state.put(connection, desk.tenant_id, _HEARD, started.isoformat())
    if new:
        _log.warning("messages_found_without_webhook", new=new)
    return new


async def _first_look(desk: Desk, now: datetime) -> datetime:
    """Where the first look begins: with the last message that came, an hour to some days ago."""
    earliest, latest = now - FIRST_LOOK_BACK, now - timedelta(hours=1)
    async with desk.pool.connection() as connection:
        last = await people.last_received(connection, desk.tenant_id, Channel.SMS)
    return max(min(last - OVERLAP, latest), earliest) if last is not None else earliest


async def round_of(desk: Desk) -> None:
    """One look at everything; a vendor that cannot be asked now is asked the next time."""
    for look in (messages_from_people, outcomes_unknown):
        try:
            await look(desk)
        except PerfectCatchError as error:
            _log.warning("vendor_of_messages_not_read", look=look.__name__, error=str(error))
