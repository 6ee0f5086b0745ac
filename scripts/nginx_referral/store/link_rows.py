"""Links as a file has them: CSV, or JSON, one object a line."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from itertools import chain
from typing import Iterable, Iterator

from ..text.input import Input, read_lines
from ..text.problem import REFUSED, Problem, near, several
from .links import LINK_FIELDS, Change

COLUMNS = ("code", *LINK_FIELDS, "created")

# the first line of a sheet that says how its columns are separated
SEPARATOR = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)


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
    source = Counted(lines)
    header = next(source, "")
    told = SEPARATOR.fullmatch(header.rstrip("\r\n"))

    if told:
        header = next(source, "")

    delimiter = told[1] if told else max(",;\t", key=header.count)
    names: list[str] = []

    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        pass

    names = [fold(name) for name in names]
    check_columns(names)
    reader = csv.reader(source, delimiter=delimiter, strict=True)

    while True:
        line = source.number + 1
        source.taken.clear()

        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row, ends = not_csv(source, line, str(error))
            yield row

            if ends:
                return
            continue

        # empty lines of a sheet are skipped, as are empty cells at the end of
        # a line

        if not any(cell.strip() for cell in cells):
            continue

        while len(cells) > len(names) and not cells[-1].strip():
            cells.pop()

        if len(cells) != len(names):
            yield Row(line, Change(""), f"has {several(len(cells), 'value')},"
                      f" the first line names {len(names)}")
            continue

        if any(cell.strip() for name, cell in zip(names, cells) if not name):
            yield Row(line, Change(""), "has a value in a column without a"
                      " name")
            continue

        yield make_row(line, {name: cell for name, cell in zip(names, cells)
                              if name})


class Counted:
    """Lines as they are taken, with the number of the last one."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = iter(lines)
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.number += 1
        self.taken.append(line)

        return line


def not_csv(source: Counted, first: int, why: str) -> tuple[Row, bool]:
    """The row for a line that is not CSV, and whether it ends the file: all
    that follows a quote which is never closed may belong to a value."""
    opened = first
    odd = False

    for number, line in enumerate(source.taken, first):
        for _ in range(line.replace('""', "").count('"')):
            odd = not odd
            opened = number if odd else opened

    ends = ("end of data" in why
            or "larger" in why and (odd or source.number > first))

    if ends:
        # the rest of the file
        for _ in source:
            source.taken.clear()

        why = f"the quote that opens on line {opened} is never closed"

    elif source.number > first:
        why = (f"the quote that opens on line {opened} is closed on line"
               f" {source.number}, in the middle of a value")

    elif "expected after" in why:
        why = "a quote is closed in the middle of a value"

    else:
        why = f"not CSV: {why}"

    lost = source.number - first

    return Row(first, Change(""), why
               + (f"; all to line {source.number} is left out" if lost
                  else ""), 1 + lost), ends


def fold(name: str) -> str:
    """A column's name, however a sheet spells it."""
    return re.sub(r"[\s_-]+", "_", name.strip("\ufeff \t\r\n\xa0").lower())


def check_columns(names: list[str]) -> None:
    unknown = [name for name in names if name and name not in COLUMNS]

    if unknown or not any(names):
        raise Problem(REFUSED, "the first line must name the columns, of "
                      + " ".join(COLUMNS)
                      + (f"; it has {', '.join(map(repr, unknown))}"
                         f"{near(unknown[0], COLUMNS)}"
                         if unknown else "; it is empty"))

    named = list(filter(None, names))

    if len(set(named)) != len(named):
        raise Problem(REFUSED, "the first line names a column twice")


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
