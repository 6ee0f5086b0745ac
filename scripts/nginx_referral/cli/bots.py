"""What a User-Agent is, and why, by the module's own rules."""

from __future__ import annotations

import subprocess
import sys
from typing import Sequence

import click

from ..store.ctool import broken, find_tool
from ..store.session import Session
from ..text.problem import REFUSED, USAGE, Problem
from .options import Command, Group, pass_session

TOOL = "referral_bots_test"
TIMEOUT = 60

COLUMNS = ("class", "why", "device", "os", "app", "user_agent")

WHY = {
    "none": "nothing says a machine",
    "empty": "there is no User-Agent",
    "begin": "it neither begins like a browser nor names a phone or the like",
    "engine": "it names no browser's engine, and says \"compatible;\" or no"
              " system",
    "tail": "behind the browser's name stands one that is of no browser",
}


@click.group("bots", cls=Group)
def bots() -> None:
    """People and machines, as a User-Agent tells them apart."""


@bots.command("test", cls=Command)
@click.argument("agents", metavar="[UA]...", nargs=-1)
@click.option("--file", "path", metavar="FILE",
              help="User-Agents, one a line; - is stdin.")
@click.option("--list", "words", metavar="LIST",
              help="A list for \"referral_bots\", instead of the one that is"
              " built in.")
@pass_session
def test_bots(session: Session, agents: tuple[str, ...], path: str | None,
              words: str | None) -> None:
    """Say of each User-Agent whether it is a person's, and why.

    With neither UA nor --file a list is only checked.  What a request's
    method and its other headers add is not seen here.
    """
    asked = [" ".join(agent.splitlines()) for agent in agents]

    if path:
        asked += read(path)

    if not asked and not words:
        raise Problem(USAGE, "name a User-Agent, in quotes, or a --file of"
                      " them, or a --list to be checked")

    answers = ask(asked, words)

    if asked:
        session.output.rows(COLUMNS, answers)
    else:
        session.output.done(f"{words} is right", list=words, right=True)


def read(path: str) -> list[str]:
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except OSError as error:
        raise Problem(USAGE, f"{path} cannot be read: {error.strerror}"
                      ) from None

    text = data.decode("utf-8", "surrogateescape")

    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]


def ask(asked: Sequence[str], words: str | None) -> list[list[str]]:
    command = [str(find_tool(TOOL)), *(["--list", words] if words else [])]
    text = "".join(agent + "\n" for agent in asked)

    try:
        done = subprocess.run(command, timeout=TIMEOUT, capture_output=True,
                              input=text.encode("utf-8", "surrogateescape"),
                              check=False)
    except subprocess.TimeoutExpired:
        raise broken(TOOL, f"it gave no answer in {TIMEOUT} s") from None
    except OSError as error:
        raise broken(TOOL, f"it does not run: {error.strerror}") from None

    if done.returncode == 2:
        raise Problem(REFUSED, done.stderr.decode("utf-8", "replace").strip())

    lines = done.stdout.decode("utf-8", "replace").splitlines()

    if done.returncode != 0 or len(lines) != len(asked):
        raise broken(TOOL, "its answer is not understood")

    answers = []

    for agent, line in zip(asked, lines):
        of, rule, number, word, *device = line.split("\t")
        why = WHY.get(rule) or (f"line {number} of {words or 'the list'}:"
                                f" {of} {word}")
        answers.append([of, why, *device, agent])

    return answers
