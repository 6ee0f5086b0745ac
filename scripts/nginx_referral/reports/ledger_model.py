"""What the settler should have come to: all entries of a program's stream
again, one after the other, by a slow and plain program of its own.  It shares
nothing with the settler's, which is in C and changes counts as it goes;
here they are counted anew from the friends and orders in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from sys import intern

from ..store.facts import Fact, place_of
from .ledger_facts import (ORDERED, Credit, Moment, Terms, Unread, credit_of,
                           credited, earlier, need, number, terms_of)

# an account that is closed takes back orders of so many days after the
# binding; an entry may be so many days on its way beyond "late"
TAKEN_BACK = 400 * 86400
LAG = 40 * 86400

CLOSED = 8
ORDERS = 500
STEPS = 64
EVENTS = 64

AMOUNT = 1 << 53


@dataclass(slots=True)
class Friend:
    """A customer: the first touch binds, and what was before it excludes."""

    binding: Credit | None = None
    via: str = ""
    click: str = ""
    bound: Moment | None = None
    bound_for: int = 0
    first: Moment | None = None
    known: Moment | None = None
    lead: Moment | None = None
    closed: list[Moment] = field(default_factory=list)
    last: Credit | None = None
    orders: list[str] = field(default_factory=list)
    steps: dict[str, Moment] = field(default_factory=dict)
    final: bool = False

    @property
    def was_before(self) -> bool:
        """Were they a customer before they were bound?"""
        return self.bound is not None and bool(
            self.first and self.first.ms < self.bound.ms
            or self.known and self.known.ms <= self.bound.ms)

    @property
    def counts(self) -> bool:
        return self.bound is not None and not self.was_before

    def credit(self) -> Credit | None:
        """A code that was typed counts from when it bound."""
        one = self.binding

        if one and self.via == "code":
            return Credit(one.referrer, one.code, self.bound, one.words)

        return one

    def lapsed(self, at: Moment) -> bool:
        return (self.bound is not None and self.bound_for > 0
                and at.ms - self.bound.ms > self.bound_for * 1000)

    def other(self, fact: Fact, credit: Credit, at: Moment) -> bool:
        """Is this credit another one than that of the binding?"""
        bound = self.binding

        return (bound is None or self.lapsed(at) or not credit.alike(bound)
                or fact.text("via") in ("click", "cookie")
                and bound.click is not None and credit.click is not None
                and bound.click.ms != credit.click.ms)

    def closed_after(self, at: Moment) -> Moment | None:
        for moment in self.closed:
            if (self.bound and moment.ms >= at.ms
                    and moment.ms - self.bound.ms <= TAKEN_BACK * 1000):
                return moment

        return None

    def keeps_open(self, time: int) -> bool:
        """May an order of now still change sides?"""
        if len(self.orders) >= ORDERS:
            return False

        return not self.final or (
            self.counts and self.bound is not None
            and time - self.bound.ms <= (TAKEN_BACK + LAG) * 1000)


@dataclass(slots=True)
class Event:
    """A refund, or an update of the amount."""

    kind: str
    at: Moment
    amount: int
    unit: str

    def place(self) -> tuple[int, str, int, int, str]:
        return (self.at.ms, self.kind, self.amount, len(self.unit), self.unit)


@dataclass(slots=True)
class Rest:
    """What is left of an order, and the days on which some was taken."""

    left: int
    total: int = 0
    parts: int = 0
    above: bool = False
    days: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Order:
    """What was told about an order, in whatever order it came.  "gross" is
    more than can ever have been counted of it."""

    friend: int = 0
    position: int = 0
    at: Moment | None = None
    amount: int = -1
    unit: str = ""
    updated: Moment | None = None
    cancelled: Moment | None = None
    own: Credit | None = None
    self_referred: bool = False
    again: bool = False
    open: bool = False
    many: bool = False
    gross: int = 0
    events: list[Event] = field(default_factory=list)

    def sale(self, fact: Fact, at: Moment) -> bool:
        """False: there is one already, and the first one counts."""
        if self.friend:
            self.again = True
            return False

        self.gross += need(fact, "amount")
        self.friend = need(fact, "friend")
        self.position = fact.position
        self.at = at
        self.amount = need(fact, "amount")
        self.unit = intern(fact.text("unit"))

        # what came before may be of its unit, which is known only now

        before, self.events = self.events, []

        for event in before:
            event.unit = self.short(event.unit)

            if event.unit == "" and event.kind == "u":
                self.amount, self.updated = event.amount, event.at
            else:
                self.add(event)

        return True

    def short(self, unit: str) -> str:
        """The order's own unit is left out."""
        return "" if self.friend and unit == self.unit else unit

    def refund(self, fact: Fact, at: Moment) -> None:
        unit = self.short(fact.text("unit"))

        for kind, name in (("p", "amount"), ("t", "refunded")):
            amount = number(fact, name)

            if amount:
                self.add(Event(kind, at, amount, unit))

    def update(self, fact: Fact, at: Moment) -> None:
        """The latest holds; of those of one moment the lowest."""
        self.gross += need(fact, "amount")
        new = Event("u", at, need(fact, "amount"),
                    self.short(fact.text("unit")))

        def newer(when: Moment | None, amount: int) -> bool:
            return (when is None or at.ms > when.ms
                    or at.ms == when.ms and new.amount < amount)

        if self.friend and new.unit == "":
            if newer(self.updated, self.amount):
                self.amount, self.updated = new.amount, at
            return

        for old in self.events:
            if old.kind == "u" and old.unit == new.unit:
                if not newer(old.at, old.amount):
                    return

                self.events.remove(old)
                break

        self.add(new)

    def add(self, event: Event) -> None:
        if len(self.events) == EVENTS:
            self.fold(event)
        else:
            self.events.append(event)

        self.events.sort(key=Event.place)

    def fold(self, event: Event) -> None:
        """There are too many: the latest of its kind takes it, else the two
        latest of another kind become one."""
        self.many = True
        alike = [old for old in self.events if kin(old) == kin(event)]

        if alike:
            take(alike[-1], event)
            return

        for place in range(len(self.events) - 1, -1, -1):
            old = self.events[place]
            more = [one for one in self.events[:place] if kin(one) == kin(old)]

            if more:
                take(old, more[-1])
                self.events = [one for one in self.events
                               if one is not more[-1]]
                self.events.append(event)
                return

    def rest(self, closed: Moment | None) -> Rest:
        """Refunds take what they can in the order of time, a cancel or the
        end of the account the rest."""
        rest = Rest(self.amount)
        end = earlier(self.cancelled, closed)
        taken = 0

        for event in self.events:
            if end and event.at.ms > end.ms:
                taken = self.take(rest, taken, self.amount, end)
                end = None

            if event.unit or event.kind == "u":
                continue

            if event.kind == "t":
                rest.total = max(rest.total, event.amount)
            else:
                rest.parts += event.amount

            most = max(rest.total, rest.parts)
            rest.above |= bool(self.friend) and most > self.amount
            taken = self.take(rest, taken, min(most, self.amount), event.at)

        if end:
            taken = self.take(rest, taken, self.amount, end)

        rest.left = self.amount - taken

        return rest

    @staticmethod
    def take(rest: Rest, taken: int, most: int, at: Moment) -> int:
        if most > taken:
            rest.days.append(at.day)

        return max(most, taken)


