"""Conversions: what the shop told, and whom it is credited to."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any, Callable, Iterator

import click

from ..reports.counters import require
from ..reports.days import GivenZone, read_day, zone_of
from ..reports.why import Why
from ..store.amounts import Amounts
from ..store.facts import Fact, find, last_position, newest_first
from ..store.keys import Keys
from ..store.moments import moment
from ..store.people import People, find_number, person_of
from ..store.session import Session
from ..store.store import iso
from ..store.zone import after
from ..text.problem import NEGATIVE, REFUSED, USAGE, Problem, are
from .options import Choice, Command, Group, pass_session, zone_options

VIAS = ("bound", "click", "cookie", "code", "none")

COLUMNS = ("position", "at", "type", "event_id", "customer", "order_id",
           "amount", "currency", "via", "referrer", "code", "known", "self")

# what a table for people has: the amount has its currency
SHOWN = ("at", "type", "event_id", "customer", "order_id", "amount", "via",
         "referrer", "code")

# names in the stream that are other ones in an event
RENAMED = {"event": "event_id", "order": "order_id", "unit": "currency",
           "refunded": "total_refunded", "click": "click_id"}
TIMES = ("time", "at", "order_at", "click_at", "first_at", "last_at")
MONEY = ("amount", "refunded", "order_amount")
NUMBERS = (*MONEY, "quantity", "ttl")
FLAGS = ("given", "new", "known", "self")


@click.group(cls=Group)
def conversions() -> None:
    """Conversions: leads, sales, refunds and whom they are credited to."""


@conversions.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--type", "kind", metavar="TYPE",
              help="Only these: lead, sale, refund, update, cancel, or a word"
              " of the shop's.")
@click.option("--since", metavar="TIME",
              help="Happened then or later: a day in the program's zone,"
              " today, yesterday, or a moment like 2026-11-27T10:30:00Z.")
@click.option("--until", metavar="TIME", help="The same; a day is included.")
@click.option("--friend", metavar="CUSTOMER",
              help="Only of this customer: an id, or u17 for a number.")
@click.option("--referrer", metavar="ID",
              help="Only credited to this one: an id, or u17.")
@click.option("--order", metavar="ORDER_ID", help="Only about this order.")
@click.option("--via", type=Choice(VIAS), help="Only credited by this.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=100,
              show_default=True, help="The newest so many.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@zone_options
@pass_session
def list_conversions(session: Session, program: str, kind: str | None,
                     since: str | None, until: str | None,
                     friend: str | None, referrer: str | None,
                     order: str | None, via: str | None, limit: int,
                     everything: bool, given: GivenZone) -> None:
    """Conversions, the last appended first.

    In JSON and CSV an amount is in the smallest part of its currency, as it
    was sent.  People who were forgotten are numbers: u17.
    """
    keys = session.keys(program)
    total = last_position(session.store, keys)

    if not total:
        require(session.store, keys)

    first, last = read_times(session, keys, since, until, given)
    wanted = {name: str(find_number(session.store, keys, text))
              for name, text in (("friend", friend), ("referrer", referrer))
              if text is not None}
    wanted.update({name: text for name, text in (
        ("type", kind), ("order", order), ("via", via)) if text is not None})

    matches = matcher(wanted, first, last)

    with session.output.progress(total) as told:
        found = (fact for fact in newest_first(session.store, keys, first,
                                               told) if matches(fact))
        facts = list(found if everything else islice(found, limit + 1))

    more = not everything and len(facts) > limit
    del facts[limit if more else len(facts):]
    show(session, keys, facts, bool(wanted) or bool(since or until))

    if more:
        session.output.note(f"only the newest {len(facts)} {are(len(facts))}"
                            " shown; --all shows all")


def read_times(session: Session, keys: Keys, since: str | None,
               until: str | None, given: GivenZone
               ) -> tuple[int | None, int | None]:
    """Both ends in milliseconds; both are included."""
    zone = zone_of(session, keys, given)

    def read(text: str, end: bool) -> int:
        if "T" in text:
            return read_moment(text)

        day = read_day(text, zone)

        return int(zone.begin(after(day) if end else day) * 1000) - end

    first = read(since, False) if since else None
    last = read(until, True) if until else None

    if first is not None and last is not None and first > last:
        raise Problem(USAGE, "--since is after --until")

    return first, last


def read_moment(text: str) -> int:
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        when = None

    if when is None or when.tzinfo is None:
        raise Problem(REFUSED, f"{text!r} is no moment; one is like"
                      " 2026-11-27T10:30:00Z, with its offset")

    return round(when.timestamp() * 1000)


def matcher(wanted: dict[str, str], first: int | None, last: int | None
            ) -> Callable[[Fact], bool]:
    def matches(fact: Fact) -> bool:
        if not fact.is_event or any(fact.text(name) != text
                                    for name, text in wanted.items()):
            return False

        at = fact.number("at")

        return ((first is None or at is not None and at >= first)
                and (last is None or at is not None and at <= last))

    return matches


def show(session: Session, keys: Keys, facts: list[Fact],
         narrowed: bool) -> None:
    output = session.output
    people = People(session.store, keys)
    people.learn(number for fact in facts
                 for number in (fact.number("friend"),
                                fact.number("referrer")))
    amounts = Amounts(session.rules)

    if output.for_people:
        output.rows(SHOWN, [row_for_people(fact, people, amounts)
                            for fact in facts],
                    f"program {keys.program_name} has no conversions"
                    + (" like these" if narrowed else
                       "; the manual says how a shop sends them"))
        return

    output.rows(COLUMNS, [
        [fact.position, moment(fact.number("at")), fact.text("type"),
         fact.text("event"), people.name(fact.number("friend")),
         fact.text("order"), paid(fact), fact.text("unit"), fact.text("via"),
         people.name(fact.number("referrer")), fact.text("code"),
         fact.text("known") == "1", fact.text("self") == "1"]
        for fact in facts])


def row_for_people(fact: Fact, people: People, amounts: Amounts) -> list[Any]:
    return [iso((fact.number("at") or 0) // 1000), fact.text("type"),
            fact.text("event"), people.name(fact.number("friend")),
            fact.text("order"), amounts.show(paid(fact), fact.text("unit")),
            fact.text("via"), people.name(fact.number("referrer")),
            fact.text("code")]


def paid(fact: Fact) -> int | None:
    """Its amount; of a refund that says only the total, that."""
    amount = fact.number("amount")

    return fact.number("refunded") if amount is None else amount


@conversions.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("event_id", metavar="EVENT_ID")
@pass_session
def show_conversion(session: Session, program: str, event_id: str) -> None:
    """All that is kept of a conversion, and why it is credited as it is."""
    keys = session.keys(program)
    store = session.store
    fact, reject = find(store, keys, event_id)

    if fact is None:
        raise Problem(NEGATIVE, f"program {program} has no event {event_id};"
                      " one that was answered with 202 comes when nginx"
                      " reaches Redis, and \"nginx-referral journal\" shows"
                      " what waits")

    people = People(store, keys)
    name = people.name(fact.number("friend"))
    person = person_of(store, keys, name) if name else None
    why = Why(fact, people, person, store.redis.hgetall(keys.program))
    said = why.sentences()
    fields = dict(shown(session, fact, people))

    session.output.record({
        "program": program, "position": fact.position, **fields,
        "why": "\n".join(said) if session.output.for_people else said})

    if reject:
        session.output.note("another event came with this id, said something"
                            f" else and was rejected at {iso(made(reject))};"
                            f" \"nginx-referral rejects list {program}"
                            f" --event {event_id}\" shows it")


def made(entry_id: str) -> float:
    """When an entry of a stream was written, in seconds."""
    ms = entry_id.partition("-")[0]

    return int(ms) / 1000 if ms.isdecimal() else 0


def shown(session: Session, fact: Fact, people: People
          ) -> Iterator[tuple[str, Any]]:
    """The fields of an entry under the names that the shop knows, without
    those that are empty."""
    amounts = Amounts(session.rules)
    for_people = session.output.for_people

    for name, text in fact.fields.items():
        number = fact.number(name)
        known = RENAMED.get(name, name)

        if text == "" or name == "fp":
            continue

        if name == "friend":
            yield "customer", people.name(number)
            yield "friend", f"u{text}"
        elif name in ("referrer", "owner"):
            yield name, people.name(number)
            yield f"{name}_number", f"u{text}"
        elif name == "parties":
            yield known, [people.name(int(one)) for one in text.split(",")
                          if one.isdecimal()]
        elif name == "x":
            yield known, fact.pairs()
        elif name in TIMES and number is not None:
            yield known, moment(number)
        elif name in FLAGS:
            yield known, text == "1" if not for_people else (
                "yes" if text == "1" else "no")
        elif name in MONEY and for_people:
            yield known, amounts.show(number, fact.text("unit"))
        elif name in NUMBERS and number is not None:
            yield known, number
        elif name == "product":
            yield known, text.split(",")
        elif not (name == "unit" and for_people):
            yield known, text
