"""Customers and referrers: their ids, their numbers, and whose friend somebody
is.  A number is written u17."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable

from ..text.problem import NEGATIVE, Problem
from .keys import Keys
from .store import BATCH, Store, batches

NUMBER = re.compile(r"u([1-9][0-9]{0,15})")
DIGITS = re.compile(r"[0-9]{1,16}")


@dataclass(frozen=True)
class Person:
    """What is kept of somebody; the rest is empty or None without a
    referrer."""

    number: int
    name: str = ""
    referrer: int | None = None
    code: str = ""
    bound_at: int | None = None
    via: str = ""


def person_of(store: Store, keys: Keys, name: str) -> Person | None:
    value = store.redis.hget(keys.person, name)

    return read_person(name, value) if value else None


def read_person(name: str, value: str) -> Person | None:
    """N, or N REFERRER CODE AT VIA; None for what is neither."""
    words = value.split(" ")

    if not DIGITS.fullmatch(words[0]):
        return None

    if len(words) < 5 or not (DIGITS.fullmatch(words[1])
                              and DIGITS.fullmatch(words[3])):
        return Person(int(words[0]), name)

    return Person(int(words[0]), name, int(words[1]), words[2], int(words[3]),
                  words[4])


def find_number(store: Store, keys: Keys, text: str) -> int:
    """The number of a customer's id, or of u17 itself, which also those have
    who were forgotten."""
    person = person_of(store, keys, text)

    if person:
        return person.number

    found = NUMBER.fullmatch(text)

    if found:
        return int(found[1])

    raise Problem(NEGATIVE, f"program {keys.program_name} knows no customer"
                  f" or referrer {text}; ids are exact, and u17 is the number"
                  " 17 of somebody who was forgotten")


class People:
    """The ids behind numbers, each asked for once."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self.store = store
        self.keys = keys
        self.known: dict[int, str] = {}

    def learn(self, numbers: Iterable[int | None]) -> None:
        wanted = {number for number in numbers if number is not None}

        for part in batches(sorted(wanted - self.known.keys()), BATCH):
            names = self.store.redis.hmget(self.keys.names,
                                           [str(number) for number in part])
            self.known.update(zip(part, (name or "" for name in names)))

    def name(self, number: int | None) -> str:
        """The id; u17 if that is not known any more; empty for nobody."""
        if number is None:
            return ""

        return self.known_name(number) or f"u{number}"

    def known_name(self, number: int) -> str | None:
        """The id; None if that is not known any more."""
        self.learn([number])

        return self.known[number] or None
