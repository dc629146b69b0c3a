"""A Singer tap of the five lists, on the Singer SDK: ``python singer_tap.py --config config.json``.

Items of estimates and invoices are streams of their own: dlt and we give them tables of their own, too.
"""

from typing import Any

from lists import LISTS, headers
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BasePageNumberPaginator


class Pages(BasePageNumberPaginator):
    """Pages until the vendor says that there are no more."""

    def has_more(self, response: Any) -> bool:
        return bool(response.json()["hasMore"])


class List(RESTStream):  # type: ignore[misc]
    """One list; every field that is not the key is kept as JSON."""

    records_jsonpath = "$.data[*]"
    primary_keys = ("id",)
    replication_key = None

    @property
    def url_base(self) -> str:
        return str(self.config["known"]["url"]) + "/"

    @property
    def http_headers(self) -> dict[str, str]:
        return {**super().http_headers, **self._tap.headers}

    def get_new_paginator(self) -> Pages:
        return Pages(1)

    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        del context
        return {"pageSize": 5000, "page": next_page_token or 1}


class Items(List):
    """What the records of a list hold: a row for each, with its record and its place there."""

    primary_keys = ("parent_id", "position")

    def parse_response(self, response: Any) -> Any:
        for record in super().parse_response(response):
            for position, item in enumerate(record["items"] or ()):
                yield {**item, "parent_id": record["id"], "position": position}


class TapLists(Tap):  # type: ignore[misc]
    """The five lists."""

    name = "tap-lists"
    config_jsonschema = th.PropertiesList(
        th.Property("known", th.ObjectType(additional_properties=True))
    ).to_dict()

    def discover_streams(self) -> list[List]:
        known = self.config["known"]
        self.headers = headers(known)
        streams = []
        for name, path in LISTS.items():
            place = path.format(tenant=known["tenant_id"])
            records = self._first(place)
            items = [item for record in records for item in record.get("items") or ()]
            rows = [{key: value for key, value in record.items() if key != "items"} for record in records]
            streams.append(List(tap=self, name=name, schema=_schema(rows, "id"), path=place))
            if items:
                schema = _schema(items, "parent_id", "position")
                streams.append(Items(tap=self, name=f"{name}_items", schema=schema, path=place))
        return streams

    def _first(self, path: str) -> list[dict[str, Any]]:
        """The first records of a list, by which its fields and their types are told."""
        import json
        import urllib.request

        request = urllib.request.Request(
            f"{self.config['known']['url']}/{path}?pageSize=200", headers=self.headers
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            records: list[dict[str, Any]] = json.load(answer)["data"]
        return records


def _schema(records: list[dict[str, Any]], *keys: str) -> dict[str, Any]:
    """What a tap's author would write down; fields that are always empty have no type."""
    found: dict[str, Any] = {}
    for record in records:
        for key, value in record.items():
            if key not in keys and value not in (None, []):
                found.setdefault(key, _type(value))
    named = [th.Property(key, th.IntegerType) for key in keys]
    return dict(th.PropertiesList(*named, *(th.Property(*each) for each in found.items())).to_dict())


def _type(value: Any) -> Any:
    if isinstance(value, bool):
        return th.BooleanType
    if isinstance(value, int | float):
        return th.NumberType
    if isinstance(value, dict):
        return th.ObjectType(additional_properties=True)
    if isinstance(value, list):
        return th.ArrayType(_type(value[0]))
    return th.StringType


if __name__ == "__main__":
    TapLists.cli()
