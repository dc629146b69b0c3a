"""Every setting as a person reads about it: for documents and for refusals."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from perfectcatch.settings.fields import Settings, old_names


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as a person reads about it."""

    name: str
    group: str
    does: str
    give: str
    default: str  # as it would be written; "" for none
    shown: str | None  # the default in words, where it has no fixed spelling
    secret: bool
    old_names: tuple[str, ...]


def described() -> Iterator[Described]:
    """Every setting, in the order of the groups."""
    for field, about in Settings.model_fields.items():
        extra = about.json_schema_extra
        assert isinstance(extra, dict)
        shown = extra["shown"]
        default = "" if about.default is None or shown else str(about.default)
        yield Described(
            name=field.upper(),
            group=str(extra["group"]),
            does=str(about.description),
            give=str(extra["give"]),
            default=re.sub(r"\.0$", "", default),
            shown=str(shown) if shown else None,
            secret="SecretStr" in str(about.annotation),
            old_names=old_names(field.upper()),
        )
