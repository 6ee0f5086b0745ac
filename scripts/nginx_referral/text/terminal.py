"""Tables, bars and progress on a terminal.  Loaded only there, because it is
slow to load and scripts call often."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Mapping, Sequence, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import (BarColumn, Progress, TaskProgressColumn, TextColumn,
                           TimeRemainingColumn)
from rich.table import Table
from rich.text import Text

# the longest and the shortest bar of a chart
BAR = 30
BAR_LEAST = 6

GAP = 2

# texts, and keys, are not cut to less than this
LEAST = 8
LEAST_KEY = 20

# a narrow terminal shows the day of a full time; days and hours are never cut
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
DAY = len("2026-11-22")
TIME = re.compile(r"\d{4}-\d\d-\d\d(T[\d:Z]*)?")

NOUGHT = {"", "0", "0.0"}

# columns that a narrow terminal leaves out, in this order
SPARE = ("landing", "unlisted", "no_address", "segments", "excluded", "head",
         "prefetch", "preview", "bytes", "created", "no_consent", "duplicate",
         "header", "bot", "age", "records", "missed", "raw",
         "share", "share %", "percent", "difference", "before", "after")

# columns that are never cut
WHOLE = ("of", "kind", "slot")

# columns of sentences, which are wrapped, not cut
SENTENCES = ("reason", "why")

# columns that are cut in the middle, because the end says as much as the begin
NAMES_OF_KEYS = ("key", "file")


@dataclass
class Column:
    """One column of a table: its heading and its texts."""

    name: str
    right: bool
    cells: list[str]
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.measure()

    def measure(self) -> None:
        self.width = max(map(cell_len, (self.name, *self.cells)))

    @property
    def least(self) -> int:
        """The least width.  Numbers and days are never cut: a part would be
        read as another number or day."""
        if self.right or self.name in WHOLE:
            return self.width

        if all(TIME.fullmatch(cell) for cell in self.cells
               if cell not in ("", "total")):
            return self.width

        return min(self.width, max(LEAST_KEY if self.name in NAMES_OF_KEYS
                                   else LEAST, cell_len(self.name)))

    @property
    def empty(self) -> bool:
        return NOUGHT.issuperset(self.cells)

    def line(self, text: str) -> str:
        text = cut(text, self.width, self.name in NAMES_OF_KEYS)
        space = " " * (self.width - cell_len(text))

        return space + text if self.right else text + space


def show_rows(out: TextIO, columns: Sequence[str],
              rows: Sequence[Sequence[str]], right: Sequence[bool],
              chart: Sequence[float] = ()) -> list[str]:
    """Prints a table that fits the terminal, with a bar for each number of the
    chart; all texts are safe already.  Returns the columns that did not
    fit."""
    console = _console(out)
    shown = [Column(name, numeric, list(cells)) for name, numeric, *cells
             in zip(columns, right, *rows)]
    shown, left_out = fit(shown, console.width)
    rest = console.width - width_of(shown) - GAP
    drawn = (bars(chart, min(BAR, rest)) if chart and rest >= BAR_LEAST
             else [])
    text = Text()

    text.append("  ".join(column.line(column.name)
                          for column in shown).rstrip() + "\n", "bold")
    text.append("\u2500" * (width_of(shown)) + "\n")

    for i in range(len(rows)):
        bar = "  " + drawn[i] if i < len(drawn) else ""

        for line in lines_of(shown, i):
            text.append((line + bar).rstrip() + "\n")
            bar = ""

    console.print(text, end="", no_wrap=True, overflow="ignore", crop=False)

    return left_out


def fit(columns: list[Column], width: int
        ) -> tuple[list[Column], list[str]]:
    """Makes columns narrower, or leaves some out, until they fit; returns the
    columns and the names of those left out."""
    left_out = []

    if width_of(columns) > width:
        for column in columns:
            if any(map(MOMENT.fullmatch, column.cells)):
                column.cells = [MOMENT.sub(lambda m: m[0][:DAY], cell)
                                for cell in column.cells]
                column.measure()

    if width_of(columns) > width:
        columns = [column for i, column in enumerate(columns)
                   if i == 0 or not column.empty]

    while len(columns) > 1 and width < (sum(column.least for column in columns)
                                        + GAP * (len(columns) - 1)):
        column = next(
            (column for name in SPARE for column in columns[1:]
             if column.name == name),
            next((column for column in columns[:0:-1] if not column.right),
                 columns[-1]))
        columns.remove(column)
        left_out.append(column.name)

    while (over := width_of(columns) - width) > 0:
        long = [column for column in columns if column.width > column.least]

        if not long:
            break

        # the widest column becomes as narrow as the next one, or as needed
        widest = max(long, key=lambda column: column.width)
        next_one = max((column.width for column in long
                        if column.width < widest.width), default=0)
        widest.width = max(widest.least, widest.width - over,
                           min(next_one, widest.width - 1))

    return columns, left_out


def width_of(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def lines_of(columns: Sequence[Column], row: int) -> list[str]:
    """The lines of a row; more than one if a sentence is wrapped."""
    cells = [textwrap.wrap(column.cells[row], column.width) or [""]
             if column.name in SENTENCES else [column.cells[row]]
             for column in columns]

    return ["  ".join(column.line(lines[i] if i < len(lines) else "")
                      for column, lines in zip(columns, cells))
            for i in range(max(map(len, cells)))]


def cut(text: str, width: int, middle: bool = False) -> str:
    """The text cut to so many columns; a wide character takes two."""
    if cell_len(text) <= width:
        return text

    if middle:
        end = (width - 1) * 2 // 3
        return f"{text[:width - 1 - end]}\u2026{text[-end:]}"

    return set_cell_size(text, width - 1).rstrip() + "\u2026"


def width(out: TextIO) -> int:
    return _console(out).width


def show_text(out: TextIO, line: str) -> None:
    """Prose, broken between words; it is safe already."""
    _console(out).print(Text(line))


def show_record(out: TextIO, fields: Mapping[str, str]) -> None:
    """Names and values; all texts are safe already."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    for name, value in fields.items():
        table.add_row(Text(name), Text(value))

    _console(out).print(table)


