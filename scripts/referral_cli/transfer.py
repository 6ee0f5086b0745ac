"""Links from files and to files."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, BinaryIO, ContextManager, Iterable, Iterator

from .change import LINK_FIELDS, Change, Mode, Outcome, apply
from .frame import Session
from .output import CSV, JSON, Output
from .problem import REFUSED, USAGE, Problem
from .store import BATCH, Keys, batches, iso

COLUMNS = ("code", *LINK_FIELDS, "created")
LINE_MAX = 256 * 1024
KEPT_COMPLAINTS = 1000
SHOWN_COMPLAINTS = 50


@dataclass
class Row:
    """One link of a file, or why it is none."""

    line: int
    change: Change
    reason: str = ""
    created: str = ""


@dataclass
class Summary:
    """What became of a file."""

    read: int = 0
    added: int = 0
    changed: int = 0
    generated: int = 0
    refused: int = 0
    stopped: bool = False
    complaints: list[Row] = field(default_factory=list)

    def refuse(self, row: Row) -> None:
        self.refused += 1

        if len(self.complaints) < KEPT_COMPLAINTS:
            self.complaints.append(row)


class Importer:
    """Takes a file's rows in batches, each checked, then written in one
    transaction."""

    def __init__(self, session: Session, keys: Keys, mode: Mode,
                 strict: bool, dry_run: bool) -> None:
        self.session = session
        self.keys = keys
        self.mode = mode
        self.strict = strict
        self.dry_run = dry_run
        self.summary = Summary()
        self.seen: dict[str, int] = {}

    def take(self, rows: list[Row]) -> None:
        self.summary.read += len(rows)
        self._check(rows)

        if self.strict:
            rows = self._before_the_first_bad(rows)

        good = [row for row in rows if not row.reason]
        outcomes = apply(self.session.store, self.keys,
                         [row.change for row in good], self.mode,
                         self.strict, self.dry_run) if good else []

        for row, outcome in zip(good, outcomes):
            if outcome is Outcome.EXISTS:
                row.reason = "exists already; --update changes it"
                self.summary.stopped |= self.strict
            elif outcome is Outcome.ADDED:
                self.summary.added += 1
                self.summary.generated += row.change.generated
            else:
                self.summary.changed += 1

        for row in rows:
            if row.reason:
                self.summary.refuse(row)

    def _check(self, rows: list[Row]) -> None:
        for row in rows:
            code = self.session.code(row.change.code)
            row.change.code = code

            if not row.reason and code:
                before = self.seen.setdefault(code, row.line)

                if before != row.line:
                    row.reason = f"the same code stands on line {before}"

        self._read_created([row for row in rows
                            if row.created and not row.reason])

        good = [row for row in rows if not row.reason]
        found = self.session.rooms.check(
            "link", [(row.change.code, row.change.fields) for row in good])

        for row, reasons in zip(good, found):
            row.reason = "; ".join(reasons)

    def _read_created(self, rows: list[Row]) -> None:
        found = self.session.rooms.read("date", [row.created for row in rows])

        for row, date in zip(rows, found):
            if "problem" in date:
                row.reason = f"created: {date['problem']}"
            else:
                row.change.created = date["ms"] // 1000

    def _before_the_first_bad(self, rows: list[Row]) -> list[Row]:
        for i, row in enumerate(rows):
            if row.reason:
                self.summary.stopped = True
                return rows[:i + 1]

        return rows


def import_links(session: Session, program: str, path: str, update: bool,
                 strict: bool, dry_run: bool) -> None:
    """The command."""
    keys = session.keys(program)
    session.rooms.must("program", program, {})
    importer = Importer(session, keys, Mode.EITHER if update else Mode.ADD,
                        strict, dry_run)

    with open_input(path) as file, progress(file) as show:
        for rows in batches(read_rows(file), BATCH):
            importer.take(rows)
            show(importer.summary.read)

            if importer.summary.stopped:
                break

    tell(session.output, program, importer.summary, dry_run)

    if importer.summary.refused:
        raise Problem(REFUSED, f"{importer.summary.refused} of"
                      f" {importer.summary.read} lines were refused"
                      + (", the rest was not read"
                         if importer.summary.stopped else ""))


def tell(output: Output, program: str, summary: Summary,
         dry_run: bool) -> None:
    """The summary, and each bad line with its reason."""
    refused = [[row.line, row.change.code, row.reason]
               for row in summary.complaints]
    numbers = {"added": summary.added, "changed": summary.changed,
               "refused": summary.refused, "generated": summary.generated}

    if not output.for_people:
        if output.form == CSV:
            output.rows(["line", "code", "reason"], refused)
        else:
            output.record({
                "program": program, "dry_run": dry_run, **numbers,
                "complaints": [dict(zip(("line", "code", "reason"), row))
                               for row in refused]})
        return

    if refused:
        output.rows(["line", "code", "reason"], refused[:SHOWN_COMPLAINTS])

    if summary.refused > SHOWN_COMPLAINTS:
        output.note(f"and {summary.refused - SHOWN_COMPLAINTS} more; --json"
                    f" tells up to {KEPT_COMPLAINTS}")

    output.text(("would be: " if dry_run else "")
                + ", ".join(f"{n} {name}" for name, n in numbers.items()))


class open_input:
    """A file to read from; "-" is the standard input."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> BinaryIO:
        try:
            self.file = (sys.stdin.buffer if self.path == "-"
                         else open(self.path, "rb"))
        except OSError as error:
            raise Problem(USAGE, f"{self.path} cannot be read:"
                          f" {error.strerror}") from None

        return self.file

    def __exit__(self, *_: Any) -> None:
        if self.path != "-":
            self.file.close()


