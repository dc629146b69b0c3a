"""A database address as people write it, read with more patience than a URL standard allows.

Passwords come with at-signs, slashes and question marks that nobody has escaped. The address is divided at
the first place after which everything reads as hosts, database and options.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlencode

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from perfectcatch.errors import BadSetting

_SCHEME: Final = re.compile(r"(?:postgres|postgresql)(?:\+\w+)?://", re.ASCII)
_HOST: Final = r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s/?#@:,\[\]]*)(?::\d{0,5})?"
_REST: Final = re.compile(
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"(?:/(?P<database>[^/?#@]*))?"
    r"(?:\?(?P<options>(?:[A-Za-z_]+=[^&?#]*(?:&(?=.)|$))*))?"
)
_PORTS: Final = range(1, 65536)
_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
_EXAMPLE: Final = "postgresql://user:password@host:5432/database"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. ``conninfo`` is libpq's form and holds the password; ``str()`` does not."""

    conninfo: str
    host: str
    database: str
    user: str
    password: str

    def __str__(self) -> str:
        return f"{self.user or 'default user'} at {self.host or 'the local socket'}, database {self.database}"

    def without_password(self, text: str) -> str:
        """Give ``text`` with the password masked, should a library have put it there."""
        return text.replace(self.password, "***") if self.password else text

    def url(self, *, database: str | None = None, role: str | None = None, password: bool = True) -> str:
        """Give the address as a URL that every program reads, if wanted of another ``database``.

        ``role``: whom a connection acts as from its first message on, whoever logged in.
        """
        values = {key: str(value) for key, value in conninfo_to_dict(self.conninfo).items()}
        if database is not None:
            values["dbname"] = database
        if role is not None:
            values["options"] = f"{values.get('options', '')} -c role={role}".lstrip()
        if not password:
            values = {key: value for key, value in values.items() if key not in _SECRETS}
        person = ":".join(quote(values.pop(key), safe="") for key in ("user", "password") if key in values)
        where = ""
        if not values.get("host", "").startswith("/"):
            hosts, ports = values.pop("host", "").split(","), values.pop("port", "").split(",")
            ports = ports * len(hosts) if len(ports) == 1 else ports
            pairs = zip(hosts, ports, strict=True)
            where = ",".join(_bracketed(host) + (f":{port}" if port else "") for host, port in pairs)
        name = quote(values.pop("dbname", ""), safe="")
        options = f"?{urlencode(values, quote_via=quote)}" if values else ""
        return f"postgresql://{person}{'@' if person else ''}{where}/{name}{options}"


def parse(url: str, *, setting: str = "DATABASE_URL") -> Address:
    """Read a PostgreSQL URL. Raises ``BadSetting``, never with the password in it."""
    url = url.strip()
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise BadSetting(f"{setting} must begin with postgresql://, as in {_EXAMPLE}")
    person, parts = _divide(url[scheme.end() :], setting)
    name, _, password = person.partition(":")
    hosts, ports = _hosts(parts["hosts"] or "", setting)
    values = {
        "host": hosts,
        "port": ports,
        "user": unquote(name),
        "password": unquote(password),
        "dbname": unquote(parts["database"] or ""),
    }
    values |= _options(parts["options"])
    given = {key: value for key, value in values.items() if value}
    user = given.get("user", "")
    return Address(
        conninfo=make_conninfo("", **given),
        host=given.get("host", ""),
        database=given.get("dbname", "") or user or "of the user's name",
        user=user,
        password=given.get("password", ""),
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _divide(rest: str, setting: str) -> tuple[str, re.Match[str]]:
    """Divide into user with password, and the parts behind; no at-sign at all is tried first."""
    starts = [0, *(sign.end() for sign in re.finditer("@", rest))]
    possible = [(start, parts) for start in starts if (parts := _REST.fullmatch(rest, start))]
    for start, parts in possible:
        if _unknown(parts) is None:
            return rest[: max(0, start - 1)], parts
    if not possible:
        raise BadSetting(
            f"{setting} cannot be read as {_EXAMPLE}: percent-encode the password if it is unusual"
        )
    options = possible[0][1]["options"]
    # With an at-sign behind it, what looks like an option may be a piece of the password.
    name = "an option" if "@" in options else f"the option {_unknown(possible[0][1])}"
    raise BadSetting(f"{setting} has {name} which PostgreSQL does not know: leave it out")


def _unknown(parts: re.Match[str]) -> str | None:
    known = {"ssl", *(option.keyword.decode() for option in pq.Conninfo.get_defaults())}
    return next((key for key, _ in _pairs(parts["options"]) if key not in known), None)


def _pairs(options: str | None) -> list[tuple[str, str]]:
    return [
        (key, value) for key, _, value in (part.partition("=") for part in (options or "").split("&")) if key
    ]


def _hosts(text: str, setting: str) -> tuple[str, str]:
    hosts, ports = [], []
    for each in text.split(","):
        host, _, port = each.rpartition(":") if re.search(r":\d*$", each) else (each, "", "")
        if port and int(port) not in _PORTS:
            raise BadSetting(f"{setting} has the port {port}: ports go from 1 to 65535")
        hosts.append(unquote(host).removeprefix("[").removesuffix("]"))
        ports.append(port)
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _options(text: str | None) -> dict[str, str]:
    values = {}
    for key, value in _pairs(text):
        if key == "ssl":  # what other languages' drivers call it
            values["sslmode"] = "require" if value.lower() in ("true", "1", "require") else "prefer"
        else:
            values[key] = unquote(value)
    return values
