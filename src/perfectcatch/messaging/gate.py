"""The one function through which every message to people leaves.

An intent's row is written, with the status *unknown* and the reason "sending", and committed before the
vendor is asked; its answer is written after. So whatever dies in between, nothing is sent twice: what is
*unknown* is read back from the vendor (``reconcile``) and never sent again. The decision is made in the
transaction that writes the row, under locks on the recipient and the customer; an opt-out takes them too.
"""

from datetime import datetime

from perfectcatch.messaging.desk import Company, Desk
from perfectcatch.messaging.facts import Facts
from perfectcatch.messaging.judging import judge
from perfectcatch.messaging.rules import Rules
from perfectcatch.model.messaging import Decision, Intent

__all__ = ["Company", "Desk", "Facts", "Rules", "facts", "judge", "send"]


async def send(desk: Desk, intent: Intent) -> Decision:
    """Decide about ``intent`` and, if it may go, hand it to its vendor, once for ever by its key.

    A key that was decided before gets its decision again. A deferred one that is due is decided anew.
    """
    raise NotImplementedError


async def facts(desk: Desk, intent: Intent, now: datetime) -> Facts:
    """What is known for ``intent`` at ``now``, the present."""
    raise NotImplementedError
