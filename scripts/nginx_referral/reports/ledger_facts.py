"""Conversions as the ledger's model reads them: moments, terms, credits."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from sys import intern
from typing import NamedTuple

from ..store.facts import Fact
from ..store.moments import length
from .why import LATE, WINDOW

ORDERED = ("sale", "refund", "update", "cancel")
DAY = 86400 * 1000   # milliseconds
AT = 253402300800000


class Unread(Exception):
    """Why an entry cannot be decided."""


class Moment(NamedTuple):
    """Milliseconds since 1970, and the minutes east of UTC that held then."""

    ms: int
    minutes: int

    def __str__(self) -> str:
        return f"{self.ms}{self.minutes:+}" if self.minutes else str(self.ms)

    @property
    def day(self) -> int:
        return (self.ms + self.minutes * 60000) // DAY


def earlier(old: Moment | None, new: Moment | None) -> Moment | None:
    if old is None or new is None:
        return old or new

    return new if new.ms < old.ms else old


@dataclass
class Terms:
    """What a "rules" entry says."""

    starts: list[int]
    minutes: list[int]
    late: int
    bound_for: int

    def moment(self, ms: int) -> Moment:
        """Before the first change holds what holds from it on."""
        if ms >= AT:
            raise Unread("a time is after the year 9999")

        if not self.starts:
            return Moment(ms, 0)

        place = max(0, bisect_right(self.starts, ms) - 1)

        return Moment(ms, self.minutes[place])


def terms_of(fact: Fact) -> Terms:
    pairs = [pair.split(":") for pair in fact.text("transitions").split(",")
             if pair]
    window = length(fact.text("window"), WINDOW)
    late = length(fact.text("late"), LATE)

    try:
        changes = [(int(ms), int(minutes)) for ms, minutes in pairs]
    except ValueError:
        raise Unread("\"transitions\" are none") from None

    if window is None or late is None or changes != sorted(changes):
        raise Unread("\"transitions\", \"window\" or \"late\" is wrong")

    return Terms([ms for ms, _ in changes], [east for _, east in changes],
                 late // 1000,
                 window // 1000 if fact.text("bind") == "window" else 0)


@dataclass(frozen=True, slots=True)
class Credit:
    """Whom something is credited to; words are those of the click."""

    referrer: int
    code: str
    click: Moment | None
    words: tuple[str, ...]

    def alike(self, other: Credit) -> bool:
        return (self.referrer, self.code) == (other.referrer, other.code)

    def __str__(self) -> str:
        return ",".join([str(self.referrer or "-"), _word(self.code),
                         str(self.click or "-"), *map(_word, self.words)])


def _word(text: str) -> str:
    return f"-{text}" if not text or text.startswith("-") else text


def number(fact: Fact, name: str) -> int | None:
    """None if there is none; what is no number cannot be decided."""
    found = fact.number(name)

    if found is None and fact.text(name):
        raise Unread(f"\"{name}\" is no number")

    return found


def need(fact: Fact, name: str) -> int:
    found = number(fact, name)

    if found is None:
        raise Unread(f"\"{name}\" is missing")

    return found


def credited(fact: Fact) -> bool:
    return fact.text("via") not in ("", "none")


def credit_of(fact: Fact, terms: Terms) -> Credit:
    click = number(fact, "click_at")

    # a few words stand in millions of entries: each is kept once

    return Credit(number(fact, "referrer") or 0, intern(fact.text("code")),
                  terms.moment(need(fact, "at") if click is None else click),
                  tuple(intern(fact.text(name)) for name in (
                      "country", "channel", "variant", "device",
                      "referrer_segment")))
