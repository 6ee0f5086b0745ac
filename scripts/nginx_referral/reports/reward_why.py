"""Rewards and their entries in sentences: what moved, and why."""

from __future__ import annotations

from typing import Iterable

from ..store.amounts import Amounts
from ..store.entries import BUDGET, Entry
from ..store.facts import CHUNK, Fact, fact_of
from ..store.keys import Keys
from ..store.moments import moment
from ..store.people import People
from ..store.reward_text import decimals
from ..store.rewards import Reward
from ..store.session import Session
from ..store.store import batches

# by the word in the entry
WHY = {
    "granted": "granted by rule {rule}",
    "again": "earned again by rule {rule}",
    "raised": "raised: more of the order counts than before",
    "ripe": "can be used: nothing holds it any more",
    "reversed": "taken back: what it was given for does not hold any more",
    "missed": "taken back: its milestone did not stand when the hold ended",
    "rejected": "taken back: the friend was rejected",
    "expired": "not used in time",
    "reserve": "reserved",
    "once": "the rest of a reward that is used once",
    "cancel": "the reserve was released",
    "payout": "on its way to its owner",
    "paid": "paid out",
    "failed": "the payout failed",
    "forgotten": "its owner was forgotten",
    "ended": "the reserve ran out of time",
    "restore": "what it had paid for was taken back",
    "adjust": "given by hand",
    "written_off": "taken back after it was used: the program bears it",
    "recovered": "what the program had borne came back",
}

USED = {"spent": "used", "available": "not used of what was reserved"}
DEBT = {"available": "another reward of the same owner pays for this one",
        "spent": "pays what another reward of the same owner lacks",
        "reserved": "reserved instead of another reward of the same owner"}


class RewardWhy:
    """Knows the facts, the people and the units of a program."""

    def __init__(self, session: Session, keys: Keys) -> None:
        self.store = session.store
        self.keys = keys
        self.people = People(session.store, keys)
        self.amounts = Amounts(session.rules,
                               lambda: decimals(session.store, keys))
        self.facts: dict[int, Fact] = {}

    def learn(self, positions: Iterable[int | None]) -> None:
        """Reads the facts of these positions at once, and their people."""
        wanted = {one for one in positions if one} - self.facts.keys()

        for part in batches(sorted(wanted), CHUNK):
            with self.store.redis.pipeline(transaction=False) as pipe:
                for position in part:
                    pipe.xrange(self.keys.conversions, f"{position}-0",
                                f"{position}-0")

                for found in pipe.execute():
                    for one in found:
                        fact = fact_of(*one)
                        self.facts[fact.position] = fact

        self.people.learn(fact.number("friend")
                          for fact in self.facts.values())

    def fact(self, position: int | None) -> Fact | None:
        if not position:
            return None

        self.learn([position])

        return self.facts.get(position)

    def amount(self, number: int, unit: str) -> str:
        return self.amounts.show(number, unit)

    def event(self, position: int | None) -> str:
        """sale s1 of c417, order 1001; empty for what is no event."""
        fact = self.fact(position)

        if fact is None or not fact.is_event:
            return ""

        friend = self.people.name(fact.number("friend"))
        order = fact.text("order")

        return (f"{fact.text('type')} {fact.text('event')}"
                + (f" of {friend}" if friend else "")
                + (f", order {order}" if order else ""))

    def entry(self, entry: Entry) -> str:
        """Why it moved."""
        if entry.why == "commit":
            said = USED.get(entry.target, "used")
        elif entry.why == "debt":
            said = DEBT.get(entry.target, "a debt is paid")
        else:
            said = WHY.get(entry.why, entry.why).format(rule=entry.rule)

        return said + self.by(entry)

    def by(self, entry: Entry) -> str:
        """What it was done by, where that is not plain."""
        fact = self.fact(entry.position)

        if fact is None or entry.why in ("expired", "ended", "debt"):
            return ""

        kind = "" if fact.is_event else fact.text("type")
        order = fact.text("order")

        if kind == "adjust":
            reason = fact.text("reason")

            return f": {reason}" if reason else ""

        if kind in ("paid", "failed"):
            reason = fact.text("reason")

            return f": {reason}" if reason else ""

        if kind in ("reserve", "commit", "release"):
            item = fact.text("item")

            return ((f" for order {order}" if order else "")
                    + (f" for item {item}" if item else ""))

        event = self.event(entry.position)

        return f", by {event}" if event and entry.why != "ripe" else ""

    def until(self, entry: Entry) -> str | None:
        """When the next thing happens to what moved."""
        return moment(entry.due if entry.target == "pending"
                      else entry.expires if entry.target == "available"
                      else None)

    def moved(self, entry: Entry) -> str:
        return (f"new, {entry.target}" if entry.source == BUDGET
                else f"{entry.source} to {entry.target}")

    def owner(self, reward: Reward) -> str:
        return self.people.name(reward.number("owner"))
