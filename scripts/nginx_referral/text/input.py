"""Files to read from: their encoding, their lines, how far they are read."""

from __future__ import annotations

import codecs
import io
import sys
from contextlib import contextmanager, nullcontext
from typing import Any, BinaryIO, ContextManager, Iterator, cast

from .problem import NEGATIVE, REFUSED, USAGE, Problem

LINE_MAX = 256 * 1024

# how much of a stream is checked before a line of it is written, and how much
# of that is checked for UTF-16
AHEAD = 1024 * 1024
SNIFFED = 1000


class Input:
    """An open file or stream whose first megabyte can be looked at before it
    is read."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.begin = raw.read(AHEAD)
        self.left = io.BytesIO(self.begin)
        self.whole = len(self.begin) < AHEAD

    def read(self, size: int) -> bytes:
        return self.left.read(size) or self.raw.read(size)

    def all_lines(self) -> Iterator[bytes]:
        """All lines of a file, or the lines in the first megabyte of a
        stream."""
        lines = self.begin.splitlines(keepends=True)

        # the last line may be cut off
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
    """A bar on a terminal, and nothing elsewhere; the context is a function
    that takes the number of lines read."""
    if not sys.stderr.isatty():
        return nullcontext(lambda lines: None)

    from .terminal import Bar

    return Bar(file)


def read_lines(file: Input) -> Iterator[str]:
    """Lines with their line ends, of any system."""
    number = 0

    # Unclosed: the wrapper would close the file when it is deleted
    text = io.TextIOWrapper(cast(BinaryIO, Unclosed(file)), "utf-8-sig",
                            "surrogateescape", newline="")

    while line := text.readline(LINE_MAX + 1):
        number += 1

        if len(line) > LINE_MAX:
            raise Problem(REFUSED, f"line {number} is longer than {LINE_MAX}"
                          " characters; this is no file of lines")

        yield line


class Unclosed(io.RawIOBase):
    """A raw file that stays open when the object that reads it is deleted."""

    def __init__(self, file: Input) -> None:
        self.file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer))
        buffer[:len(data)] = data

        return len(data)


def check_encoding(path: str, file: Input) -> None:
    """Refuses a file that is not in UTF-8, before any of it is written.  A few
    wrong lines in a file of UTF-8 are refused one by one later."""
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
