"""A Singer tap of the five lists, on the Singer SDK: ``python singer_tap.py --config config.json``."""

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
            fields = self._fields(path.format(tenant=known["tenant_id"]))
            schema = th.PropertiesList(th.Property("id", th.IntegerType), *fields).to_dict()
            stream = List(tap=self, name=name, schema=schema, path=path.format(tenant=known["tenant_id"]))
            streams.append(stream)
        return streams

    def _fields(self, path: str) -> list[Any]:
        """The fields of a list, with types by its first records: what a tap's author would write down."""
        import json
        import urllib.request

        request = urllib.request.Request(
            f"{self.config['known']['url']}/{path}?pageSize=200", headers=self.headers
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            records = json.load(answer)["data"]
        found: dict[str, Any] = {}
        for record in records:
            for key, value in record.items():
                if key != "id" and value not in (None, []):
                    found.setdefault(key, _type(value))
        return [th.Property(key, type_) for key, type_ in found.items()]


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