def progress(file: BinaryIO) -> ContextManager[Any]:
    """A bar on a terminal, nothing elsewhere; gives a function that is told
    how many lines were read."""
    if not sys.stderr.isatty():
        return nullcontext(lambda lines: None)

    from .terminal import Bar

    return Bar(file)


def read_rows(file: BinaryIO) -> Iterator[Row]:
    """JSON lines if the first byte is a brace, else CSV."""
    lines = read_lines(file)
    first = next(lines, "")

    def again() -> Iterator[str]:
        yield first
        yield from lines

    if first.lstrip().startswith("{"):
        return json_rows(again())

    return csv_rows(again())


def read_lines(file: BinaryIO) -> Iterator[str]:
    number = 0

    while line := file.readline(LINE_MAX + 1):
        number += 1

        if len(line) > LINE_MAX:
            raise Problem(REFUSED, f"line {number} is longer than {LINE_MAX}"
                          " bytes; this is no file of links; the lines before"
                          " it were taken by the batch")

        if number == 1 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]

        yield line.decode("utf-8", "surrogateescape")


def csv_rows(lines: Iterable[str]) -> Iterator[Row]:
    lines = iter(lines)
    header = next(lines)
    delimiter = max(",;\t", key=header.count)

    names: list[str] = []

    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        pass

    names = [name.strip().lower() for name in names]
    check_columns(names)
    reader = csv.reader(lines, delimiter=delimiter)

    while True:
        line = reader.line_num + 2

        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, Change(""), f"not CSV: {error}")
            continue

        if not cells:
            continue

        if len(cells) != len(names):
            yield Row(line, Change(""), f"has {len(cells)} values, the first"
                      f" line names {len(names)}")
            continue

        yield make_row(line, dict(zip(names, cells)))


def check_columns(names: list[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]

    if unknown or not names:
        raise Problem(REFUSED, "the first line must name the columns, of "
                      + " ".join(COLUMNS)
                      + (f"; it has {', '.join(map(repr, unknown))}"
                         if unknown else "; it is empty"))

    if len(set(names)) != len(names):
        raise Problem(REFUSED, "the first line names a column twice")


def json_rows(lines: Iterable[str]) -> Iterator[Row]:
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue

        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield Row(line, Change(""), "not JSON")
            continue

        if not isinstance(value, dict):
            yield Row(line, Change(""), "not a JSON object")
            continue

        bad = [name for name in value if name not in COLUMNS]
        odd = [name for name, v in value.items()
               if v is not None and not isinstance(v, str)]

        if bad or odd:
            yield Row(line, Change(""), f"{(bad + odd)[0]!r} is "
                      + ("no field" if bad else "not a text"))
            continue

        yield make_row(line, {name: v or "" for name, v in value.items()})


def make_row(line: int, values: dict[str, str]) -> Row:
    code = values.pop("code", "").strip()
    created = values.pop("created", "").strip()
    change = Change(code, {name: value.replace("\r\n", "\n")
                           for name, value in values.items()})
    row = Row(line, change, created=created)

    if any(0xD800 <= ord(c) <= 0xDFFF
           for v in (code, created, *values.values()) for c in v):
        row.reason = "not UTF-8"

    return row


def export_links(session: Session, program: str, path: str | None) -> None:
    """The command."""
    keys = session.keys(program)
    store = session.store
    output = session.output

    if path is not None:
        try:
            output.out = open(path, "x", encoding="utf-8")
        except FileExistsError:
            raise Problem(REFUSED, f"{path} exists already; remove it first,"
                          " or name another file") from None
        except OSError as error:
            raise Problem(USAGE, f"{path} cannot be written:"
                          f" {error.strerror}") from None
        output.terminal = False

    codes = store.codes(keys)
    hashes = store.hashes([keys.link(code) for code, _ in codes])
    writer = output.csv_writer()

    if output.form != JSON:
        writer.writerow(COLUMNS)

    for (code, created), fields in zip(codes, hashes):
        if not fields:
            continue

        values = {**fields, "code": code, "created": iso(created)}

        if output.form == JSON:
            output.line({name: values[name] for name in COLUMNS
                         if values.get(name)})
        else:
            output.csv_row(writer, [values.get(name) for name in COLUMNS])

    output.out.flush()
