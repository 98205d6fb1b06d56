"""PayPal's own descriptions of its interface (OpenAPI), to hold requests and answers against.

They lie beside the checkout, not in it: whoever has no such folder skips what needs it.
"""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema

Json = dict[str, Any]
_COMBINED = ("allOf", "oneOf", "anyOf")
# The fields of the JSON beside files, by the schemas of PayPal's that describe each.
_INPUT: Json = {
    "type": "object",
    "properties": {
        "evidences": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {"$ref": "#/components/schemas/evidence"},
        },
        "note": {"type": "string", "minLength": 1, "maxLength": 2000},
        "accept_claim_type": {"$ref": "#/components/schemas/accept_claim_type"},
    },
}
# Part of every request, and described once for all of PayPal's interfaces.
_OF_ALL = {"authorization", "content-type", "accept", "user-agent", "accept-encoding"}


class Specs:
    def __init__(self, folder: Path) -> None:
        """:raises FileNotFoundError: there is no such folder."""
        files = sorted(folder.glob("*.json.gz"))
        if not files:
            raise FileNotFoundError(folder)
        self._documents: list[Json] = [json.loads(gzip.decompress(f.read_bytes())) for f in files]

    def wrong_with_request(
        self, method: str, url: str, headers: dict[str, str], body: Any
    ) -> list[str]:
        """What PayPal's description does not allow of a request; nothing, if it is right."""
        split = urlsplit(url)
        document, operation = self._operation(method, split.path)
        parameters = [self._resolved(document, each) for each in operation.get("parameters", ())]
        return [
            *self._wrong_names(document, parameters, "query", dict(parse_qsl(split.query))),
            *self._wrong_names(document, parameters, "header", headers),
            *self._wrong_body(document, operation.get("requestBody"), body),
        ]

    def wrong_with_answer(self, method: str, path: str, status: int, body: Any) -> list[str]:
        document, operation = self._operation(method, path)
        answer = operation["responses"].get(str(status)) or operation["responses"]["default"]
        content = self._resolved(document, answer).get("content")
        return self._wrong(document, content["application/json"]["schema"], body) if content else []

    # --- where it is described

    def _operation(self, method: str, path: str) -> tuple[Json, Json]:
        for document in self._documents:
            for template, operations in document["paths"].items():
                if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
                    return document, operations[method.lower()]
        raise LookupError(f"PayPal describes no {method} {path}")

    def _resolved(self, document: Json, part: Json) -> Json:
        while "$ref" in part:
            found: Any = document
            for step in part["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            part = found
        return part

    # --- what is wrong

    def _wrong_names(
        self, document: Json, parameters: list[Json], where: str, given: dict[str, str]
    ) -> Iterator[str]:
        known = {each["name"].lower(): each for each in parameters if each["in"] == where}
        for name, value in given.items():
            if name.lower() in known:
                schema = known[name.lower()]["schema"]
                typed: Any = int(value) if schema.get("type") == "integer" else value
                yield from self._wrong(document, schema, typed)
            elif where == "query" or name.lower() not in _OF_ALL:
                yield f"unknown {where} {name}"
        sent = {name.lower() for name in given}
        yield from (
            f"missing {where} {name}"
            for name, each in known.items()
            if each.get("required") and name not in sent
        )

    def _wrong_body(self, document: Json, described: Json | None, body: Any) -> list[str]:
        if described is None:
            return [] if body in (None, {}) else ["a body where there is none"]
        content = self._resolved(document, described)["content"]
        if "multipart/form-data" in content and "application/json" not in content:
            return list(self._wrong_parts(document, content["multipart/form-data"]["schema"], body))
        return self._wrong(document, content["application/json"]["schema"], body)

    def _wrong_parts(self, document: Json, schema: Json, parts: Any) -> Iterator[str]:
        """Files by the names that are described; beside them the JSON that PayPal's prose wants in
        a part `input`, which is described where its answers show what was sent."""
        if not isinstance(parts, list):
            yield "not in parts"
            return
        for name, filename, content in parts:
            if filename:
                if name not in schema["properties"]:
                    yield f"unknown file {name}"
            elif name == "input":
                yield from self._wrong(document, _INPUT, json.loads(content))
            else:
                yield f"unknown part {name}"

    def _wrong(self, document: Json, schema: Json, value: Any) -> list[str]:
        whole = {**schema, "components": document["components"]}
        validator = jsonschema.Draft202012Validator(whole)
        errors = [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(value)]
        return [*errors, *self._unknown_fields(document, schema, value, "$")]

    def _unknown_fields(self, document: Json, schema: Json, value: Any, at: str) -> Iterator[str]:
        if isinstance(value, list):
            items = self._merged(document, schema).get("items", {})
            for number, each in enumerate(value):
                yield from self._unknown_fields(document, items, each, f"{at}[{number}]")
        elif isinstance(value, dict):
            properties = self._merged(document, schema).get("properties", {})
            for name, inner in value.items():
                if properties and name not in properties:
                    yield f"{at}: unknown field {name}"
                else:
                    yield from self._unknown_fields(
                        document, properties.get(name, {}), inner, f"{at}.{name}"
                    )

    def _merged(self, document: Json, schema: Json) -> Json:
        """A schema with those that it is combined of."""
        schema = self._resolved(document, schema)
        merged: Json = {"properties": dict(schema.get("properties", {}))}
        if "items" in schema:
            merged["items"] = schema["items"]
        for word in _COMBINED:
            for part in schema.get(word, ()):
                found = self._merged(document, part)
                merged["properties"] |= found["properties"]
                merged.setdefault("items", found.get("items", {}))
        return merged
