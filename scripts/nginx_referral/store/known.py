"""Customers from before the program: digests of their ids, which is all that
is kept of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Callable, Iterable, Iterator

from ..text.input import Input, read_lines
from ..text.sheet import csv_lines
from .facts import place_of
from .keys import Keys
from .store import BATCH, Store, batches

COLUMN = "customer"
ID_MAX = 128
KEPT_COMPLAINTS = 1000


@dataclass
class Row:
    """One line: an id, or why it is none."""

    line: int
    name: str
    reason: str = ""


def read_ids(file: Input) -> Iterator[Row]:
    """An id a line; or CSV, if the first line names a column "customer"."""
    lines = read_lines(file)
    first = next(lines, "")
    names = [cell.strip().strip('"').lower()
             for cell in first.strip("\ufeff\r\n").replace(";", ",").replace(
                 "\t", ",").split(",")]

    if COLUMN in names:
        for line in csv_lines(chain([first], lines), [COLUMN], bool):
            name = str(line.values.get(COLUMN, "")).strip()

            yield Row(line.number, name, line.reason or wrong(name))
        return

    for number, text in enumerate(chain([first], lines), 1):
        name = text.strip()

        if name:
            yield Row(number, name, wrong(name))


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
