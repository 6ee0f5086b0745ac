"""The API in OpenAPI 3.1, from the declarations that check requests."""

from __future__ import annotations

from typing import Any

from .. import VERSION
from ..store.api_keys import SCOPES
from .body import WAIT, WAIT_MAX
from .operations import ARRAY, OPERATIONS, Operation
from .parameters import Parameter, command_of, parameters

BASE = "/api/v1"

FAILURES = {
    400: "parameters are wrong; all mistakes are named",
    401: "no key, or none that there is",
    403: "the key may not ask this, or a browser asks",
    404: "there is no such thing",
    405: "another method",
    409: "the settler refused it; detail has the reason",
    413: "the body is too large",
    422: "a value is refused",
    500: "a fault of the server",
    503: "Redis cannot be asked now",
}

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {
            "type": "object",
            "required": ["parameter", "code", "detail"],
            "properties": {"parameter": {"type": "string"},
                           "code": {"type": "string"},
                           "detail": {"type": "string"}}}},
    },
}


# beside the path and the body of what is posted
POSTED = [
    {"name": "Idempotency-Key", "in": "header", "required": True,
     "description": "the event_id: with the same one it is done once",
     "schema": {"type": "string", "minLength": 1, "maxLength": 128}},
    {"name": "wait", "in": "query", "required": False,
     "description": "settled: answer when it is done",
     "schema": {"type": "string", "enum": ["settled"]}},
    {"name": "timeout", "in": "query", "required": False,
     "description": f"seconds to wait, {WAIT} if not said",
     "schema": {"type": "integer", "minimum": 1, "maximum": WAIT_MAX}},
]


def document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "nginx-referral", "version": VERSION},
        "servers": [{"url": BASE}],
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"key": {
                "type": "http", "scheme": "bearer", "description": "; ".join(
                    f"{name}: {what}" for name, what in SCOPES.items())}},
            "schemas": {"Problem": PROBLEM},
            "responses": {str(status): {
                "description": what,
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"}}}}
                for status, what in FAILURES.items()},
        },
    }


def _paths() -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}

    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _operation(one)

    return paths


def _operation(one: Operation) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "object", "required": list(one.has)}
    schema = ({"type": "array", "items": item} if one.answers == ARRAY
              else item)
    told = command_of(one).help or ""

    content = {"application/json": {"schema": schema}}
    answer = ("the answer of \"nginx-referral " + " ".join(one.command)
              + " --json\"")
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": told.split("\n\n")[0].replace("\n", " "),
        "security": [{"key": [one.scope]}],
        "parameters": [_parameter(each) for each in parameters(one)
                       if each.place != "body"],
        "responses": {
            "200": {"description": answer, "content": content},
            **{str(status): {"$ref": f"#/components/responses/{status}"}
               for status in FAILURES}},
    }

    if one.posts:
        described["parameters"] += POSTED
        described["requestBody"] = _body(one)
        described["responses"]["202"] = {
            "description": "it is in the stream and is done when the settler"
            " comes to it", "content": content}

    return described


def _body(one: Operation) -> dict[str, Any]:
    given = [each for each in parameters(one) if each.place == "body"]

    return {
        "required": any(each.required for each in given),
        "content": {"application/json": {"schema": {
            "type": "object",
            "required": [each.name for each in given if each.required],
            "additionalProperties": False,
            "properties": {each.name: {**each.schema,
                                       "description": each.help}
                           for each in given}}}}}


def _parameter(one: Parameter) -> dict[str, Any]:
    return {"name": one.name, "in": one.place, "required": one.required,
            "description": one.help,
            "schema": ({"type": "array", "items": one.schema}
                       if one.multiple else one.schema)}
