"""Commands about rewards: what an operator or the shop does with them, each
an entry of the stream of conversions, which the settler decides."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from ..text.problem import NEGATIVE, REDIS, REFUSED, Problem
from .facts import place_of
from .keys import Keys
from .store import Store, count

SCRIPT = Path(__file__).with_name("append_command.lua")

# seconds between two looks at how far the settler is
SOON, LATER = 0.02, 0.5


@dataclass(frozen=True)
class RewardCommand:
    """One command.  "role" is the field that gets the number of "customer":
    owner or friend; empty if it is about nobody.  "create": they may be
    unknown yet."""

    kind: str
    event_id: str
    fields: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    customer: str = ""
    create: bool = False

    @property
    def fingerprint(self) -> str:
        """The same if the same is said; each text has its length before it."""
        said = [self.kind, self.role, self.customer,
                *(text for pair in self.fields.items() for text in pair)]
        data = (text.encode("utf-8", "surrogateescape") for text in said)

        return hashlib.sha256(b"".join(
            b"%d:%s" % (len(text), text) for text in data)).hexdigest()[:16]


@dataclass(frozen=True)
class Appended:
    """Where the command stands in the stream, and the number of the person
    whom it is about."""

    position: int
    number: int | None
    replayed: bool
    created: bool


def append(store: Store, keys: Keys, command: RewardCommand) -> Appended:
    """Appends it, or finds it where it was appended before."""
    bucket, place = place_of(command.event_id)
    script = store.redis.register_script(SCRIPT.read_text(encoding="utf-8"))
    answer: Any = script(
        keys=[keys.conversions, keys.ids(bucket), keys.person, keys.names,
              keys.seed, keys.settled],
        args=[command.kind, command.event_id, place, command.fingerprint,
              command.role, command.customer, "1" if command.create else "",
              secrets.token_hex(16),
              *(text for pair in command.fields.items() for text in pair)])
    result, position, number = answer
    program = keys.program_name

    if result == "conflict":
        raise Problem(REFUSED, f"id_reused: entry {position} of program"
                      f" {program} has the id {command.event_id} and says"
                      " something else; another command needs another"
                      " --event-id")

    if result == "unknown":
        raise Problem(NEGATIVE, f"program {program} knows no customer or"
                      f" referrer {command.customer}; ids are exact, and u17"
                      " is the number 17 of somebody who was forgotten")

    return Appended(int(position), count(number) or None, result == "replay",
                    result == "created")


def wait(store: Store, keys: Keys, position: int, patience: float) -> None:
    """Until the entry is settled."""
    end = time.monotonic() + patience
    pause = SOON

    while True:
        found, stopped, writing = store.redis.hmget(
            keys.settled, ["position", "stopped", "writing"])

        # what is written in parts has moved the position before

        if count(found) >= position and "/" not in (writing or ""):
            return

        if stopped:
            raise Problem(REDIS, f"the settler stopped: {stopped}; the command"
                          f" is entry {position}, and is done when it goes on")

        left = end - time.monotonic()

        if left <= 0:
            raise Problem(REDIS, f"entry {position} is not settled after"
                          f" {patience:g} s: is nginx-referral-settle running?"
                          " It is done when it does; the same command with the"
                          " same --event-id goes on waiting")

        time.sleep(min(pause, left))
        pause = min(2 * pause, LATER)


def moved(store: Store, keys: Keys, position: int
          ) -> list[tuple[str, Mapping[str, str]]]:
    """What the ledger did at this entry."""
    found: list[tuple[str, Mapping[str, str]]] = store.redis.xrange(
        keys.ledger, str(position), str(position))

    return found
