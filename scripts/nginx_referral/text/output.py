"""Tables for people, JSON and CSV for programs.

Whatever lies in Redis may have been chosen by a stranger, so no byte of it
reaches a terminal that could command it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from contextlib import contextmanager
from typing import Any, Callable, Iterable, Iterator, Mapping, Sequence, TextIO

from rich.cells import cell_len

TABLE = "table"
JSON = "json"
CSV = "csv"

# from so many events on, progress is shown
MANY = 50000

# controls, formats (which turn the direction of text), surrogates, separators
UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

# the begin of a formula in a spreadsheet; an offset such as +09:00 and a code
# such as -x are harmless
FORMULA = re.compile(r"[=@\x00-\x1f]|[+-](?![\w:-]*\Z)", re.ASCII)

# cells that must be quoted: some readers of CSV would end the cell or the line
# there
QUOTED = re.compile(r"[\",\x00-\x1f\x7f-\x9f\u2028\u2029]|\A\s|\s\Z")

# zero-width joiners belong to Persian words and to emoji
HARMLESS = {"\u200c", "\u200d"}


def safe(text: str) -> str:
    """The text with everything that could move a cursor made visible."""
    if text.isascii() and text.isprintable():
        return text

    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if unicodedata.category(char) not in UNSAFE or char in HARMLESS:
        return char

    point = ord(char)

    if 0xDC80 <= point <= 0xDCFF:
        point -= 0xDC00

    if point < 0x100:
        return f"\\x{point:02x}"

    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def clean(value: Any) -> Any:
    """The value as JSON and CSV can hold it: stray bytes become U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8",
                                                               "replace")
    if isinstance(value, Mapping):
        return {clean(k): clean(v) for k, v in value.items()}

    if isinstance(value, (list, tuple)):
        return [clean(v) for v in value]

    return value


def say(text: str) -> None:
    """Prints a line on stderr, which may be closed or full."""
    try:
        print(f"nginx-referral: {safe(text)}", file=sys.stderr, flush=True)
    except OSError:
        stop_writing(sys.stderr)


