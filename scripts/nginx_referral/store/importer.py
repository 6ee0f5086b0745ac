"""Links from files and to files."""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import signal
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, BinaryIO, ContextManager, Iterable, Iterator

from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import NoPermissionError, RedisError
from redis.exceptions import TimeoutError as RedisSilent

from ..cli.options import Session
from ..text.output import CSV, JSON, Output, clean
from ..text.problem import (INTERRUPTED, MACHINE, NEGATIVE, REFUSED, USAGE,
                            Problem, are, has, near, several)
from .keyspace import links_by_hand
from .links import LINK_FIELDS, Change, Mode, Outcome, apply
from .store import BATCH, Keys, Store, batches, explain, iso

COLUMNS = ("code", *LINK_FIELDS, "created")
LINE_MAX = 256 * 1024
KEPT_COMPLAINTS = 1000
SHOWN_COMPLAINTS = 50

# what is looked at before any of a stream is written; of that, the begin that
# tells UTF-16
AHEAD = 1024 * 1024
SNIFFED = 1000

# seconds that it may take to count a file of which a part is written
COUNTING = 10

INTERRUPTION = Problem(INTERRUPTED, "interrupted")

# the first line of a sheet that says how its columns are separated
SEPARATOR = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)


@dataclass
class Row:
    """One link of a file, or why it is none."""

    line: int
    change: Change
    reason: str = ""
    lines: int = 1
    created: str = ""


@dataclass
class Summary:
    """What became of a file."""

    read: int = 0
    added: int = 0
    changed: int = 0
    generated: int = 0
    refused: int = 0
    last: int = 0
    stopped: bool = False
    complaints: list[Row] = field(default_factory=list)

    def refuse(self, row: Row) -> None:
        self.refused += row.lines

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
        self.patience = Patience()

        # rows that Redis was given when it went away, without an answer
        self.doubtful = 0
        self.codeless = False

    def take(self, rows: list[Row]) -> None:
        with self.patience.batch():
            self._take(rows)

    def _take(self, rows: list[Row]) -> None:
        self._check(rows)

        if self.strict:
            rows = self._before_the_first_bad(rows)

        good = [row for row in rows if not row.reason]
        outcomes = self._apply(good) if good else []
        self.summary.read += sum(row.lines for row in rows)

        if rows:
            self.summary.last = rows[-1].line + rows[-1].lines - 1

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

    def _apply(self, good: list[Row]) -> list[Outcome]:
        self.codeless = any(not row.change.code for row in good)

        try:
            return apply(self.session.store, self.keys,
                         [row.change for row in good], self.mode,
                         self.strict, self.dry_run)
        except (RedisGone, RedisSilent, KeyboardInterrupt):
            if not self.dry_run:
                self.doubtful = len(good)
            raise

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
    summary = importer.summary

    try:
        with open_input(path) as file, progress(file.raw) as show, \
                importer.patience:
            check_encoding(path, file)

            for rows in batches(read_rows(file), BATCH):
                importer.take(rows)
                show(summary.read)

                if summary.stopped:
                    break

    except (KeyboardInterrupt, RedisError, Problem) as error:
        why = reason_of(error)

        if not summary.read and not importer.doubtful:
            raise why if why is not INTERRUPTION else Problem(
                INTERRUPTED, f"{why}: nothing is written") from None

        tell(session.output, program, summary, dry_run, True)
        raise Problem(why.code, f"{why}"
                      + (": " if why is INTERRUPTION else "; ")
                      + how_far(importer, path, update)) from None

    tell(session.output, program, summary, dry_run)

    if summary.refused:
        raise Problem(REFUSED, f"{summary.refused} of"
                      f" {several(summary.read, 'line')}"
                      f" {'was' if summary.refused == 1 else 'were'} refused"
                      + (", the rest was not read"
                         if summary.stopped else ""))


def reason_of(error: BaseException) -> Problem:
    """Why it did not come to its end."""
    if isinstance(error, Problem):
        return error

    return explain(error) if isinstance(error, RedisError) else INTERRUPTION


