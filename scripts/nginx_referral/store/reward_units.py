"""The units of a program's rewards: 12.50 EUR is 1250."""

from __future__ import annotations

import re
from functools import cached_property

from ..text.problem import REFUSED, Problem, near
from .amounts import Amounts
from .keys import Keys
from .reward_text import RewardText, versions
from .session import Session

DECIMAL = re.compile(r"([0-9]{1,16})(?:\.([0-9]{1,4}))?")

# every reader holds exactly what is below
LIMIT = 2 ** 53


class RewardUnits:
    """What the program's texts of rules say, the one that holds and those
    before it: somebody may still have what an old one gave."""

    def __init__(self, session: Session, keys: Keys) -> None:
        self.session = session
        self.keys = keys

    @cached_property
    def texts(self) -> list[RewardText]:
        """The newest last; before the settler has seen one, that of the
        program."""
        store = self.session.store
        found = [version.rules for version in versions(store, self.keys)
                 if version.fact.text("text")]

        return found or [RewardText(store.redis.hget(self.keys.program,
                                                     "rewards") or "")]

    @cached_property
    def decimals(self) -> dict[str, int]:
        return {name: number for text in self.texts
                for name, number in text.decimals.items()}

    @cached_property
    def amounts(self) -> Amounts:
        amounts = Amounts(self.session.rules)
        amounts.decimals.update(self.decimals)

        return amounts

    def must(self, unit: str) -> None:
        if unit not in self.decimals:
            raise Problem(REFUSED, f"program {self.keys.program_name} has no"
                          f" unit {unit}: " + (
                              f"there are {', '.join(sorted(self.decimals))}"
                              if self.decimals
                              else "no text of its rewards names one"))

    def read(self, text: str, unit: str, what: str = "the amount",
             least: int = 1) -> int:
        """12.5 of EUR as 1250."""
        self.must(unit)

        decimals = 0 if self.session.minor else self.decimals[unit]
        found = DECIMAL.fullmatch(text)
        right = "5" + ("." + "0" * decimals if decimals else "")

        if not found or len(found[2] or "") > decimals:
            raise Problem(REFUSED, f"{what} {text!r} is none of {unit}: one is"
                          f" like {right}")

        amount = int(found[1] + (found[2] or "").ljust(decimals, "0"))

        if not least <= amount < LIMIT:
            raise Problem(REFUSED, f"{what} is more than 0, and below"
                          f" {self.amounts.show(LIMIT, unit)}" if least
                          else f"{what} is below"
                          f" {self.amounts.show(LIMIT, unit)}")

        return amount

    def known(self, kind: str, name: str) -> None:
        """A cap or an item of the text that holds."""
        names = [line.name for line in self.texts[-1].lines
                 if line.kind == kind]

        if name not in names:
            raise Problem(REFUSED, f"program {self.keys.program_name} has no"
                          f" {kind} {name}: " + (
                              f"there are {', '.join(sorted(set(names)))}"
                              + near(name, names) if names
                              else f"its rewards have no line {kind}="))
