"""Sending the events of a file, in batches; what is sent again counts once."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Iterable, Iterator, Mapping

from ..text.problem import MACHINE, Problem
from .event_rows import Row, name_event
from .sender import LINES_TYPE, Sender

# of one body, as the intake takes them
MOST = 500
BYTES_MOST = 1024 * 1024 - 1024

KEPT_COMPLAINTS = 1000


@dataclass
class Summary:
    """What became of a file: events by their result."""

    read: int = 0
    recorded: int = 0
    unattributed: int = 0
    accepted: int = 0
    replayed: int = 0
    refused: int = 0
    complaints: list[Row] = field(default_factory=list)

    def numbers(self) -> dict[str, int]:
        return {name: getattr(self, name)
                for name in ("recorded", "unattributed", "accepted",
                             "replayed", "refused")}


class Refused:
    """The file of refused events, made when there is one.  It can be sent
    again once it is mended."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.file: Any = None

    def write(self, row: Row) -> None:
        if self.path is None:
            return

        try:
            if self.file is None:
                # it names customers
                self.file = os.fdopen(os.open(
                    self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                    "w", encoding="utf-8")

            self.file.write(kept(row) + "\n")
        except OSError as error:
            raise Problem(MACHINE, f"{self.path} cannot be written:"
                          f" {error.strerror}") from None

    @contextmanager
    def opened(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self.file is not None:
                self.file.close()


def kept(row: Row) -> str:
    """A refused row as JSON.  What was no event, or is not in UTF-8, is kept
    as the text that it was, with escapes for bytes that are no UTF-8."""
    try:
        if row.event is not None:
            text = json.dumps({"line": row.line, "event": row.event,
                               "reason": row.reason}, ensure_ascii=False)
            text.encode()

            return text
    except UnicodeEncodeError:
        pass

    return json.dumps({"line": row.line, "text": plain(row.text),
                       "reason": plain(row.reason)}, ensure_ascii=False)


def plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class EventImporter:
    """Takes rows, makes bodies of them, and adds up the answers."""

    def __init__(self, sender: Sender, program: str,
                 defaults: Mapping[str, Any], refused: Refused) -> None:
        self.sender = sender
        self.program = program
        self.defaults = defaults
        self.refused = refused
        self.summary = Summary()

    def run(self, rows: Iterable[Row]) -> Iterator[int]:
        """Sends all rows; yields how many lines are done."""
        part: list[tuple[Row, bytes]] = []
        size = 0

        for row in rows:
            text = self.prepare(row)
            room = len(text or row.text)

            if part and (len(part) == MOST or size + room > BYTES_MOST):
                yield self.send(part)
                part, size = [], 0

            part.append((row, text))
            size += room

        if part:
            yield self.send(part)

    def prepare(self, row: Row) -> bytes:
        """The event as a line; empty if it is refused here."""
        if row.event is not None:
            row.event = {**self.defaults, **{
                name: value for name, value in row.event.items()
                if value not in (None, "")}}
            row.reason = name_event(self.program, row.event)

        if not row.reason:
            try:
                return json.dumps(row.event, ensure_ascii=False).encode(
                    ) + b"\n"
            except UnicodeEncodeError:
                row.reason = "not UTF-8; in Excel save it as \"CSV UTF-8\""

        return b""

    def send(self, part: list[tuple[Row, bytes]]) -> int:
        """Sends these, and counts them and those refused here, in the order
        of the file."""
        body = b"".join(text for _, text in part)
        good = sum(1 for _, text in part if text)
        results: Any = []

        if good:
            results = self.sender.send(body, LINES_TYPE).told.get("results")

        if not isinstance(results, list) or len(results) != good:
            raise Problem(MACHINE, "the answer of nginx has no result for"
                          " each event; is the URL that of referral_convert?")

        answers = iter(results)

        for row, text in part:
            self.summary.read += row.lines

            if text:
                self.count(row, next(answers))
            else:
                self.complain(row)

        return self.summary.read

    def count(self, row: Row, result: Mapping[str, Any]) -> None:
        said = result.get("result")

        if said == "refused":
            row.reason = reason_of(result)
            self.complain(row)
        elif result.get("replayed"):
            self.summary.replayed += 1
        elif said == "accepted":
            self.summary.accepted += 1
        elif said == "unattributed":
            self.summary.unattributed += 1
        else:
            self.summary.recorded += 1

    def complain(self, row: Row) -> None:
        self.summary.refused += 1
        self.refused.write(row)

        if len(self.summary.complaints) < KEPT_COMPLAINTS:
            self.summary.complaints.append(row)


def reason_of(told: Mapping[str, Any]) -> str:
    """Why an event is refused: all its mistakes in one line."""
    errors = told.get("errors") or []
    said = [f"{error.get('field')}: {error.get('detail')}"
            if error.get("field") else str(error.get("detail"))
            for error in errors]

    return "; ".join(said) or str(told.get("detail") or told.get("code"))
