"""Why a conversion is credited as it is, in sentences."""

from __future__ import annotations

from typing import Mapping

from ..store.facts import Fact
from ..store.moments import length, moment, span
from ..store.people import People, Person

# what holds for a program that does not say it
WINDOW = 30 * 86400
LATE = 60 * 86400

# how far a click may be ahead of the event that it led to
AHEAD = 5 * 60 * 1000

ORDER = ("bound", "click", "cookie", "code")


class Why:
    """The sentences about one entry.  "person" is its customer as it is now;
    "program" has the program's fields as they are now."""

    def __init__(self, fact: Fact, people: People, person: Person | None,
                 program: Mapping[str, str]) -> None:
        self.fact = fact
        self.people = people
        self.person = person
        self.program = program
        self.at = fact.number("at") or 0

    def sentences(self) -> list[str]:
        if not self.fact.is_event:
            return []

        return [self.credited(), *self.not_taken(), *self.besides()]

    def credited(self) -> str:
        fact = self.fact
        via = fact.text("via")
        who = self.people.name(fact.number("referrer"))
        link = fact.text("code")

        if via == "bound":
            return (f"credited to {who}, whose friend the customer was"
                    f" already{self.since()}")

        if via == "click":
            return (f"credited to {who} by the click {fact.text('click')} of"
                    f" link {link}, {self.when(fact.number('click_at'))}")

        if via == "cookie":
            return (f"credited to {who} by {self.touch()} of the visitor's"
                    f" cookie: link {link},"
                    f" {self.when(fact.number('click_at'))}")

        if via == "code":
            return f"credited to {who} by the code {link} that came with it"

        if not fact.text("friend"):
            order = fact.text("order")

            return ("credited to nobody here: it names no customer and belongs"
                    + (f" to order {order}" if order else " to nobody"))

        return ("credited to nobody: nothing that counts came with it, and the"
                " customer was nobody's friend")

    def since(self) -> str:
        """When and by what the friend was bound, if that is still kept."""
        one = self.person

        if (one is None or one.bound_at is None
                or one.referrer != self.fact.number("referrer")
                or one.code != self.fact.text("code")):
            return ""

        by = (f"the code {one.code}" if one.via == "code"
              else f"the {one.via} of link {one.code}")

        return f", since {moment(one.bound_at)} by {by}"

    def touch(self) -> str:
        """Which touch of the cookie it was."""
        code, at = self.fact.text("code"), self.fact.text("click_at")
        is_first, is_last = (
            (self.fact.text(name), self.fact.text(f"{name}_at")) == (code, at)
            for name in ("first", "last"))

        if is_first == is_last:
            return "the touch"

        return "the first touch" if is_first else "the last touch"

    def when(self, click_at: int | None) -> str:
        if click_at is None:
            return "at a time that is not kept"

        before = self.at - click_at

        return (f"at {moment(click_at)}, {span(before)}"
                f" {'before' if before >= 0 else 'after'} the event")

    def not_taken(self) -> list[str]:
        """Touches that led to another link than the one that is credited."""
        fact = self.fact

        if not fact.text("friend"):
            return []

        told = []
        taken = (fact.text("code"), fact.text("click_at"))
        seen = {taken}

        for name in ("last", "first"):
            touch = (fact.text(name), fact.text(f"{name}_at"))

            if not touch[0] or touch in seen or (
                    fact.text("via") == "bound" and touch[0] == taken[0]):
                continue

            seen.add(touch)
            told.append(f"not taken: the {name} touch, link {touch[0]} at"
                        f" {moment(fact.number(f'{name}_at'))}:"
                        f" {self.reason(name)}")

        return told

    def reason(self, name: str) -> str:
        """Why a touch was passed over, as far as that can be told; what rests
        on the program's fields may have been otherwise then."""
        via = self.fact.text("via")
        at = self.fact.number(f"{name}_at")
        window = length(self.program.get("window", ""), WINDOW)

        if at is not None and at > self.at + AHEAD:
            return "it came after the event"

        if at is not None and window is not None and self.at > at + window:
            return ("it is older than the window of"
                    f" {self.program.get('window') or '30d'}")

        if via == "bound":
            return "a friend stays with the first referrer"

        if via == "cookie" or name == "first":
            return (f"the program credits the"
                    f" {'last' if name == 'first' else 'first'} touch")

        if via in ORDER and self.place(via) < self.place("cookie"):
            return f"{via} is asked before the cookie"

        if self.fact.text("self") == "1":
            return "it named the customer as the referrer"

        return "its link was not there any more"

    def place(self, way: str) -> int:
        order = (self.program.get("attribution_order") or ",".join(ORDER)
                 ).split(",")

        return order.index(way) if way in order else len(order)

    def besides(self) -> list[str]:
        """What else bears upon what it counts for."""
        fact = self.fact
        who = self.people.name(fact.number("referrer"))
        told = []

        if fact.text("self") == "1":
            told.append("a touch that named the customer as the referrer was"
                        " passed over")

        if fact.text("known") == "1":
            told.append("the customer was there before the program: the shop"
                        " said so, or the id was imported")

        if fact.text("referrer_state") in ("disabled", "absent"):
            told.append(f"{who} was {fact.text('referrer_state')} as a"
                        " referrer then")

        if fact.text("program_state") in ("paused", "absent"):
            told.append(f"the program was {fact.text('program_state')} then")

        if "shared_click" in fact.text("signals").split(","):
            told.append("another customer was credited by the same click"
                        " before")

        if fact.text("trust") == "browser":
            told.append("a browser said so, which is no proof")

        return told
