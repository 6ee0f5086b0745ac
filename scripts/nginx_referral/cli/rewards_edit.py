"""The reward rules that a program has and had, and new ones."""

from __future__ import annotations

import difflib
import time
from typing import Any

import click

from ..reports.counters import require
from ..store.keys import Keys
from ..store.moments import moment
from ..store.reward_text import Version, versions
from ..store.session import Session
from ..store.store import Store
from ..text.problem import NEGATIVE, REDIS, REFUSED, Problem, several
from .options import Command, pass_session
from .rewards import ask, read, rewards, sentence

FIELD = "rewards"

HISTORY = ("version", "entry", "when", "lines", "added", "removed")

# how often, and how long in seconds, the settler is waited for
PAUSE = 0.1
PATIENCE = 60


@rewards.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--version", metavar="N", help="An old one: \"rewards history\""
              " shows which there are.")
@pass_session
def show(session: Session, program: str, version: str | None) -> None:
    """The reward rules that hold, or held.

    New rules hold from when the settler has taken them; a friend keeps those
    of their first event.
    """
    keys = session.keys(program)
    known = versions(session.store, keys)
    written = session.store.redis.hget(keys.program, FIELD) or ""
    found = next((one for one in reversed(known)
                  if version in (None, one.number)), None)

    if not known and not written:
        require(session.store, keys)

    if version is not None and found is None:
        raise Problem(NEGATIVE, f"program {program} has no version {version};"
                      f" \"nginx-referral rewards history {program}\" shows"
                      " those that there are")

    if found is None or not found.rules.text and version is None:
        if not written:
            raise Problem(NEGATIVE, f"program {program} has no reward rules;"
                          f" \"nginx-referral rewards set {program} FILE\""
                          " gives it some")

    text = found.rules.text if found else ""
    told: dict[str, Any] = {
        "program": program, "version": found.number if found else None,
        "entry": found.position if found else None,
        "since": moment(found.fact.number("time")) if found else None}

    if session.output.for_people:
        if text:
            session.output.text(text.rstrip("\n"))
        session.output.note(", ".join(
            f"{name} {value}" for name, value in told.items() if value))
    else:
        session.output.record({**told, "text": text})

    if version is None and not same(written, text):
        session.output.note("the program's field \"rewards\" says something"
                            " else: it was refused, or the settler has not"
                            " taken it yet; \"nginx-referral settle status"
                            f" {program}\" tells")


def same(one: str, other: str) -> bool:
    """Are these the same rules?"""
    return one.strip() == other.strip()


@rewards.command("history", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--diff", is_flag=True, help="What each version changed.")
@pass_session
def history(session: Session, program: str, diff: bool) -> None:
    """All versions, the newest first: since when, and what they changed.

    A version is also made when the program's zone or window changes; that one
    changes no line.
    """
    keys = session.keys(program)
    known = versions(session.store, keys)

    if not known:
        require(session.store, keys)

    before: Version | None = None
    rows: list[list[Any]] = []
    changes: list[list[str]] = []

    for one in known:
        change = changed(before, one)
        rows.append([one.number, one.position,
                     moment(one.fact.number("time")), len(one.rules.lines),
                     sum(line.startswith("+") for line in change),
                     sum(line.startswith("-") for line in change)])
        changes.append(change)
        before = one

    output = session.output

    if not output.for_people:
        columns = (*HISTORY, "diff") if diff else HISTORY
        output.rows(columns, [
            [*row, "\n".join(change)] if diff else row
            for row, change in zip(reversed(rows), reversed(changes))])
        return

    if not diff or not rows:
        output.rows(HISTORY, rows[::-1], "the settler has taken no rules yet")
        return

    for row, change in zip(reversed(rows), reversed(changes)):
        output.text(f"version {row[0]}, entry {row[1]}, {row[2]}:"
                    + (" no line changed" if not change else ""))

        for line in change:
            output.text(f"  {line}")


def changed(before: Version | None, one: Version) -> list[str]:
    """Lines that went, with a minus, and that came, with a plus."""
    found = difflib.unified_diff(
        before.rules.text.splitlines() if before else [],
        one.rules.text.splitlines(), lineterm="", n=0)

    return [line for line in found
            if not line.startswith(("---", "+++", "@@")) and line[1:].strip()]


@rewards.command("set", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("path", metavar="FILE")
@click.option("--wait", is_flag=True,
              help="Until the settler has taken it, or refused it.")
@click.option("--patience", type=click.FloatRange(min=0), default=PATIENCE,
              show_default=True, help="Wait so many seconds.")
@pass_session
def set_rewards(session: Session, program: str, path: str, wait: bool,
                patience: float) -> None:
    """Give a program reward rules: a file, or - for stdin.

    They are checked first, as by "rewards check"; a text with a mistake is
    refused.  Friends of before keep the rules of their first event.  An
    empty text ends rewards for friends who come later.
    """
    keys = session.keys(program)
    text = checked(session, path)
    store = session.store

    if not store.redis.exists(keys.program):
        require(store, keys)

    refused = refusal(store, keys)

    if text.strip():
        store.redis.hset(keys.program, FIELD, text)
    else:
        store.redis.hdel(keys.program, FIELD)

    # the settler comes to a program with its first event

    if wait and not store.redis.exists(keys.conversions):
        session.output.note(f"program {program} has no conversions yet: its"
                            " rules are taken with the first")
        wait = False

    version = taken(store, keys, text, refused, patience) if wait else None

    session.output.done(
        f"program {program}: " + (
            f"version {version.number} holds from entry {version.position} on"
            if version else "written; the settler takes it within seconds"),
        program=program, outcome="taken" if version else "written",
        version=version.number if version else None,
        entry=version.position if version else None)


def checked(session: Session, path: str) -> str:
    """The text of a file that has no mistake; warnings are notes."""
    data = read(path)

    try:
        text = data.decode()
    except UnicodeError:
        raise Problem(REFUSED, f"{path} is not UTF-8") from None

    if not text.strip():
        return ""

    answers, end = ask(data)

    if end["mistakes"]:
        raise Problem(REFUSED, "refused, nothing was written: "
                      + "; ".join(told(path, answer) for answer in answers
                                  if not answer["warning"]))

    for answer in answers:
        session.output.note(f"warning: {told(path, answer)}")

    return text


def told(path: str, answer: dict[str, Any]) -> str:
    word = f"{answer['word']!r}: " if answer["word"] else ""

    return (f"{path}:{answer['line']}: {word}" if answer["line"]
            else f"{path}: {word}") + sentence(answer)


def refusal(store: Store, keys: Keys) -> str:
    return store.redis.hget(keys.settled, "rewards_refused") or ""


def taken(store: Store, keys: Keys, text: str, refused: str, patience: float
          ) -> Version:
    """The version that the settler made of the text."""
    end = time.monotonic() + patience

    while True:
        known = versions(store, keys)

        if known and same(known[-1].rules.text, text):
            return known[-1]

        why = refusal(store, keys)

        over = time.monotonic() >= end

        # a reason that was there before may be that of this text too

        if why and (why != refused or over):
            raise Problem(REFUSED, "the settler refused it, the rules before"
                          f" hold: {why}")

        if over:
            raise Problem(REDIS, "it is written, but the settler has not taken"
                          f" it in {several(round(patience), 'second')}: is"
                          " nginx-referral-settle running? \"nginx-referral"
                          f" settle status {keys.program_name}\" tells more")

        time.sleep(PAUSE)
