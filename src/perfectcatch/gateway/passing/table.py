"""Which operation a path means. What is not in the table does not exist; what is hostile is refused first.

The table is asked with the path as it came, before anybody decoded it: a percent sign that hides a dot, a
slash, a backslash, a semicolon, a control character or another percent sign has no honest use here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from perfectcatch.gateway.problems import Denied
from perfectcatch.model.passing import Route

_HOSTILE: Final = re.compile(
    rb"[\x00-\x20\x7f-\xff\\;]|%(?![0-9a-fA-F]{2})|%(?:2[eEfF5]|5[cC]|3[bB]|[01][0-9a-fA-F]|7[fF])|//"
)
_DOTS: Final = {"", ".", ".."}
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")


def shape(path: str) -> str:
    """A path with its placeholders unnamed: routes of one method and shape could not be told apart."""
    return re.sub(r"\{[^}]*\}", "{}", path)


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a request with the values of its placeholders, decoded once."""

    route: Route
    values: Mapping[str, str]


@dataclass(slots=True)
class _Node:
    words: dict[str, "_Node"] = field(default_factory=dict)
    other: "_Node | None" = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)


class Table:
    """Finds the route of a request. A fixed segment wins over a placeholder."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self.routes = tuple(routes)
        for route in self.routes:
            self._add(route)
        self.prefixes = frozenset(word.encode() for word in self._root.words)

    def _add(self, route: Route) -> None:
        node, names = self._root, []
        for segment in route.path[1:].split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.other = node.other or _Node()
                node = node.other
            else:
                node = node.words.setdefault(segment, _Node())
        assert route.method not in node.routes, route.key
        node.routes[route.method] = (route, tuple(names))

    def covers(self, raw_path: bytes) -> bool:
        """Whether a path begins as routes of this table do."""
        return raw_path[1:].partition(b"/")[0] in self.prefixes

    def find(self, method: str, raw_path: bytes) -> Match | frozenset[str]:
        """The route and its values, or the methods that the path has instead: none where it is unknown.

        Raises ``Denied`` 400 for a hostile path and 422 for a placeholder that holds no such value.
        """
        if _HOSTILE.search(raw_path):
            raise _hostile()
        segments = raw_path[1:].decode("ascii").split("/")
        if not _DOTS.isdisjoint(segments[:-1]) or segments[-1] in {".", ".."}:
            raise _hostile()
        values: list[str] = []
        node = self._walk(self._root, segments, 0, method, values) or self._walk(
            self._root, segments, 0, None, values
        )
        if node is None:
            return frozenset()
        if method not in node.routes:
            return frozenset(node.routes)
        route, names = node.routes[method]
        found = {name: unquote(value) for name, value in zip(names, values, strict=True)}
        for parameter in route.endpoint.path_parameters:
            value = found.get(parameter.name)
            if parameter.type == "integer" and value is not None and not _WHOLE_NUMBER.fullmatch(value):
                raise Denied(422, f"{parameter.name} in the path is a whole number, not {value[:80]!r}.")
        return Match(route, found)

    def _walk(
        self, node: _Node, segments: list[str], at: int, method: str | None, values: list[str]
    ) -> _Node | None:
        if at == len(segments):
            return node if (method in node.routes if method else node.routes) else None
        fixed = node.words.get(segments[at])
        if fixed and (found := self._walk(fixed, segments, at + 1, method, values)):
            return found
        if node.other is None or not segments[at]:
            return None
        values.append(segments[at])
        found = self._walk(node.other, segments, at + 1, method, values)
        if found is None:
            values.pop()
        return found


def _hostile() -> Denied:
    return Denied(
        400,
        "The path holds something that no path of ours needs: a dot segment, an empty one, a backslash, a "
        "semicolon, a control character, or one of these or a percent sign in percent-encoding.",
    )
