"""One request on its way through the sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perfectcatch.sandbox.servicetitan import moments
from perfectcatch.sandbox.servicetitan.answers import Answer, AnswerError, bad, document, nothing
from perfectcatch.sandbox.servicetitan.madeup import number_of
from perfectcatch.sandbox.servicetitan.routes import Route
from perfectcatch.sandbox.servicetitan.table import Id, as_id
from perfectcatch.sandbox.servicetitan.tenant import Tenant
from perfectcatch.vendors.servicetitan.shapes import Shape


@dataclass(slots=True)
class Call:
    """A request that passed the door: its route, its parameters, its body as JSON."""

    tenant: Tenant
    route: Route
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any = None
    upload: bool = False  # the body is a multipart form, whose content does not matter here

    def number(self, name: str) -> int:
        """Read a path parameter as a number. Raises 404, as a path that fits no route does."""
        try:
            return int(self.path[name])
        except ValueError:
            raise AnswerError(404) from None

    def link(self, name: str) -> Id:
        """A path parameter as a record holds it."""
        return as_id(self.path[name])

    @property
    def item(self) -> str:
        """The id of the record that the path names."""
        name = self.route.item or next(name for name in self.path if name != "tenant")
        return self.path[name]

    def integer(self, name: str, default: int) -> int:
        """Read a whole number of the query. Raises 400."""
        text = self.query.get(name, "")
        if not text:
            return default
        try:
            return int(text)
        except ValueError:
            raise bad(name, f"The value '{text}' is not valid for {name}.") from None

    def flag(self, name: str) -> bool:
        """Read a boolean of the query; absent is false. Raises 400."""
        text = self.query.get(name, "").lower()
        if text not in {"", "true", "false"}:
            raise bad(name, f"The value '{text}' is not valid for {name}.")
        return text == "true"

    def moment(self, name: str) -> int | None:
        """Read a moment of the query; None when absent. Raises 400."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            # A plus sign that was not encoded arrives as a space.
            return moments.read(text.replace(" ", "+"))
        except ValueError:
            raise bad(name, f"The value '{text}' is not valid for {name}.") from None

    @property
    def scope(self) -> tuple[str, ...]:
        """The values of the path parameters that name parents; a booking is the same whoever took it."""
        return tuple(self.path[name] for name, _ in self.route.parents if name != "booking_provider")

    def answer(self, known: Mapping[str, Any]) -> Answer:
        """Answer in the route's documented shape around what is ``known``."""
        shape, status = self.route.answer, self.route.status
        if shape is None:
            return nothing(status)
        return document(self.shaped(shape, known), status)

    def shaped(self, shape: Shape, known: Mapping[str, Any]) -> Any:
        """Bring ``known`` into ``shape``; required fields that are missing are made up."""
        if shape.word == "list" and shape.inner:
            return [self.shaped(shape.inner, known)]
        if not shape.fields:
            return known.get("id", 0) if shape.word in {"int64", "int32"} else dict(known)
        facts = {name: value for name, value in known.items() if name in shape.fields}
        return self.tenant.maker.bare(shape.fields, facts, self.route.key, number_of(*self.path.values()))
