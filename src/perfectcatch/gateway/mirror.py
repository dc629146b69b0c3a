"""``/db/{entity}``: every mirrored record, straight from PostgreSQL."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from perfectcatch.gateway.answers import AGE_HEADER, TAG_HEADER, answer, given, known
from perfectcatch.gateway.context import Gateway
from perfectcatch.gateway.operations import Operation, in_path, query, ref
from perfectcatch.gateway.problems import Denied
from perfectcatch.gateway.shapes import ID, filters_of
from perfectcatch.model.entity import Entity, Type
from perfectcatch.store.reading.fields import BIGGEST, only_known, value_of
from perfectcatch.store.reading.lists import list_of
from perfectcatch.store.reading.records import statement

TAG: Final = "mirror"
_NOT_FOUND: Final = 404


class _Number(Convertor[int]):
    """An id in a path; derived ones are negative."""

    regex = "-?[0-9]{1,19}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("st_id", _Number())


def entity_of(gateway: Gateway, name: str) -> Entity:
    """The entity called ``name``, with hyphens or underscores; 404 names the nearest."""
    found = gateway.entities.get(name) or gateway.entities.get(name.replace("-", "_"))
    if found is not None:
        return found
    near = get_close_matches(name.replace("-", "_"), gateway.entities, n=3)
    choice = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(gateway.entities)}."
    raise Denied(_NOT_FOUND, f"There is no entity called {name[:60]!r}: {choice}")


async def many(gateway: Gateway, request: Request) -> Response:
    """A list of records."""
    entity = entity_of(gateway, request.path_params["entity"])
    age = await gateway.freshness.of(entity.name)
    asked = list_of(entity, given(request), tenant_id=gateway.tenant_id, as_of=age.as_of, zone=gateway.zone)
    return answer(await gateway.reads.json(asked.text, asked.values) or b"", age)


async def one(gateway: Gateway, request: Request) -> Response:
    """One record with the rows inside it."""
    entity = entity_of(gateway, request.path_params["entity"])
    return await record(gateway, request, entity, request.path_params["st_id"])


async def record(gateway: Gateway, request: Request, entity: Entity, st_id: int) -> Response:
    """The record ``st_id`` as the query wants it."""
    fields, deleted = None, False
    if request.scope["query_string"]:
        pairs = given(request)
        only_known(pairs, ("fields", "include_deleted"))
        asked = dict(pairs)
        fields = asked.get("fields")
        deleted = bool(
            "include_deleted" in asked
            and value_of(Type.FLAG, asked["include_deleted"], "include_deleted", gateway.zone)
        )
    text = statement(entity, fields, deleted=deleted)
    finder = gateway.finders.of(gateway.reads, gateway.tenant_id, text)
    found = await finder.find(st_id) if abs(st_id) <= BIGGEST else None
    age = await gateway.freshness.of(entity.name)
    if found is None:
        raise Denied(_NOT_FOUND, _absent(entity, st_id, deleted=deleted))
    return known(request, age, found.tag) or answer(found.body, age, tag=found.tag)


def _absent(entity: Entity, st_id: int, *, deleted: bool) -> str:
    more = "" if deleted else " Deleted ones are given with include_deleted=true."
    return f"The mirror holds no {singular(entity)} {st_id}.{more}"


def singular(entity: Entity) -> str:
    """One of an entity in words: ``pricebook_categories`` is ``pricebook category``."""
    words = entity.name.replace("_", " ")
    return re.sub(r"ies$", "y", words) if words.endswith("ies") else words.removesuffix("s")


async def no_id(gateway: Gateway, request: Request) -> Response:
    """Whatever else stands where an id belongs."""
    entity = entity_of(gateway, request.path_params["entity"])
    wrong = request.path_params["st_id"][:60]
    raise Denied(_NOT_FOUND, f"{wrong!r} is no id of one of {entity.name}: ids are whole numbers.")


def operations(entities: Mapping[str, Entity]) -> Iterator[Operation]:
    """Two routes for each entity."""
    st_id = in_path("st_id", "The vendor's id.", ID)
    for entity in entities.values():
        path = f"/db/{entity.name.replace('_', '-')}"
        yield Operation(
            name=f"db_{entity.name}_list",
            path=path,
            route="/db/{entity}",
            does=f"{entity.does} A list, page by page.",
            tag=TAG,
            handler=many,
            parameters=filters_of(entity),
            answers={200: ("A page.", ref(f"{entity.name}_list"))},
            headers=AGE_HEADER,
        )
        yield Operation(
            name=f"db_{entity.name}_get",
            path=f"{path}/{{st_id}}",
            route="/db/{entity}/{st_id:st_id}",
            does=f"{entity.does} One of them, with what lies inside it.",
            tag=TAG,
            handler=one,
            parameters=(
                st_id,
                query("fields", "The fields to give, separated by commas."),
                query("include_deleted", "`true` gives it although it is deleted.", {"type": "boolean"}),
                {
                    "name": "If-None-Match",
                    "in": "header",
                    "description": "The ETag of an earlier answer.",
                    "schema": {"type": "string"},
                },
            ),
            answers={200: ("The record.", ref(entity.name)), 304: ("It is as it was.", None)},
            headers=AGE_HEADER | TAG_HEADER,
            problems=(404,),
        )


def fallback() -> Operation:
    """What answers an id that is none; mounted after every other route of ``/db``."""
    return Operation(
        name="db_no_id",
        path="/db/{entity}/{st_id}",
        does="",
        tag=TAG,
        handler=no_id,
        answers={},
        hidden=True,
    )
