"""Links as a file has them: CSV, or JSON, one object a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from typing import Iterable, Iterator

from ..text.input import Input, read_lines
from ..text.problem import REFUSED, Problem, near
from ..text.sheet import csv_lines, fold
from .links import LINK_FIELDS, Change

COLUMNS = ("code", *LINK_FIELDS, "created")


@dataclass
class Row:
    """One link of a file, or the reason why it is refused."""

    line: int
    change: Change
    reason: str = ""
    lines: int = 1
    created: str = ""


def read_rows(file: Input) -> Iterator[Row]:
    """JSON lines if the first character is a brace, else CSV."""
    lines = read_lines(file)
    first = next(lines, "")

    if first.lstrip().startswith("{"):
        return json_rows(chain([first], lines))

    if first.lstrip().startswith("["):
        raise Problem(REFUSED, "this is a list in JSON; give one object a"
                      " line, as \"jq -c '.[]'\" makes them")

    return csv_rows(chain([first], lines))


def csv_rows(lines: Iterable[str]) -> Iterator[Row]:
    for line in csv_lines(lines, COLUMNS, COLUMNS.__contains__):
        yield (Row(line.number, Change(""), line.reason, line.lines)
               if line.reason else make_row(line.number, line.values))


def json_rows(lines: Iterable[str]) -> Iterator[Row]:
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue

        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield Row(line, Change(""), "not JSON; it is one object a line")
            continue

        if not isinstance(value, dict):
            yield Row(line, Change(""), "not a JSON object")
            continue

        bad = [name for name in value if fold(name) not in COLUMNS]
        odd = [name for name, v in value.items()
               if v is not None and not isinstance(v, str)]

        if bad or odd:
            yield Row(line, Change(""), f"{(bad + odd)[0]!r} is "
                      + (f"no field{near(fold(bad[0]), COLUMNS)}" if bad
                         else "not a text"))
            continue

        fields = {fold(name): v or "" for name, v in value.items()}

        if len(fields) < len(value):
            yield Row(line, Change(""), "names a field twice")
            continue

        yield make_row(line, fields)


def make_row(line: int, values: dict[str, str]) -> Row:
    code = values.pop("code", "").strip()
    created = values.pop("created", "").strip()
    change = Change(code, {name: value.replace("\r\n", "\n")
                           for name, value in values.items()})
    row = Row(line, change, created=created)

    try:
        "".join((code, created, *values.values())).encode()
    except UnicodeEncodeError:
        row.reason = "not UTF-8; in Excel save it as \"CSV UTF-8\""

    return row
