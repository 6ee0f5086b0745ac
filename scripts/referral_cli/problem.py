"""What can go wrong, told in a sentence, and the exit codes."""

from __future__ import annotations

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
  4    Redis cannot be reached, or refused
  5    this machine lacks something: the program that checks values, space
       on a disk
  130  interrupted
"""


class Problem(Exception):
    """Ends the command: what happened, what to do, and the exit code."""

    def __init__(self, code: int, what: str) -> None:
        super().__init__(what)
        self.code = code