def kin(event: Event) -> tuple[str, str]:
    return event.kind, event.unit


def take(old: Event, event: Event) -> None:
    if event.kind == "p" and old.amount < AMOUNT:
        old.amount += event.amount
    elif event.kind == "t":
        old.amount = max(old.amount, event.amount)


class Model:
    """The entries up to "position", folded into friends and orders.  "skipped"
    are the entries that an operator went past."""

    def __init__(self) -> None:
        self.terms = Terms([], [], 0, 0)
        self.ruled = False
        self.skipped: set[int] = set()
        self.position = 0
        self.friends: dict[int, Friend] = {}
        self.orders: dict[str, Order] = {}
        self.rules: dict[str, int] = {}
        self.selves: list[Moment] = []

    def ahead(self, fact: Fact) -> None:
        """Looks at each entry before any is taken: by the first "rules" what
        stands before them is decided, and a "skip" comes after its entry."""
        kind = fact.text("type")

        if kind == "skip":
            self.skipped.add(fact.number("position") or 0)
        elif kind == "rules" and not self.ruled:
            try:
                self.terms = terms_of(fact)
                self.ruled = True
            except Unread:
                pass

    def fold(self, fact: Fact) -> None:
        """Takes the next entry; Unread: it cannot be decided."""
        self.position = fact.position

        if fact.position in self.skipped:
            return

        kind = fact.text("type")

        if kind == "rules":
            self.terms = terms_of(fact)
            self.rules[fact.text("version")] = fact.position

        elif kind != "skip" and fact.text("trust"):
            self.event(fact)

    def event(self, fact: Fact) -> None:
        kind = fact.text("type")
        at = self.terms.moment(need(fact, "at"))
        customer = number(fact, "friend")
        friend = None

        if customer:
            friend = self.friends.setdefault(customer, Friend())
            self.of_friend(friend, fact, at)
        elif kind in ("sale", "lead"):
            raise Unread("\"friend\" is missing")

        if kind in ORDERED and fact.text("order"):
            place = "".join(place_of(fact.text("order")))
            order = self.orders.setdefault(place, Order())

            if kind == "sale" and friend:
                self.of_sale(order, place, friend, fact, at)
            elif kind == "refund":
                order.refund(fact, at)
            elif kind == "update":
                order.update(fact, at)
            else:
                order.cancelled = earlier(order.cancelled, at)

        if friend and kind not in ("lead", *ORDERED) and (
                kind in friend.steps or len(friend.steps) < STEPS):
            # a tie keeps the later entry's
            friend.steps[kind] = earlier(at, friend.steps.get(kind)) or at

    def of_friend(self, friend: Friend, fact: Fact, at: Moment) -> None:
        kind = fact.text("type")
        first = earlier(friend.first, friend.bound)

        # what is older than an entry can be on its way was decided

        if first and (need(fact, "time") - first.ms
                      > (self.terms.late + LAG) * 1000):
            friend.final = True

        if not friend.final:
            if (kind == "lead" or fact.text("amount")
                    or fact.text("refunded")):
                friend.first = earlier(friend.first, at)

            if fact.text("known") == "1":
                friend.known = earlier(friend.known, at)

        if credited(fact):
            if friend.bound is None:
                self.bind(friend, fact, at)
            else:
                self.touch(friend, fact, at)

        if kind == "lead" and fact.text("self") == "1":
            self.selves.append(at)
        elif kind == "lead":
            friend.lead = earlier(friend.lead, at)

        if (kind == "cancel" and not fact.text("order")
                and len(friend.closed) < CLOSED):
            friend.closed.append(at)
            friend.closed.sort(key=lambda moment: moment.ms)

    def bind(self, friend: Friend, fact: Fact, at: Moment) -> None:
        credit = credit_of(fact, self.terms)
        friend.via = intern(fact.text("via"))
        friend.binding = (credit if friend.via != "code" else
                          Credit(credit.referrer, credit.code, None,
                                 credit.words))
        friend.click = fact.text("click")
        friend.bound = at
        friend.bound_for = self.terms.bound_for

        if friend.final:
            friend.known = earlier(friend.known, at)

    def touch(self, friend: Friend, fact: Fact, at: Moment) -> None:
        """Only an event with a touch of its own is as good a first one."""
        bound = fact.text("via") == "bound"

        if not friend.final and (not bound or any(map(fact.text, (
                "first", "last", "click")))):
            friend.bound = earlier(friend.bound, at)

        credit = credit_of(fact, self.terms)

        if not bound and friend.other(fact, credit, at):
            friend.last = credit

    def of_sale(self, order: Order, place: str, friend: Friend, fact: Fact,
                at: Moment) -> None:
        if not order.sale(fact, at):
            return

        order.self_referred = fact.text("self") == "1"

        if credited(fact):
            credit = credit_of(fact, self.terms)

            if friend.other(fact, credit, at):
                last = friend.last
                order.own = (last if fact.text("via") == "bound" and last
                             and last.alike(credit) else credit)

        if friend.keeps_open(need(fact, "time")):
            order.open = True
            friend.orders.append(place)
            friend.final |= len(friend.orders) == ORDERS
