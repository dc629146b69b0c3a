"""Every setting, once: its name, default, meaning, and what to say when it cannot be used.

A setting's name in the environment is its field's name in capitals. Values come from the environment, then
from ``.env`` in the current directory; an empty value counts as absent. Only the command line and ``app``
read these modules, and no other reads the environment.

``python -m perfectcatch.settings env-example`` and ``... markdown`` write the two generated documents.
"""

from perfectcatch.settings.descriptions import Described, described
from perfectcatch.settings.fields import Settings
from perfectcatch.settings.reading import child_environment, load_settings, require

__all__ = ["Described", "Settings", "child_environment", "described", "load_settings", "require"]