def how_far(importer: Importer, path: str, update: bool) -> str:
    """What is written of a file, and how the rest of it will be."""
    summary = importer.summary

    if importer.dry_run:
        return f"{of_all(summary.read, path)} checked, nothing is written"

    again = "the same command" if update else "the same command with --update"
    written = summary.added + summary.changed
    text = f"{of_all(written, path)} written"

    if importer.doubtful:
        text += (f", and perhaps the next {importer.doubtful}: whether Redis"
                 " had them is not known")

    if not written and not importer.doubtful:
        return f"{text}; the same command begins again"

    if summary.generated or importer.doubtful and importer.codeless:
        return (f"{text}; lines without a code are made anew each time: take"
                f" away those up to line {summary.last}, then {again} goes on")

    return f"{text}; {again} goes on"


def of_all(number: int, path: str) -> str:
    total = count_rows(path)

    return (f"{several(number, 'line')} {are(number)}" if total is None
            else f"{number} of {several(total, 'line')} {are(number)}")


def count_rows(path: str) -> int | None:
    """How many rows the file has; not of what cannot be read twice, nor if
    it takes long."""
    if path == "-" or not os.path.isfile(path):
        return None

    end = time.monotonic() + COUNTING
    total = 0

    try:
        with open_input(path) as file:
            for row in read_rows(file):
                total += row.lines

                if total % BATCH == 0 and time.monotonic() > end:
                    return None
    except (Problem, OSError, KeyboardInterrupt):
        return None

    return total


class Patience:
    """A batch is written to its end before an interruption takes effect, so
    that it is known how far it came; a second one does not wait."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.busy = False
        self.asked = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in self.SIGNALS:
            # nohup stays what it is
            if signal.getsignal(number) != signal.SIG_IGN:
                self.before[number] = signal.signal(number, self._asked)

    def __exit__(self, *_: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _asked(self, *_: Any) -> None:
        if self.asked or not self.busy:
            raise KeyboardInterrupt

        self.asked = True

    @contextmanager
    def batch(self) -> Iterator[None]:
        self.busy = True

        try:
            yield
        finally:
            self.busy = False

        if self.asked:
            raise KeyboardInterrupt


def tell(output: Output, program: str, summary: Summary,
         dry_run: bool, interrupted: bool = False) -> None:
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
                "program": program, "dry_run": dry_run,
                "interrupted": interrupted, **numbers,
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


class Input:
    """What is read: its begin, which is looked at first, and then all of
    it."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.begin = raw.read(AHEAD)
        self.left = io.BytesIO(self.begin)
        self.whole = len(self.begin) < AHEAD

    def read(self, size: int) -> bytes:
        return self.left.read(size) or self.raw.read(size)

    def all_lines(self) -> Iterator[bytes]:
        """All lines of a file, or those of a stream's begin."""
        lines = self.begin.splitlines(keepends=True)

        # its last line may be a part of one
        last = b"" if self.whole else lines.pop()

        yield from lines

        if self.whole or not self.raw.seekable():
            return

        place = self.raw.tell()
        yield last + self.raw.readline()
        yield from self.raw
        self.raw.seek(place)


@contextmanager
def open_input(path: str) -> Iterator[Input]:
    """A file to read from; "-" is the standard input."""
    try:
        if path != "-":
            with open(path, "rb") as file:
                yield Input(file)

        elif sys.stdin is None:
            raise Problem(USAGE, "there is no standard input to be read")

        else:
            yield Input(sys.stdin.buffer)
    except OSError as error:
        raise Problem(USAGE, f"{path} cannot be read: {error.strerror}"
                      ) from None


def progress(file: BinaryIO) -> ContextManager[Any]:
    """A bar on a terminal, nothing elsewhere; gives a function that is told
    how many lines were read."""
    if not sys.stderr.isatty():
        return nullcontext(lambda lines: None)

    from ..text.terminal import Bar

    return Bar(file)


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


def read_lines(file: Input) -> Iterator[str]:
    """Lines with their ends, which may be those of any system."""
    number = 0

    # it does not close a file that is not its own
    text = io.TextIOWrapper(Unclosed(file), "utf-8-sig", "surrogateescape",
                            newline="")

    while line := text.readline(LINE_MAX + 1):
        number += 1

        if len(line) > LINE_MAX:
            raise Problem(REFUSED, f"line {number} is longer than {LINE_MAX}"
                          " characters; this is no file of links")

        yield line


