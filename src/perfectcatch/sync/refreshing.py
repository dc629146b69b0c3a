"""One customer read again, because somebody is about to be written to."""

from collections.abc import Sequence
from dataclasses import dataclass

from perfectcatch.errors import NothingKnown, VendorUnavailable
from perfectcatch.model.entity import Entity
from perfectcatch.model.source import Related
from perfectcatch.sync.engine import Engine
from perfectcatch.sync.one import read_whole


@dataclass(frozen=True, slots=True)
class FreshCustomers:
    """Fulfils ``model.roles.Refresher``."""

    engine: Engine
    customers: Entity
    related: Sequence[Related]

    async def refresh(self, customer_id: int) -> None:
        """Bring everything of the customer up to date; one that the source does not know stays as it is."""
        try:
            whole = await read_whole(self.engine, self.customers, customer_id, self.related)
        except NothingKnown:
            return  # deleted there: the next full read says so, and its number is the best that we know
        if not whole.well:
            bad = next(part for part in whole.parts if part.error)
            raise VendorUnavailable(f"{bad.report.entity} could not be read again: {bad.error}")
