"""The API in OpenAPI 3.1, from the declarations that check requests."""

from __future__ import annotations

from typing import Any

from .. import VERSION
from ..store.api_keys import SCOPES
from .operations import ARRAY, OPERATIONS, Operation
from .parameters import Parameter, command_of, parameters

BASE = "/api/v1"

FAILURES = {
    400: "parameters are wrong; all mistakes are named",
    401: "no key, or none that there is",
    403: "the key may not ask this, or a browser asks",
    404: "there is no such thing",
    405: "another method",
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


def document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "nginx-referral", "version": VERSION},
        "servers": [{"url": BASE}],
        "security": [{"key": []}],
        "paths": {one.path: {"get": _operation(one)} for one in OPERATIONS},
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


def _operation(one: Operation) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "object", "required": list(one.has)}
    schema = ({"type": "array", "items": item} if one.answers == ARRAY
              else item)
    told = command_of(one).help or ""

    return {
        "operationId": one.name,
        "summary": told.split("\n\n")[0].replace("\n", " "),
        "security": [{"key": [one.scope]}],
        "parameters": [_parameter(each) for each in parameters(one)],
        "responses": {
            "200": {"description": "the answer of \"nginx-referral "
                    + " ".join(one.command) + " --json\"",
                    "content": {"application/json": {"schema": schema}}},
            **{str(status): {"$ref": f"#/components/responses/{status}"}
               for status in FAILURES}},
    }


def _parameter(one: Parameter) -> dict[str, Any]:
    return {"name": one.name, "in": one.place, "required": one.required,
            "description": one.help,
            "schema": ({"type": "array", "items": one.schema}
                       if one.multiple else one.schema)}
