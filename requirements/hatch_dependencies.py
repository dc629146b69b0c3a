"""The build reads the runtime requirements from ``runtime.in``, so that they are named once."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class CustomMetadataHook(MetadataHookInterface):
    """Fills ``dependencies``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put every line of ``runtime.in`` into the package's metadata."""
        lines = Path(self.root, "requirements", "runtime.in").read_text().splitlines()
        metadata["dependencies"] = [line for line in lines if line and not line.startswith("#")]
