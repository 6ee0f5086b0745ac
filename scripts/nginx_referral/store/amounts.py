"""Amounts in the smallest part of a unit, and as people write them."""

from __future__ import annotations

from typing import Callable, Mapping

from ..text.problem import Problem
from .ctool import Rules


class Amounts:
    """Knows how many decimals a unit has: a currency as the module does, a
    program's own unit as "own" says, which is asked once; else none."""

    def __init__(self, rules: Rules,
                 own: Callable[[], Mapping[str, int]] | None = None) -> None:
        self.rules = rules
        self.own = own
        self.decimals: dict[str, int] = {}

    def show(self, amount: int | None, unit: str) -> str:
        """12.34 EUR; empty if there is no amount."""
        if amount is None:
            return ""

        if unit not in self.decimals:
            self.decimals[unit] = self._ask(unit)

        decimals = self.decimals[unit]
        sign = "-" if amount < 0 else ""
        digits = str(abs(amount)).rjust(decimals + 1, "0")
        text = (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals
                else digits)

        return f"{sign}{text} {unit}".rstrip()

    def _ask(self, unit: str) -> int:
        try:
            found = self.rules.read("unit", [unit])[0].get("decimals")
        except Problem:
            # without the program of the module: the number as it is kept
            return 0

        if found is None and self.own:
            found = self.own().get(unit)

        return int(found or 0)