def stop_writing(stream: TextIO) -> None:
    """Sends what is still buffered to /dev/null, so that Python does not fail
    on it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Output:
    """Writes the answer of one command to stdout, notes to stderr."""

    def __init__(self, form: str, quiet: bool = False) -> None:
        self.form = form
        self.quiet = quiet
        self.out: TextIO = sys.stdout
        self.terminal = self.out.isatty()

    @property
    def for_people(self) -> bool:
        return self.form == TABLE

    def note(self, text: str) -> None:
        if not self.quiet:
            say(text)

    def done(self, text: str, **answer: Any) -> None:
        """The answer of a command that changed something."""
        if self.for_people:
            print(safe(text), file=self.out)
        else:
            self.record(answer)

    def record(self, fields: Mapping[str, Any]) -> None:
        """One thing and what is known of it."""
        if self.form == JSON:
            self._json(fields)

        elif self.form == CSV:
            self._csv(map(self._inert, fields))
            self._csv(map(self._inert, fields.values()))

        else:
            self._record({safe(name): _show_lines(value)
                          for name, value in fields.items()
                          if value is not None})

    def rows(self, columns: Sequence[str], rows: Iterable[Sequence[Any]],
             empty: str = "") -> None:
        """Many things of one kind; "empty" is for people."""
        rows = list(rows)

        if self.form == JSON:
            self._json([dict(zip(columns, row)) for row in rows])

        elif self.form == CSV:
            self._csv(columns)

            for row in rows:
                self._csv(map(self._inert, row))

        elif not rows:
            self.note(empty)

        else:
            self._rows(columns, [[_show(v) for v in row] for row in rows],
                       _numeric(len(columns), rows))

    def report(self, head: Mapping[str, Any], columns: Sequence[str],
               rows: Sequence[Sequence[Any]], total: Sequence[Any] = (),
               notes: Sequence[str] = (), chart: str = "") -> None:
        """A table with what it is about, its sums, and what they mean.  CSV
        has the rows alone; the rest goes to stderr."""
        if self.form == JSON:
            answer: dict[str, Any]
            answer = {**head, "rows": [dict(zip(columns, row))
                                       for row in rows]}

            if total:
                answer["total"] = {name: value for name, value
                                   in zip(columns, total)
                                   if isinstance(value, (int, float))}

            self._json({**answer, "notes": list(notes)})
            return

        if self.form == CSV:
            self.rows(columns, rows)

            for note in notes:
                self.note(note)
            return

        self.text(" · ".join(f"{name} {_show(value)}"
                             for name, value in head.items()
                             if value is not None and value != []))
        cells = [[_show(v) for v in row] for row in [*rows, *([total] if total
                                                              else [])]]
        right = _numeric(len(columns), rows)

        place = columns.index(chart) if chart and rows else None

        self._rows(columns, cells, right,
                   [row[place] or 0 for row in rows]
                   if place is not None else [])
        self.notes(notes)

    def notes(self, notes: Sequence[str]) -> None:
        """What an answer for people means, below it."""
        if not notes or self.quiet:
            return

        self.text()

        for note in notes:
            self.text(note)

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[int], None] | None]:
        """Progress on a terminal, for many events."""
        if total < MANY or not sys.stderr.isatty():
            yield None
            return

        from .terminal import Steps

        with Steps(total) as told:
            yield told

    def line(self, fields: Mapping[str, Any]) -> None:
        """One JSON text a line, for streams."""
        self.out.write(json.dumps(clean(fields)) + "\n")

    def text(self, line: str = "") -> None:
        """A line for people; a terminal gets it broken between words."""
        if self.terminal:
            from .terminal import show_text
            show_text(self.out, safe(line))
            return

        print(safe(line), file=self.out)

    def csv_row(self, values: Iterable[Any]) -> None:
        """A row to be read again, each value as it is."""
        self._csv(map(self._cell, values))

    def csv_safe_row(self, values: Iterable[Any]) -> None:
        """A row that a spreadsheet may open."""
        self._csv(map(self._inert, values))

    def _csv(self, cells: Iterable[str]) -> None:
        self.out.write(",".join(map(_quoted, cells)) + "\n")

    def _json(self, value: Any) -> None:
        json.dump(clean(value), self.out, indent=2 if self.terminal else None)
        self.out.write("\n")

    def _cell(self, value: Any) -> str:
        if isinstance(value, (dict, list)):
            return json.dumps(clean(value))

        text = "" if value is None else str(clean(str(value)))

        return _safe_lines(text) if self.terminal else text

    def _inert(self, value: Any) -> str:
        """A cell that no spreadsheet takes for a formula: a stranger may have
        chosen the name in it."""
        text = self._cell(value)

        return (f"'{text}" if isinstance(value, str) and FORMULA.match(text)
                else text)

    def _rows(self, columns: Sequence[str], rows: list[list[str]],
              right: list[bool], chart: Sequence[float] = ()) -> None:
        if self.terminal:
            from .terminal import show_rows
            left_out = show_rows(self.out, columns, rows, right, chart)

            if left_out and not self.quiet:
                self.text(f"too narrow for {', '.join(left_out)}: a wider"
                          " terminal has room, --csv and --json have all")

            return

        cells = [list(columns), *rows]
        widths = [max(map(cell_len, column)) for column in zip(*cells)]

        for row in cells:
            parts = [_pad(text, width, numeric)
                     for text, width, numeric in zip(row, widths, right)]
            print("  ".join(parts).rstrip(), file=self.out)

    def _record(self, fields: Mapping[str, str]) -> None:
        if self.terminal:
            from .terminal import show_record
            show_record(self.out, fields)
            return

        width = max(map(cell_len, fields), default=0)

        for name, value in fields.items():
            for line in value.split("\n"):
                print(f"{_pad(name, width, False)}  {line}".rstrip(),
                      file=self.out)
                name = ""


def _quoted(cell: str) -> str:
    if not QUOTED.search(cell):
        return cell

    return '"' + cell.replace('"', '""') + '"'


def _safe_lines(text: str) -> str:
    return "\n".join(map(safe, text.split("\n")))


def _show(value: Any) -> str:
    if value is None:
        return ""

    if isinstance(value, (list, tuple)):
        return " ".join(map(_show, value))

    return safe(str(value))


def _show_lines(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{safe(str(k))} {_show(v)}"
                         for k, v in value.items())

    return _safe_lines(value) if isinstance(value, str) else _show(value)


def _numeric(columns: int, rows: Sequence[Sequence[Any]]) -> list[bool]:
    return [bool(rows) and all(
        isinstance(row[i], (int, float)) or row[i] is None
        for row in rows) for i in range(columns)]


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(text))

    return space + text if right else text + space