class Unclosed(io.RawIOBase):
    """A file that stays open when what reads it is thrown away."""

    def __init__(self, file: Input) -> None:
        self.file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer))
        buffer[:len(data)] = data

        return len(data)


def check_encoding(path: str, file: Input) -> None:
    """Refuses a file in another encoding than UTF-8, before any of it is
    written.  A single wrong line in a file that is UTF-8 elsewhere is told by
    itself."""
    what = right = wrong = 0

    if file.begin.startswith((b"\xff\xfe", b"\xfe\xff")) \
            or file.begin[:SNIFFED].count(0) * 4 > len(file.begin[:SNIFFED]):
        raise foreign(path, "UTF-16")

    if file.begin.startswith(codecs.BOM_UTF8):
        return

    for number, line in enumerate(file.all_lines(), 1):
        if line.isascii():
            continue

        try:
            line.decode("utf-8")
            right += 1
        except UnicodeDecodeError:
            wrong += 1
            what = what or number

    if wrong > right:
        raise foreign(path, f"not UTF-8, as line {what} shows")


def foreign(path: str, what: str) -> Problem:
    name = "the standard input" if path == "-" else path

    return Problem(NEGATIVE, f"the encoding of {name} is {what}; nothing was"
                   " written; save it as \"CSV UTF-8\" in Excel, or convert it"
                   " to UTF-8 with iconv")


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

        # a sheet's empty line is none, its empty cells at the end are no
        # values

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
    """A row that cannot be read, and whether it is the last one: what follows
    a quote that nothing closes might be part of a value, and is no link."""
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


def export_links(session: Session, program: str, path: str | None) -> None:
    """The command."""
    keys = session.keys(program)
    output = session.output

    if path is None:
        write_links(session.store, keys, output)
        output.out.flush()
        return

    try:
        output.out = open(path, "x", encoding="utf-8")
    except FileExistsError:
        raise Problem(REFUSED, f"{path} exists already; remove it first, or"
                      " name another file") from None
    except OSError as error:
        raise Problem(USAGE, f"{path} cannot be written:"
                      f" {error.strerror}") from None

    output.terminal = False

    # half a backup would be taken for a whole one
    try:
        with output.out:
            write_links(session.store, keys, output)
    except BaseException as error:
        os.unlink(path)

        if isinstance(error, OSError):
            raise Problem(MACHINE, f"{path} cannot be written:"
                          f" {error.strerror}; nothing is left of it"
                          ) from None
        raise


def write_links(store: Store, keys: Keys, output: Output) -> None:
    """All that there are, in the order in which they were made; what stands
    in no list comes last."""
    codes: list[tuple[str, float | None]] = [*store.codes(keys)]
    by_hand = 0
    unreadable = 0

    try:
        found = links_by_hand(store, keys, {code for code, _ in codes})
        by_hand = len(found)
        codes.extend((code, None) for code in found)
    except NoPermissionError:
        output.note("links that stand in no list, as a hand makes them, are"
                    " not among these: this user may not SCAN")

    hashes = store.hashes([keys.link(code) for code, _ in codes])

    if output.form != JSON:
        output.csv_row(COLUMNS)

    for (code, created), fields in zip(codes, hashes):
        if not fields:
            continue

        unreadable += any(clean(v) != v for v in fields.values())
        values = {**fields, "code": code,
                  "created": iso(created) if created is not None else ""}

        if output.form == JSON:
            output.line({name: values[name] for name in COLUMNS
                         if values.get(name)})
        else:
            output.csv_row(values.get(name) for name in COLUMNS)

    if by_hand:
        output.note(f"{several(by_hand, 'link')} of these {are(by_hand)} in no"
                    " list, as a hand makes them: \"nginx-referral link list"
                    f" {keys.program_name} --scan\" shows them")

    if unreadable:
        output.note(f"{several(unreadable, 'link')} {has(unreadable)} bytes"
                    " that are not UTF-8, written as U+FFFD; the module does"
                    " not take them either")
