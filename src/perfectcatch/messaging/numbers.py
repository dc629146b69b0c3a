"""Recipients: an address as its vendor wants it, what is wrong with it, and where it may be."""

import re
import unicodedata
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

import phonenumbers
import yaml
from phonenumbers import geocoder, timezone

from perfectcatch.messaging.facts import Place
from perfectcatch.model.messaging import Channel

_MAIL: Final = re.compile(
    r"[^\s@,;<>\"()]{1,64}@(?=.{4,253}$)([a-z0-9](-?[a-z0-9])*\.)+[a-z]{2,63}", re.ASCII
)
_HOME: Final = ("US", "PR", "VI", "GU", "AS", "MP")  # one country code with Canada and the Caribbean
_NO_TEXTS: Final = {
    phonenumbers.PhoneNumberType.TOLL_FREE: "toll_free",
    phonenumbers.PhoneNumberType.PREMIUM_RATE: "premium",
    phonenumbers.PhoneNumberType.SHARED_COST: "premium",
    phonenumbers.PhoneNumberType.PAGER: "pager",
}


def normalized(channel: Channel, recipient: str) -> tuple[str | None, str | None]:
    """The address, or None; and what is known against it: invalid, foreign, toll_free, premium, pager."""
    if channel is Channel.EMAIL:
        address = recipient.strip().lower()
        return (address, None) if _MAIL.fullmatch(address) else (None, "invalid")
    try:
        number = phonenumbers.parse(recipient, "US")
    except phonenumbers.NumberParseException:
        return None, "invalid"
    if not phonenumbers.is_valid_number(number) or number.extension:
        return None, "invalid"
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.region_code_for_number(number) not in (*_HOME, "CA", None):
        return text, "foreign"
    return text, _NO_TEXTS.get(phonenumbers.number_type(number))


@lru_cache(maxsize=65536)
def place_of_number(number: str) -> Place:
    """Where a number of E.164 belongs by its area code."""
    parsed = phonenumbers.parse(number)
    region = phonenumbers.region_code_for_number(parsed)
    if region in ("PR", "VI", "GU", "AS", "MP"):
        return Place(source="number", zones=tuple(_states()["zones"][region]), states=(region,))
    state = _state(geocoder.description_for_number(parsed, "en")) if region == "US" else None
    if state is None:
        found = timezone.time_zones_for_number(parsed)
        known = () if len(found) > 3 or "Etc/Unknown" in found else found  # noqa: PLR2004 - more is: anywhere
        return Place(source="number", zones=tuple(known))
    by_code = _zone_of("area_codes", number[2:5])
    return Place(source="number", zones=by_code or tuple(_states()["zones"][state]), states=(state,))


@lru_cache(maxsize=65536)
def place_of_address(state: str | None, postal_code: str | None) -> Place:
    """Where a service address is. A state that is none leaves it unknown."""
    code = (state or "").strip()
    abbreviation = code.upper() if code.upper() in _states()["zones"] else _NAMES.get(code.casefold())
    if abbreviation is None:
        return Place(source="address")
    zones = tuple(_states()["zones"][abbreviation])
    if len(zones) > 1:
        exact = _zone_of("postal_codes", (postal_code or "").strip()[:3])
        zones = exact if exact and set(exact) <= set(zones) else zones
    return Place(source="address", zones=zones, states=(abbreviation,))


def anywhere() -> tuple[str, ...]:
    """All zones of the fifty states: those of a recipient who may be in any of them."""
    return tuple(_states()["anywhere"])


@lru_cache(maxsize=1024)  # a message is asked about more than once on its way
def fingerprint(body: str) -> str:
    """The same for texts that read the same: case, spaces and punctuation do not count."""
    plain = unicodedata.normalize("NFKC", body).casefold()
    return sha256(" ".join(re.findall(r"\w+", plain)).encode()).hexdigest()[:32]


def _zone_of(table: str, prefix: str) -> tuple[str, ...]:
    zone = _prefixes(table).get(prefix)
    return (zone,) if zone else ()


@lru_cache(maxsize=2)
def _prefixes(table: str) -> dict[str, str]:
    return {str(each): zone for zone, prefixes in _states()[table].items() for each in prefixes}


@lru_cache(maxsize=1)
def _states() -> dict[str, Any]:
    text = files("perfectcatch.messaging").joinpath("data/states.yaml").read_text()
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def _state(description: str) -> str | None:
    """``New York, NY`` and ``Florida`` as NY and FL."""
    last = description.rpartition(",")[2].strip()
    return last if last in _states()["zones"] else _NAMES.get(last.casefold())


_NAMES: Final = {
    "alabama": "AL", "alaska": "AK", "arizona": "AZ", "arkansas": "AR", "california": "CA", "colorado": "CO",
    "connecticut": "CT", "delaware": "DE", "district of columbia": "DC", "washington d.c.": "DC",
    "florida": "FL", "georgia": "GA", "hawaii": "HI", "idaho": "ID", "illinois": "IL", "indiana": "IN",
    "iowa": "IA", "kansas": "KS", "kentucky": "KY", "louisiana": "LA", "maine": "ME", "maryland": "MD",
    "massachusetts": "MA", "michigan": "MI", "minnesota": "MN", "mississippi": "MS", "missouri": "MO",
    "montana": "MT", "nebraska": "NE", "nevada": "NV", "new hampshire": "NH", "new jersey": "NJ",
    "new mexico": "NM", "new york": "NY", "north carolina": "NC", "north dakota": "ND", "ohio": "OH",
    "oklahoma": "OK", "oregon": "OR", "pennsylvania": "PA", "rhode island": "RI", "south carolina": "SC",
    "south dakota": "SD", "tennessee": "TN", "texas": "TX", "utah": "UT", "vermont": "VT", "virginia": "VA",
    "washington": "WA", "west virginia": "WV", "wisconsin": "WI", "wyoming": "WY",
}  # fmt: skip
