"""Make the table of shapes from the vendor's published documents.

Usage: ``python tools/make_shapes.py [--shared ../shared]``. Only facts are taken: names, types,
which fields are required or may be null, enumerations, sort fields, defaults of the activity filter. No
sentence of the documents ends up in the result, ``src/perfectcatch/vendors/servicetitan/shapes.json``.

A field's type is one word: ``int64``, ``decimal``, ``date-time``, ``@Name`` of another shape, ``[x]`` for a
list, ``{x}`` for a map; ``?`` behind it means that null is allowed, ``!`` that the field is required.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "src/perfectcatch/vendors/servicetitan/shapes.json"
NEWEST_FIRST = ("2026-05-21", "2026-03-17", "2025-11-25")
_REF = "#/components/schemas/"
_HOST = re.compile(r"https://[^/]+")
_SORTABLE = re.compile(
    r"(?:vailable fields are:|pecified field: (?=Id)|upported fields are|Field to sort by|possible values)"
    r"([^\n\\]*)"
)
_LIMIT = re.compile(r"(?:max\w*|not exceed)\D{0,30}?(\d{2,})", re.IGNORECASE)
_FIELD_NAME = re.compile(r"[A-Za-z]+")
_DEFAULT_ACTIVE = (("all items will", "Any"), ("and inactive items will", "Any"))

# Known only from client types generated in 2026-07: the documents do not hold these four operations.
LATER: dict[str, dict[str, Any]] = {
    "GET /service-agreements/v2/tenant/{tenant}/service-agreements/custom-fields": {
        "kind": "page",
        "query": {"page": "int32", "pageSize": "int32", "includeTotal": "boolean"},
        "answers": {"200": "@PaginatedResponse_Of_Memberships.V2.CustomFieldTypeResponse"},
    },
    "POST /reporting/v2/tenant/{tenant}/report-category/{report_category}/reports/{reportId}/data/query": {
        "query": {"page": "int32", "pageSize": "int32", "notifyWhenReady": "boolean"},
        "body": "@Reporting.V2.ReportDataRequest",
        "answers": {"200": "@Reporting.V2.ReportDataResponse", "202": "@Reporting.V2.DataQueryStatus"},
    },
    "GET /reporting/v2/tenant/{tenant}/data-queries/{token}": {
        "query": {"page": "int32", "pageSize": "int32"},
        "answers": {"200": "@Reporting.V2.ReportDataResponse", "202": "@Reporting.V2.DataQueryStatus"},
    },
    "DELETE /reporting/v2/tenant/{tenant}/data-queries/{token}": {"answers": {"200": None}},
}
LATER_SCHEMAS = {"Reporting.V2.DataQueryStatus": {"status": "string!", "token": "string!"}}


class Shapes:
    """The schemas met so far, by the vendor's name."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def type_of(self, node: dict[str, Any] | None, schemas: dict[str, Any], owner: str) -> str:
        """Write a schema as one word and gather what it refers to."""
        if not node:
            return "any"
        for word in ("oneOf", "anyOf", "allOf"):
            if word in node:
                return self._choice(node[word], schemas, owner)
        if "$ref" in node:
            name = node["$ref"].removeprefix(_REF)
            self.gather(name, schemas)
            return f"@{name}"
        types = node.get("type", "any")
        types = list(types) if isinstance(types, list) else [types]
        nullable = "null" in types or node.get("nullable") is True
        plain = next((word for word in types if word != "null"), "any")
        return self._plain(plain, node, schemas, owner) + ("?" if nullable and plain != "any" else "")

    def _plain(self, plain: str, node: dict[str, Any], schemas: dict[str, Any], owner: str) -> str:
        if plain == "array":
            return f"[{self.type_of(node.get('items'), schemas, owner)}]"
        if "enum" in node:
            self.found[owner] = list(node["enum"])
            return f"@{owner}"
        if plain == "object":
            if node.get("properties"):
                self._object(owner, node, schemas)
                return f"@{owner}"
            more = node.get("additionalProperties")
            return "{" + self.type_of(more if isinstance(more, dict) else None, schemas, owner) + "}"
        return str(node.get("format") or plain)

    def _choice(self, options: list[dict[str, Any]], schemas: dict[str, Any], owner: str) -> str:
        nullable = any(option.get("type") == "null" for option in options)
        real = [option for option in options if option.get("type") != "null"]
        words = [self.type_of(option, schemas, owner) for option in real]
        return words[0].removesuffix("?") + ("?" if nullable or words[0].endswith("?") else "")

    def _object(self, name: str, node: dict[str, Any], schemas: dict[str, Any]) -> None:
        required = set(node.get("required") or ())
        fields: dict[str, str] = {}
        self.found[name] = fields
        for key, value in node["properties"].items():
            word = self.type_of(value, schemas, f"{name}.{key}")
            fields[key] = word + ("!" if key in required else "")

    def gather(self, name: str, schemas: dict[str, Any]) -> None:
        """Take a named schema and everything below it."""
        if name in self.found:
            return
        node = schemas[name]
        self.found[name] = {}
        if "enum" in node:
            self.found[name] = list(node["enum"])
        elif node.get("properties"):
            self._object(name, node, schemas)
        elif any(word in node for word in ("oneOf", "anyOf", "allOf")):
            options = next(node[word] for word in ("oneOf", "anyOf", "allOf") if word in node)
            self.found[name] = self._choice(options, schemas, name)
        else:
            self.found[name] = {}


