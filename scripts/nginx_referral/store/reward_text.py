"""The texts of reward rules that a program had, each a version.  Whether a
text is right is for the C program to say: what stands in a fact was."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Mapping

from .facts import Fact, fact_of
from .keys import Keys
from .store import Store, count

AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?([A-Za-z_][A-Za-z0-9_]*)")


class Line:
    """Its words; the kind is the first one's name."""

    def __init__(self, words: list[str]) -> None:
        pairs = [word.partition("=") for word in words]
        self.words = {key: value for key, _, value in pairs}
        self.kind = pairs[0][0]
        self.name = pairs[0][2]

    def word(self, name: str, otherwise: str = "") -> str:
        return self.words.get(name, otherwise)


class RewardText:
    """One text."""

    def __init__(self, text: str) -> None:
        self.text = text
        parts = (list(takewhile(lambda word: word[0] != "#",
                                re.findall(r"[^ \t\r]+", line)))
                 for line in text.split("\n"))
        self.lines = [Line(words) for words in parts if words]

    @cached_property
    def decimals(self) -> dict[str, int]:
        """Units, and how many decimals each has."""
        return {name: int(number) for line in self.lines
                if line.kind == "unit"
                for name, number in re.findall(r"(\w+)/(\d)", line.name)}

    @cached_property
    def caps(self) -> dict[str, tuple[str, str, str]]:
        """What each cap counts: whose rewards, how long, in which unit."""
        return {line.name: (line.word("per"), line.word("every", "ever"),
                            self.amount(line.word("amount"))[1])
                for line in self.lines if line.kind == "cap"}

    def amount(self, text: str) -> tuple[int, str]:
        """5.00EUR as 500 of EUR."""
        found = AMOUNT.fullmatch(text)

        if not found:
            return 0, ""

        return int(found[1] + (found[2] or "")), found[3]

    def of(self, kind: str, name: str) -> list[Line]:
        return [line for line in self.lines
                if line.kind == kind and line.name == name]


@dataclass(frozen=True)
class Version:
    """What a fact "rules" says of rewards."""

    number: str
    fact: Fact

    @cached_property
    def rules(self) -> RewardText:
        return RewardText(self.fact.text("text"))

    @property
    def position(self) -> int:
        return self.fact.position


def versions(store: Store, keys: Keys) -> list[Version]:
    """The oldest first; those whose fact is there."""
    known: Mapping[str, str] = store.redis.hgetall(keys.rules)
    ordered = sorted((count(position), number)
                     for number, position in known.items())

    with store.redis.pipeline(transaction=False) as pipe:
        for position, _ in ordered:
            pipe.xrange(keys.conversions, f"{position}-0", f"{position}-0")

        answers = pipe.execute()

    return [Version(number, fact_of(*found[0]))
            for (_, number), found in zip(ordered, answers) if found]


def decimals(store: Store, keys: Keys) -> dict[str, int]:
    """Of each unit that the program had or has."""
    told: dict[str, int] = {}

    for version in versions(store, keys):
        told.update(version.rules.decimals)

    return told
