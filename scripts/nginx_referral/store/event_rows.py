"""Events as a file has them: CSV, or JSON, one object a line; and ids for
those that have none."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from itertools import chain
from typing import Any, Iterable, Iterator, Mapping

from ..text.input import Input, read_lines
from ..text.problem import REFUSED, Problem
from ..text.sheet import csv_lines

# as the intake knows them
FIELDS = ("type", "event_id", "customer", "order_id", "click_id", "code",
          "amount", "currency", "total_refunded", "quantity", "product",
          "role", "parties", "segment", "at", "order_at", "new", "email_hash",
          "payment_hash", "email_domain", "country", "city")

NUMBERS = ("amount", "total_refunded", "quantity", "new")
LISTS = ("product", "parties")
EXTRA = re.compile(r"x\.[a-z0-9_]{1,64}")

ID_MAX = 128

# a line of a file of refused ones: an event, or the text of what is none
WRAPPED = {"line", "event", "reason"}
WRAPPED_TEXT = {"line", "text", "reason"}


@dataclass
class Row:
    """One event of a file, or None and why it is none; and the text that it
    was read from."""

    line: int
    event: dict[str, Any] | None
    text: str
    reason: str = ""
    lines: int = 1


def read_rows(file: Input) -> Iterator[Row]:
    """JSON lines if the first character is a brace, else CSV."""
    lines = read_lines(file)
    first = next(lines, "")

    if first.lstrip("\ufeff \t").startswith("{"):
        return json_rows(chain([first], lines))

    if first.lstrip("\ufeff \t").startswith("["):
        raise Problem(REFUSED, "this is a list in JSON; give one object a"
                      " line, as \"jq -c '.[]'\" makes them")

    return csv_rows(chain([first], lines))


def csv_rows(lines: Iterable[str]) -> Iterator[Row]:
    for line in csv_lines(lines, (*FIELDS, "x.KEY"), is_column):
        yield Row(line.number,
                  None if line.reason else of_texts(line.values),
                  line.text.rstrip("\r\n"), line.reason, line.lines)


def is_column(name: str) -> bool:
    return name in FIELDS or bool(EXTRA.fullmatch(name))


def json_rows(lines: Iterable[str]) -> Iterator[Row]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue

        value, reason = parse(text)

        if value and set(value) == WRAPPED_TEXT \
                and isinstance(value["text"], str):
            text = value["text"]
            value, reason = parse(text)

            if reason:
                reason += ("; mend it in \"text\", or put an \"event\" in its"
                           " place")

        elif value and set(value) == WRAPPED \
                and isinstance(value["event"], dict):
            value = value["event"]

        yield Row(number, value, text.rstrip("\r\n"), reason)


def parse(text: str) -> tuple[dict[str, Any] | None, str]:
    """The object of a line; or None, and why it is none."""
    try:
        value = json.loads(text, object_pairs_hook=once, parse_float=finite,
                           parse_constant=finite)
    except Wrong as error:
        return None, str(error)
    except (ValueError, RecursionError):
        return None, "not JSON; it is one object a line"

    return (value, "") if isinstance(value, dict) else (None,
                                                        "not a JSON object")


class Wrong(ValueError):
    """JSON that says what no event has."""


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)

    if len(found) < len(pairs):
        raise Wrong("names a field twice")

    return found


def finite(text: str) -> float:
    """Python reads NaN and 1e400, and would write them as no JSON."""
    number = float(text)

    if not math.isfinite(number):
        raise Wrong(f"{text} is no number that JSON or nginx knows")

    return number


def of_texts(values: Mapping[str, str]) -> dict[str, Any]:
    """An event of texts, as options and cells have them; empty ones are left
    out.  What is no number though it should be stays a text, and is refused
    by nginx with what would be right."""
    event: dict[str, Any] = {}

    for name, given in values.items():
        text = given.strip()

        if not text:
            continue

        if name.startswith("x."):
            event.setdefault("x", {})[name[2:]] = text
        elif name in NUMBERS and text.isascii() and text.isdecimal():
            event[name] = int(text)
        elif name in LISTS:
            event[name] = [part.strip() for part in text.split(",")
                           if part.strip()]
        else:
            event[name] = text

    return event


def name_event(program: str, event: dict[str, Any]) -> str:
    """Gives an event an id that is the same each time, made of what it is
    about; returns why that cannot be done, or nothing.  An event that lacks
    what it is about is left to nginx, which says so."""
    if event.get("event_id") not in (None, ""):
        return ""

    kind = str(event.get("type") or "")
    order = str(event.get("order_id") or "")
    customer = str(event.get("customer") or "")
    about = ""

    if kind in ("sale", "cancel") and order:
        about = order
    elif kind in ("lead", "cancel") and customer:
        about = hidden(program, customer)
    elif kind == "refund" and order:
        if event.get("total_refunded") in (None, ""):
            return ("an order may have several refunds: give an event_id, or"
                    " total_refunded instead of amount")

        about = f"{order}-{event['total_refunded']}"
    elif kind in ("", "sale", "lead", "refund", "cancel"):
        return ""
    else:
        return (f"there may be several events {kind}: give each an event_id"
                " of its own")

    name = f"{kind}-{about}"

    if len(name) > ID_MAX:
        name = f"{kind}-{hidden(program, about)}"

    event["event_id"] = name

    return ""


def hidden(program: str, text: str) -> str:
    """Ids of events stay for good, so that of a customer does not stand in
    them."""
    return hashlib.sha256(f"{program} {text}".encode(
        "utf-8", "surrogatepass")).hexdigest()[:32]
