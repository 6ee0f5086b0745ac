"""The journal on this machine's disk: who owns it, what is unsent, whether
it is whole.  A C program reads it, and nothing here writes to it."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any, Sequence

from redis.exceptions import RedisError

from ..text.problem import MACHINE, NEGATIVE, OK, USAGE, Problem
from .ctool import broken, find_tool
from .session import Session
from .store import BATCH, Store, batches, explain

TOOL = "referral_journal_check"
TIMEOUT = 600

DEFAULT_DIR = "/var/lib/nginx/referral"

# the folder of events in the directory of clicks
EVENTS = "events"

# exit codes of the program
DAMAGED = 1
NOTHING = 2


@dataclass
class Journal:
    """What one worker wrote in one life, as the program tells it."""

    slot: str
    held: bool | None
    owner: int | None
    told: dict[str, Any]
    unsent: int | None = None
    oldest: int | None = None

    @property
    def name(self) -> str:
        return str(self.told["journal"])

    @property
    def programs(self) -> list[dict[str, Any]]:
        return list(self.told["programs"])

    @property
    def damaged(self) -> bool:
        return bool(self.told["missing"] or self.told["unreadable"]
                    or any(segment["header"] == "damaged"
                           or segment.get("lost_bytes")
                           or segment.get("missing")
                           or segment.get("damaged_payloads")
                           or segment.get("repeated")
                           for segment in self.told["segments"]))

    @property
    def foreign(self) -> int:
        """Segments, and records in others, of another version."""
        segments = sum(segment["header"] == "foreign"
                       for segment in self.told["segments"])

        return int(segments + self.told["newer"])

    def mark_of(self, program: str) -> tuple[str, int]:
        """The journal id under which its clicks of a program are in Redis, and
        the first number under that id."""
        for alias in self.told["aliases"]:
            if alias["program"] == program:
                return str(alias["journal"]), int(alias["from"])

        return self.name, 0


def events_of(directory: str) -> str | None:
    """Where the events beside these clicks are; None if there are none."""
    place = os.path.join(directory, EVENTS)

    return place if os.path.isdir(place) else None


def read_journals(directory: str) -> tuple[list[Journal],
                                           list[dict[str, Any]]]:
    """All journals, and all slots."""
    _, told = ask(path_argument(directory))

    if "slots" not in told:
        raise Problem(USAGE, f"{directory} is no directory;"
                      " \"nginx-referral journal check\" takes a file")

    return journals_of(told), told["slots"]


def journals_of(told: dict[str, Any]) -> list[Journal]:
    return [Journal(slot["slot"], slot["held"], slot["owner"], one)
            for slot in told["slots"] for one in slot["journals"]]


def set_unsent(session: Session, directory: str,
               found: Sequence[Journal]) -> Problem | None:
    """Sets the number of unsent clicks of each journal; returns the problem if
    Redis does not answer."""
    pairs = [(one.name, program["program"])
             for one in found for program in one.programs]
    where = [one.mark_of(program["program"])
             for one in found for program in one.programs]
    asked = [(name, program)
             for (name, _), (_, program) in zip(where, pairs)]

    try:
        known = {pair: max(mark, start) for pair, (_, start), mark
                 in zip(pairs, where, marks(session.store, asked))}
    except RedisError as error:
        return explain(error)

    # the first run tells how many records a program has; where only some are
    # in Redis, a second run counts those behind the mark
    partly = [(name, program["program"], known[name, program["program"]])
              for one in found for name in [one.name]
              for program in one.programs
              if 0 < known[name, program["program"]] < program["last"]]
    exact: dict[tuple[str, str], dict[str, Any]] = {}

    if partly:
        text = "".join(f"{name} {program} {mark}\n"
                       for name, program, mark in partly)

        _, told = ask(["--marks", *path_argument(directory)], text)
        exact = {(one.name, program["program"]): program
                 for one in journals_of(told) for program in one.programs}

    for one in found:
        one.unsent = None if one.told["others"] or one.foreign else 0

        for program in one.programs:
            mark = known[one.name, program["program"]]
            program["mark"] = mark

            if mark >= program["last"]:
                program["unsent"] = 0
                program.pop("unsent_at", None)

            elif mark:
                # a journal that is gone by now was sent
                program.update(exact.get((one.name, program["program"]),
                                         {"unsent": 0}))

            if one.unsent is not None:
                one.unsent += program["unsent"]

        waiting = [program["unsent_at"] for program in one.programs
                   if program["unsent"]]
        one.oldest = min(waiting, default=None)

    return None


def marks(store: Store, pairs: Sequence[tuple[str, str]]) -> list[int]:
    """The number of the last click that Redis has of each journal and program;
    0 for none."""
    found: list[Any] = []

    for part in batches(pairs, BATCH):
        with store.redis.pipeline(transaction=False) as pipe:
            for name, program in part:
                pipe.hget(store.keys(program).journals, name)

            found.extend(pipe.execute())

    return [int(text) if text and text.isdecimal() else 0 for text in found]


def unsent_of(session: Session, directory: str | None,
              program: str) -> int:
    """How many clicks of a program are only on this machine's disk."""
    found, _ = read_journals(directory or DEFAULT_DIR)
    why = set_unsent(session, directory or DEFAULT_DIR, found)

    if why:
        raise why

    if any(one.told["others"] for one in found):
        raise Problem(NEGATIVE, "a journal holds too many programs")

    return sum(told["unsent"] for one in found for told in one.programs
               if told["program"] == program)


def path_argument(path: str) -> list[str]:
    """The path as an argument that cannot be taken for an option."""
    return [f"./{path}" if path.startswith("-") else path]


def ask(args: Sequence[str], text: str = "") -> tuple[int, dict[str, Any]]:
    """Runs the C program; returns its exit code and its answer."""
    command = [str(find_tool(TOOL)), *args]

    try:
        done = subprocess.run(command, input=text.encode(), timeout=TIMEOUT,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
    except subprocess.TimeoutExpired:
        raise Problem(MACHINE, f"{TOOL} gave no answer in {TIMEOUT} s"
                      ) from None
    except (OSError, ValueError) as error:
        raise Problem(MACHINE, f"{TOOL} does not run: {error}") from None

    if done.returncode == NOTHING:
        said = done.stderr.decode("utf-8", "surrogateescape").strip()
        raise Problem(USAGE, f"the journal cannot be read: {said}; give the"
                      " directory that referral_journal names, or"
                      " REFERRAL_JOURNAL, as root or as nginx's user")

    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = None

    if done.returncode not in (OK, DAMAGED) or not isinstance(told, dict):
        raise broken(TOOL, f"status {done.returncode}")

    return done.returncode, told
