"""Adding and changing links from a file, in batches."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Iterator

from redis.exceptions import ConnectionError as RedisGone
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisSilent

from ..text.input import check_encoding, open_input, progress
from ..text.output import CSV, Output
from ..text.problem import INTERRUPTED, REFUSED, Problem, are, several
from .keys import Keys
from .link_rows import Row, read_rows
from .links import Mode, Outcome, apply
from .session import Session
from .store import BATCH, batches, explain

KEPT_COMPLAINTS = 1000
SHOWN_COMPLAINTS = 50

# seconds to count the lines of a file that was not written to its end
COUNTING = 10

INTERRUPTION = Problem(INTERRUPTED, "interrupted")


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

        # rows that were sent to Redis when the connection broke, without a
        # reply
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
        found = self.session.rules.check(
            "link", [(row.change.code, row.change.fields) for row in good])

        for row, reasons in zip(good, found):
            row.reason = "; ".join(reasons)

    def _read_created(self, rows: list[Row]) -> None:
        found = self.session.rules.read("date", [row.created for row in rows])

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
    """Adds or changes links from a file."""
    keys = session.keys(program)
    session.rules.must("program", program, {})
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
    """Why the import ended early."""
    if isinstance(error, Problem):
        return error

    return explain(error) if isinstance(error, RedisError) else INTERRUPTION


def how_far(importer: Importer, path: str, update: bool) -> str:
    """How much of the file is written, and how to write the rest."""
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
    """The number of lines of a file; None if it cannot be read twice, or takes
    long."""
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
            # a signal that is ignored stays ignored, as under nohup
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
