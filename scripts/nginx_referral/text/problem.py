"""Problems as a sentence with an exit code, and words for such sentences."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Iterable

OK = 0
NEGATIVE = 1
USAGE = 2
REFUSED = 3
REDIS = 4
MACHINE = 5
INTERRUPTED = 130

EXIT_CODES = """\b
Exit codes:
  0    done
  1    not found, or the answer is no
  2    the command was not understood
  3    a value was refused, nothing wrong was written
  4    Redis or nginx cannot be reached, or refused
  5    this machine lacks something: the program that checks values, space
       on a disk
  130  interrupted
"""


class Problem(Exception):
    """Ends the command; the text says what happened and what to do."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code


def several(number: int, one: str, many: str = "") -> str:
    """A number with its word: 1 line, 2 lines."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def are(number: int) -> str:
    return "is" if number == 1 else "are"


def has(number: int) -> str:
    return "has" if number == 1 else "have"


def near(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: a known one that is
    similar, if there is one."""
    found = get_close_matches(word.lower(), list(known), 1)

    return f"; did you mean {found[0]}?" if found else ""