def bars(values: Sequence[float], longest: int) -> list[str]:
    """A bar for each value; the bar of a negative one is hollow."""
    most = max((abs(value) for value in values), default=0) or 1
    drawn = []

    for value in values:
        eighths = round(abs(value) * longest * 8 / most)
        full, rest = divmod(eighths, 8)
        bar = "\u2588" * full + ("" if not rest else chr(0x2590 - rest))
        drawn.append("\u2591" * max(1, full) if value < 0 else bar)

    return drawn


class Bar:
    """How far a file has been read, on stderr."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

        try:
            self.size = os.fstat(file.fileno()).st_size or None
        except OSError:
            self.size = None

        self.progress = Progress(
            TextColumn("{task.fields[lines]} lines"), BarColumn(),
            TaskProgressColumn(), TimeRemainingColumn(),
            console=_console(sys.stderr), transient=True)
        self.task = self.progress.add_task("", total=self.size, lines=0)

    def __enter__(self) -> Any:
        self.progress.start()

        return self.show

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()

    def show(self, lines: int) -> None:
        done = self.file.tell() if self.size else 0
        self.progress.update(self.task, completed=done, lines=lines)


class Steps:
    """How many of so many are done, on stderr."""

    def __init__(self, total: int) -> None:
        self.progress = Progress(
            TextColumn("{task.completed:.0f} events"), BarColumn(),
            TaskProgressColumn(), TimeRemainingColumn(),
            console=_console(sys.stderr), transient=True)
        self.task = self.progress.add_task("", total=total)

    def __enter__(self) -> Any:
        self.progress.start()

        return lambda more: self.progress.update(self.task, advance=more)

    def __exit__(self, *_: Any) -> None:
        self.progress.stop()


def _console(out: TextIO) -> Console:
    return Console(file=out, highlight=False, markup=False, emoji=False)
