"""Operations that change something, by name, for workflows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perfectcatch.vendors.servicetitan.client import Client


@dataclass(frozen=True, slots=True)
class Operations:
    """Fulfils ``model.roles.Writer``."""

    client: Client

    async def write(self, operation: str, path: Mapping[str, Any], body: Mapping[str, Any]) -> Any:
        """Carry out an operation. Raises OutcomeUnknown where nobody knows whether it was done."""
        return await self.client.call(operation, body=dict(body) or None, **dict(path))
