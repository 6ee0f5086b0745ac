"""What a request says beside its path: a JSON object as the words of a query,
the id by which it is done once, and how long it waits."""

from __future__ import annotations

import json
import re
from typing import Any, Mapping

from .operations import Operation
from .parameters import Mistake, parameters

# bytes of a body
SIZE_MAX = 65536

# as the ids of events
KEY = re.compile(r"[!-~]{1,128}")

# seconds that an answer may wait for the settler
WAIT_MAX = 30
WAIT = 10

JSON_TYPES = {"string": str, "integer": int, "boolean": bool}


def read_body(operation: Operation, data: bytes, mimetype: str
              ) -> tuple[dict[str, list[str]], list[Mistake]]:
    """What the command's parameters get, and what is wrong already."""
    if mimetype != "application/json" and data:
        return {}, [Mistake("Content-Type", "type", "application/json")]

    mistakes: list[Mistake] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        told = dict(found)

        if len(told) < len(found):
            mistakes.append(Mistake("body", "repeated",
                                    "a name stands there twice"))

        return told

    try:
        told = json.loads(data.decode("utf-8") or "{}",
                          object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return {}, [Mistake("body", "json", "it is no JSON in UTF-8")]

    if not isinstance(told, dict):
        return {}, [Mistake("body", "json", "it is no JSON object")]

    types = {one.name: str(one.schema["type"])
             for one in parameters(operation)}
    given: dict[str, list[str]] = {}

    for name, value in told.items():
        wanted = types.get(name, "string")

        if value is None and name in types:
            continue

        # True is a number for Python

        if type(value) is not JSON_TYPES[wanted] and name in types:
            mistakes.append(Mistake(name, wanted, f"it is no {wanted}"))
            continue

        given[name] = [str(value).lower() if wanted == "boolean"
                       else str(value)]

    return given, mistakes


def read_key(headers: Mapping[str, str]) -> tuple[str, list[Mistake]]:
    key = headers.get("Idempotency-Key", "")

    if KEY.fullmatch(key):
        return key, []

    return "", [Mistake("Idempotency-Key", "missing" if not key
                        else "characters", "1 to 128 letters, digits and"
                        " signs: with the same one it is done once")]


def read_wait(query: Mapping[str, list[str]]) -> tuple[int, list[Mistake]]:
    """Seconds; 0: it does not wait."""
    mistakes = [Mistake(name[:64], "unknown", "there is no such parameter")
                for name in query if name not in ("wait", "timeout")]
    waits = query.get("wait", [])
    timeout = query.get("timeout", [str(WAIT)])

    if waits not in ([], ["settled"]):
        mistakes.append(Mistake("wait", "unknown_value", "settled"))

    if len(timeout) > 1 or not re.fullmatch(r"[0-9]{1,2}", timeout[0]) \
            or not 1 <= int(timeout[0]) <= WAIT_MAX:
        mistakes.append(Mistake("timeout", "integer", "a number from 1 to"
                                f" {WAIT_MAX}"))

    return 0 if mistakes or not waits else int(timeout[0]), mistakes
