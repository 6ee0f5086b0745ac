"""Sheets: CSV in the shapes that spreadsheets and people give it, line by
line, each with what is wrong with it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator

from .problem import REFUSED, Problem, near, several

# the first line of a sheet that says how its columns are separated
SEPARATOR = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)


@dataclass
class Line:
    """One line of a file, or several if a value has line ends: its values by
    column, or why it is refused."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    lines: int = 1
    text: str = ""


def csv_lines(lines: Iterable[str], columns: Iterable[str],
              known: Callable[[str], bool]) -> Iterator[Line]:
    """The lines below the first one, which names columns that are known; the
    message for one that is not names "columns"."""
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
    check_columns(names, tuple(columns), known)
    reader = csv.reader(source, delimiter=delimiter, strict=True)

    while True:
        number = source.number + 1
        source.taken.clear()

        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            text = "".join(source.taken)
            line, ends = not_csv(source, number, str(error))
            line.text = text
            yield line

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
            yield Line(number, reason=f"has {several(len(cells), 'value')},"
                       f" the first line names {len(names)}",
                       text="".join(source.taken))
            continue

        if any(cell.strip() for name, cell in zip(names, cells) if not name):
            yield Line(number, reason="has a value in a column without a name",
                       text="".join(source.taken))
            continue

        yield Line(number, {name: cell for name, cell in zip(names, cells)
                            if name}, text="".join(source.taken))


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


def not_csv(source: Counted, first: int, why: str) -> tuple[Line, bool]:
    """The answer for a line that is not CSV, and whether it ends the file: all
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

    return Line(first, {}, why
                + (f"; all to line {source.number} is left out" if lost
                   else ""), 1 + lost), ends


def fold(name: str) -> str:
    """A column's name, however a sheet spells it."""
    return re.sub(r"[\s_-]+", "_", name.strip("\ufeff \t\r\n\xa0").lower())


def check_columns(names: list[str], columns: tuple[str, ...],
                  known: Callable[[str], bool]) -> None:
    unknown = [name for name in names if name and not known(name)]

    if unknown or not any(names):
        raise Problem(REFUSED, "the first line must name the columns, of "
                      + " ".join(columns)
                      + (f"; it has {', '.join(map(repr, unknown))}"
                         f"{near(unknown[0], columns)}"
                         if unknown else "; it is empty"))

    named = list(filter(None, names))

    if len(set(named)) != len(named):
        raise Problem(REFUSED, "the first line names a column twice")
