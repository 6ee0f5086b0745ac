"""What only a terminal gets to see: tables with lines, a progress bar.  It is
loaded there only, for scripts call often and should not wait for it."""

from __future__ import annotations

import os
import sys
from typing import Any, BinaryIO, Mapping, Sequence, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import (BarColumn, Progress, TaskProgressColumn, TextColumn,
                           TimeRemainingColumn)
from rich.table import Table
from rich.text import Text


# the longest bar of a chart
BAR = 30

DAY = len("2026-11-22")


def show_rows(out: TextIO, columns: Sequence[str],
              rows: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """A table; all texts are safe already."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    console = _console(out)

    # a number or a day in two lines would be read as another
    for name, numeric, *cells in zip(columns, right, *rows):
        widest = max(map(cell_len, (name, *cells)))
        table.add_column(name, justify="right" if numeric else "left",
                         overflow="fold",
                         min_width=widest if numeric else min(widest, DAY))

    for row in rows:
        table.add_row(*map(Text, row))

    # a terminal that is too narrow for that breaks the lines itself
    console.width = max(console.width, console.measure(table).minimum)
    console.print(table, crop=False)


def show_record(out: TextIO, fields: Mapping[str, str]) -> None:
    """Names and values; all texts are safe already."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")

    for name, value in fields.items():
        table.add_row(Text(name), Text(value))

    _console(out).print(table)


def bars(values: Sequence[float]) -> list[str]:
    """A bar for each value, as long as it is large; what fell hangs on the
    other side of nothing and is drawn hollow."""
    most = max((abs(value) for value in values), default=0) or 1
    drawn = []

    for value in values:
        eighths = round(abs(value) * BAR * 8 / most)
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
