"""In what the two versions of the API differ. Both answer at one address; a header says which is meant.

What we read is understood in either spelling, because the vendor mixes them; what we write is exact, because
it refuses a name that it does not know (422).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version: how it calls what we send. ``token`` maps the words of OAuth."""

    header: str
    custom_value: str  # the value of a custom field
    location: str  # query parameters of the list of opportunities
    contact: str
    token: Mapping[str, str]
    token_is_versioned: bool  # whether the token endpoint wants the header
    location_token: str  # the path where a company's token becomes one of a location


_WORDS: Final = (
    "client_id",
    "client_secret",
    "grant_type",
    "code",
    "refresh_token",
    "user_type",
    "redirect_uri",
    "access_token",
    "expires_in",
    "company_id",
    "location_id",
)


def _camel(word: str) -> str:
    first, *others = word.split("_")
    return first + "".join(each.title() for each in others)


# What the vendor names in camel case in both versions, in the bodies of its token endpoints.
_ALWAYS_CAMEL: Final = ("company_id", "location_id")

FIRST: Final = Version(
    header="2021-07-28",
    custom_value="field_value",
    location="location_id",
    contact="contact_id",
    token={word: _camel(word) if word in _ALWAYS_CAMEL else word for word in _WORDS},
    token_is_versioned=False,
    location_token="/oauth/locationToken",  # noqa: S106 - a path
)
THIRD: Final = Version(
    header="v3",
    custom_value="fieldValue",
    location="locationId",
    contact="contactId",
    token={word: _camel(word) for word in _WORDS},
    token_is_versioned=True,
    location_token="/oauth/location-token",  # noqa: S106 - a path
)
VERSIONS: Final[Mapping[str, Version]] = {each.header: each for each in (FIRST, THIRD)}
