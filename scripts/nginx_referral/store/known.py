"""Customers from before the program: digests of their ids, which is all that
is kept of them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from itertools import chain
from typing import Callable, Iterable, Iterator

from ..text.input import Input, read_lines
from ..text.problem import REFUSED, Problem
from ..text.sheet import SEPARATOR, csv_lines, fold
from .facts import place_of
from .keys import Keys
from .store import BATCH, Store, batches

COLUMN = "customer"
ID_MAX = 128
KEPT_COMPLAINTS = 1000

QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass
class Row:
    """One line: an id, or why it is none."""

    line: int
    name: str
    reason: str = ""


def read_ids(file: Input) -> Iterator[Row]:
    """An id a line, which may be in quotes; or CSV, whose first line names a
    column "customer".  Raises a problem for CSV without it: its cells could
    be anything."""
    lines = read_lines(file)
    first = next(lines, "")

    # what Excel writes before the heading
    heading = next(lines, "") if SEPARATOR.fullmatch(first.rstrip("\r\n")) \
        else first
    names = [fold(cell) for cell in cells(heading)]
    begin = [first] if heading is first else [first, heading]

    if COLUMN in names:
        for line in csv_lines(chain(begin, lines), [COLUMN], bool):
            name = str(line.values.get(COLUMN, "")).strip()

            yield Row(line.number, name, line.reason or wrong(name))
        return

    if len(names) > 1 or heading is not first:
        raise Problem(REFUSED, "this is CSV without a column"
                      f" \"{COLUMN}\": its first line has"
                      f" {', '.join(map(repr, names))}; name the column of"
                      " the ids so, or give a file with an id a line, in quotes"
                      " if it has a comma or semicolon")

    for number, text in enumerate(chain(begin, lines), 1):
        name = unquoted(text.strip())

        if name:
            yield Row(number, name, wrong(name) or apart(name, text))


def cells(line: str) -> list[str]:
    """Of a first line, whichever separator its sheet has."""
    text = line.strip("\ufeff\r\n")

    try:
        return next(csv.reader([text], delimiter=max(",;\t", key=text.count)),
                    [])
    except csv.Error:
        return [text]


def unquoted(text: str) -> str:
    """A line of CSV with one column."""
    return (text[1:-1].replace('""', '"').strip() if QUOTED.fullmatch(text)
            else text)


def apart(name: str, text: str) -> str:
    """Why a line without a heading may be several values; empty if not."""
    if re.search("[,;]", name) and not QUOTED.fullmatch(text.strip()):
        return (f"may be several values: the first line of CSV names a column"
                f" \"{COLUMN}\"; an id with a comma or semicolon is in quotes")

    return ""


def wrong(name: str) -> str:
    """Why this is no id; empty if it is one."""
    if not name:
        return "no id"

    if len(name) > ID_MAX:
        return f"longer than {ID_MAX} characters"

    if not all("!" <= char <= "~" for char in name):
        return "an id has no blanks, and no letters but A to Z and a to z"

    return ""


def write(store: Store, keys: Keys, rows: Iterable[Row], remove: bool,
          told: Callable[[Row], None]) -> Iterator[tuple[int, int]]:
    """Adds or removes the digests of these ids, in batches; yields how many
    were read and how many of them were new, or gone.  Wrong ones are told."""
    for part in batches(rows, BATCH):
        good = [row for row in part if not row.reason]

        for row in part:
            if row.reason:
                told(row)

        with store.redis.pipeline(transaction=False) as pipe:
            for row in good:
                bucket, member = place_of(row.name)

                if remove:
                    pipe.srem(keys.known(bucket), member)
                else:
                    pipe.sadd(keys.known(bucket), member)

            yield len(part), sum(pipe.execute())