def _sort_field(part: str) -> list[str]:
    words = [word for word in _FIELD_NAME.findall(part) if word not in {"and", "or"}]
    return words[:1]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation of a document as (method, whole path, operation)."""
    base = _HOST.sub("", document["servers"][0]["url"])
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in {"get", "post", "put", "patch", "delete"}:
                yield method.upper(), base + path, operation


def describe(operation: dict[str, Any], schemas: dict[str, Any], shapes: Shapes, name: str) -> dict[str, Any]:
    """What is known of one operation."""
    fact: dict[str, Any] = {}
    query: dict[str, str] = {}
    for parameter in operation.get("parameters", ()):
        kind = shapes.type_of(parameter["schema"], schemas, f"{name}.{parameter['name']}").removesuffix("?")
        if parameter["in"] == "path" and parameter["name"] != "tenant":
            fact.setdefault("path", {})[parameter["name"]] = kind
        elif parameter["in"] == "query":
            query[parameter["name"]] = kind + ("!" if parameter.get("required") else "")
            fact |= _told_in_prose(parameter)
    if query:
        fact["query"] = query
    body = next(iter((operation.get("requestBody") or {}).get("content", {}).values()), None)
    if body is not None:
        fact["body"] = shapes.type_of(body.get("schema"), schemas, f"{name}.body")
    answers: dict[str, str | None] = {}
    for code, answer in operation["responses"].items():
        if code[0] in "23":
            media = next(iter((answer.get("content") or {}).values()), None)
            answers[code] = shapes.type_of(media.get("schema"), schemas, f"{name}.answer") if media else None
    fact["answers"] = answers
    return fact


def _told_in_prose(parameter: dict[str, Any]) -> dict[str, Any]:
    """Facts that stand only in a parameter's description: sort fields, defaults, limits."""
    name, text = parameter["name"], parameter.get("description") or ""
    if name in {"sort", "orderBy"} and (found := _SORTABLE.search(text)):
        return {"sort": [word for part in found.group(1).split(",") for word in _sort_field(part)]}
    if name == "active":
        return {"active": next((value for words, value in _DEFAULT_ACTIVE if words in text), "True")}
    if name == "pageSize" and (limit := _LIMIT.search(text)):
        return {"max": int(limit.group(1))}
    return {}


def make(specs: Path) -> dict[str, Any]:
    """The whole table: operations of the newest document that holds them, and their schemas."""
    shapes, facts = Shapes(), {}
    for day in NEWEST_FIRST:
        for file in sorted((specs / day).glob("*.json")):
            document = json.loads(file.read_text())
            schemas = document["components"]["schemas"]
            for method, path, operation in operations(document):
                key = f"{method} {path}"
                if key not in facts:
                    facts[key] = describe(operation, schemas, shapes, operation["operationId"])
    for key, fact in LATER.items():
        facts.setdefault(key, {k: v for k, v in fact.items() if k != "kind"})
    shapes.found.update(LATER_SCHEMAS)
    return {"operations": dict(sorted(facts.items())), "schemas": dict(sorted(shapes.found.items()))}


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    arguments = parser.parse_args()
    table = make(arguments.shared / "servicetitan/specs")
    lines = [
        f"{json.dumps(part)}: {{\n"
        + ",\n".join(
            f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in entries.items()
        )
        + "\n}"
        for part, entries in table.items()
    ]
    RESULT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
