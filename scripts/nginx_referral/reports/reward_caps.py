"""Caps of reward rules: how much of each is used after each entry."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Mapping, NamedTuple

from ..store.reward_text import Line, RewardText
from .ledger_counts import EPOCH
from .ledger_facts import Terms, Unread


class Granted(NamedTuple):
    """What decides which cap a reward counts in.  "clocks" are the moments,
    and those of the order, of events that it may have been given for."""

    rule: str
    version: str
    unit: str
    side: str
    friend: int
    referrer: int
    kind: str
    cap: str
    clocks: list[tuple[int, int | None]]
    kinds: set[str]
    lead: int | None
    now: int
    terms: Terms


class Used(NamedTuple):
    """More than a cap leaves."""

    name: str
    used: int
    limit: int


@dataclass(slots=True)
class Bound:
    """A reward that a cap binds."""

    name: str
    key: tuple[str, int, str]
    counts: bool
    limit: int


class Caps:
    """Counters of all caps, by the name of the cap, whose it is, and the
    period.  Of what the keys do not tell, which line of a rule it was given
    by, or for which event, it counts nothing: "unknown" rewards."""

    def __init__(self, texts: Mapping[str, RewardText]) -> None:
        self.texts = texts
        self.bound: dict[str, Bound | None] = {}
        self.count: dict[tuple[str, int, str], int] = defaultdict(int)
        self.amount: dict[tuple[str, int, str], int] = defaultdict(int)
        self.unknown = 0

    def knows(self, reward: str) -> bool:
        return reward in self.bound

    def begin(self, reward: str, granted: Granted) -> None:
        self.bound[reward] = self.find(granted)

    def move(self, reward: str, before: int, after: int, asked: bool
             ) -> Used | None:
        """What is above the cap now, if this entry should have been asked
        against it."""
        bound = self.bound[reward]

        if bound is None:
            return None

        more = (after > 0) - (before > 0)
        self.count[bound.key] += more
        self.amount[bound.key] += after - before
        used = (self.count if bound.counts else self.amount)[bound.key]
        grows = more > 0 if bound.counts else after > before

        if asked and grows and used > bound.limit:
            return Used(bound.name, used, bound.limit)

        return None

    def find(self, granted: Granted) -> Bound | None:
        text = self.texts.get(granted.version)

        if text is None:
            return None

        lines = [line for line in text.of(granted.kind, granted.rule)
                 if may_give(text, line, granted)]
        names = ({granted.cap} if granted.kind == "adjust"
                 else {line.word("cap") for line in lines})

        if names <= {""}:
            return None

        found = text.of("cap", next(iter(names)))
        period = (self.period(found[0], lines, granted)
                  if len(names) == 1 and found else None)

        if len(names) > 1 or found and period is None:
            self.unknown += 1
            return None

        if not found or not self.binds(text, found[0], granted):
            return None

        cap = found[0]
        counts = "count" in cap.words
        limit = (int(cap.word("count")) if counts
                 else text.amount(cap.word("amount"))[0])
        per = cap.word("per", "referrer")
        who = {"program": 0, "friend": granted.friend}.get(per,
                                                           granted.referrer)

        return Bound(cap.name, (cap.name, who, period or ""), counts, limit)

    @staticmethod
    def binds(text: RewardText, cap: Line, granted: Granted) -> bool:
        per = cap.word("per", "referrer")

        return not (
            per == "referrer" and granted.side == "friend"
            or per == "friend" and not granted.friend
            or "amount" in cap.words
            and text.amount(cap.word("amount"))[1] != granted.unit)

    def period(self, cap: Line, lines: list[Line], granted: Granted
               ) -> str | None:
        """None: the events tell more than one."""
        every = cap.word("every", "ever")

        if every == "ever":
            return ""

        clocks = {line.word("clock", "event") for line in lines}

        try:
            found = {name_of(every, ms, granted.terms)
                     for ms in moments(clocks, granted)}
        except Unread:
            found = set()

        return found.pop() if len(found) == 1 else None


def may_give(text: RewardText, line: Line, granted: Granted) -> bool:
    """Can this line have given it?"""
    events = line.word("on")
    gifts = re.split("[|,]", line.word("give"))
    units = {text.amount(gift.removeprefix("draw:").partition("@")[0])[1]
             for gift in gifts}

    if line.kind == "rule" and (
            line.word("to") not in ("both", granted.side)
            or re.fullmatch(r"[a-z0-9_.,]+", events)
            and granted.kinds.isdisjoint(events.split(","))):
        return False

    return ("" in units or granted.unit in units
            or granted.unit == "prize" and "prize" in line.word("give"))


def moments(clocks: set[str], granted: Granted) -> list[int]:
    """When it may count."""
    if granted.kind != "rule":
        return [granted.now]

    if clocks == {"lead"}:
        return [] if granted.lead is None else [granted.lead]

    found = [order_at if order_at and "order" in clocks else at
             for at, order_at in granted.clocks]

    if len(clocks) > 1:
        found.extend(at for at, _ in granted.clocks)
        found.extend([] if granted.lead is None else [granted.lead])

    return found


def name_of(every: str, ms: int, terms: Terms) -> str:
    """2026, 2026-11, or the first day of a week, or a day."""
    day = EPOCH + timedelta(terms.moment(ms).day)

    if every == "week":
        day -= timedelta(day.weekday())

    return day.isoformat()[:{"year": 4, "month": 7}.get(every, 10)]
