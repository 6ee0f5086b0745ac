"""Reward rules of a program, checked by the engine's own code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import click

from ..store.ctool import broken, find_tool
from ..store.session import Session
from ..text.problem import NEGATIVE, OK, USAGE, Problem, near, several
from .options import Command, Group, pass_session

TOOL = "referral_rewards_test"
TIMEOUT = 60

# a text may have 16 KB; a file that is far from it is not read whole
READ = 1024 * 1024

COLUMNS = ("line", "column", "what", "word", "right")

# in a sentence: the words that would be right
OFFERED = re.compile(r"^a line \w+= takes (.*)|^one of: (.*)"
                     r"|^a signal is one of (.*)|^a line begins with (.*)")


@click.group("rewards", cls=Group)
def rewards() -> None:
    """The rules that say who is rewarded for what."""


@rewards.command("check", cls=Command)
@click.argument("path", metavar="FILE")
@pass_session
def check(session: Session, path: str) -> int:
    """Say what is wrong with a file of reward rules: 0 nothing, 1 something.

    FILE is a text for the program's field "rewards"; - is stdin.  Each mistake
    comes with its line, the word and what would be right.  One mistake is
    enough for the whole text to be refused.  Of a text without any, warnings
    say what people could abuse, what costs without a limit, and what never
    happens.
    """
    answers, end = ask(read(path))
    mistakes = end["mistakes"]

    rows = [[answer["line"] or None, answer["column"] or None,
             "warning" if answer["warning"] else "mistake",
             answer["word"], sentence(answer)] for answer in answers]

    head = {"file": path, "right": not mistakes, "mistakes": mistakes,
            "warnings": end["warnings"], "rules": end["rules"],
            "lines": end["lines"]}

    if session.output.for_people:
        for line, column, what, word, right in rows:
            where = f"{path}:{line}:{column}" if line else path
            session.output.text(f"{where}: {what}: {word!r}: {right}" if word
                                else f"{where}: {what}: {right}")

        told = several(mistakes, "mistake") if mistakes else "right"
        warned = end["warnings"]
        session.output.text(f"{path}: {told}"
                            + (f", {several(warned, 'warning')}"
                               if warned else ""))
    else:
        session.output.report(head, COLUMNS, rows)

    return NEGATIVE if mistakes else OK


def read(path: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read(READ)

        with open(path, "rb") as file:
            return file.read(READ)
    except OSError as error:
        raise Problem(USAGE, f"{path} cannot be read: {error.strerror}"
                      ) from None


def ask(text: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What the C program says of the text, and its sums."""
    try:
        done = subprocess.run([str(find_tool(TOOL))], timeout=TIMEOUT,
                              capture_output=True, input=text, check=False)
    except subprocess.TimeoutExpired:
        raise broken(TOOL, f"it gave no answer in {TIMEOUT} s") from None
    except OSError as error:
        raise broken(TOOL, f"it does not run: {error.strerror}") from None

    try:
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        end = answers.pop()
        right = not end["mistakes"]
    except (ValueError, LookupError, TypeError):
        raise broken(TOOL, "its answer is not understood") from None

    if done.returncode != (OK if right else NEGATIVE):
        raise broken(TOOL, f"it ended with status {done.returncode}")

    return answers, end


def signals() -> list[str]:
    """The names of signs of fraud, as the grammar has them."""
    try:
        done = subprocess.run([str(find_tool(TOOL)), "--words"],
                              timeout=TIMEOUT, capture_output=True,
                              text=True, check=False)
    except subprocess.TimeoutExpired:
        raise broken(TOOL, f"it gave no answer in {TIMEOUT} s") from None
    except OSError as error:
        raise broken(TOOL, f"it does not run: {error.strerror}") from None

    words = [line.split("\t") for line in done.stdout.splitlines()]

    for row in words:
        if row[:2] == ["fraud", "fraud"] and len(row) > 2:
            return row[2].split("|")

    raise broken(TOOL, "its answer is not understood")


def sentence(answer: dict[str, Any]) -> str:
    """What would be right, and which word may have been meant."""
    right = str(answer["right"])
    found = OFFERED.search(right)

    if not found:
        return right

    offered = re.findall(r"[a-z_]+(?:\.KEY)?",
                         next(part for part in found.groups() if part))
    key, _, value = str(answer["word"]).partition("=")
    given = key if "line" in right.split("=")[0] else value

    return right + near(given, offered)
