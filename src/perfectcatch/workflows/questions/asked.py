"""What a question is asked with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from perfectcatch.model.entity import Entity
from perfectcatch.store.names import qualified
from perfectcatch.store.pool import Pool
from perfectcatch.store.reading.reads import Reads
from perfectcatch.workflows.records import Company


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The company's mirror, the moment, and what the step gives with its question."""

    pool: Pool
    tenant_id: int
    entities: Mapping[str, Entity]
    company: Company
    now: datetime
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reads(self) -> Reads:
        """Statements that only look."""
        return Reads(self.pool)

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone, on whose calendar days begin and end."""
        return ZoneInfo(self.company.zone)

    @property
    def tables(self) -> dict[str, str]:
        """The table of each entity by its name."""
        return {name: qualified(entity.table) for name, entity in self.entities.items()}
