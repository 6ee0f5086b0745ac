"""Of the clicks of a day: how many led to a lead, and to a sale, so far."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from typing import Any, Mapping, Sequence

from ..store.events import DIMENSIONS
from ..store.keys import Keys
from ..store.moments import length, span
from ..store.people import People
from ..store.session import Session
from ..store.store import Store
from ..store.zone import ONE, Zone, after, between
from ..text.problem import USAGE, Problem
from . import counters
from .conversion_counts import DIVISIBLE, amounts_of, divided, money, value
from .counters import Counts, falling, parts
from .top import board
from .why import LATE, WINDOW

# days that are shown if nothing is said
DAYS = 30

COUNTED = ("clicks", *DIVISIBLE, "refunds")


@dataclass
class Step:
    """What the clicks of a day, or another part of them, led to."""

    name: str
    counts: Counts
    open: bool = False

    def rates(self) -> list[float | None]:
        """Leads of clicks, sales of leads, sales of clicks, in percent."""
        clicks, leads, sales = (self.counts.get(name, 0) for name
                                in ("clicks", *DIVISIBLE))

        return [rate(leads, clicks), rate(sales, leads), rate(sales, clicks)]


def rate(number: int, whole: int) -> float | None:
    return round(100 * number / whole, 1) if whole else None


def rate_names(session: Session) -> list[str]:
    return (["leads %", "sales of leads %", "sales %"]
            if session.output.for_people else
            ["leads_percent", "sales_of_leads_percent", "sales_percent"])


def show_funnel(session: Session, keys: Keys, zone: Zone, by: str,
                first: str | None, last: str | None) -> None:
    last = last or zone.today()
    first = first or (date.fromisoformat(last)
                      - (DAYS - 1) * ONE).isoformat()

    if first > last:
        raise Problem(USAGE, f"--from is after today, {last}: say --to too")

    counters.require(session.store, keys)
    window, late = lengths(session.store, keys)
    days = list(between(first, last))
    steps = [Step(day, counts, is_open(zone, day, window + late))
             for day, counts in zip(days, cohorts(session, keys, days))
             if counts]
    head = {"program": keys.program_name, "by": by, "from": first, "to": last,
            **zone.said, "window": span(window), "late": span(late)}

    if by == "day":
        show_days(session, head, steps)
    else:
        show_parts(session, head, steps, by)


def lengths(store: Store, keys: Keys) -> tuple[int, int]:
    """The program's window, and how late an event may be, in milliseconds."""
    said = store.redis.hmget(keys.program, "window", "late")
    window, late = (length((text or "").strip(), default) or default * 1000
                    for text, default in zip(said, (WINDOW, LATE)))

    return window, late


def is_open(zone: Zone, day: str, lasts: int) -> bool:
    """May an event still come that is the first of a click of that day?"""
    return zone.begin(after(day)) * 1000 + lasts > time.time() * 1000


def cohorts(session: Session, keys: Keys, days: Sequence[str]) -> list[Counts]:
    """The clicks of each day, and what came of them whenever it came."""
    store = session.store
    clicks = counters.of_days(store, keys, days)
    came = map(counters.numbers,
               store.hashes([keys.cohort(day) for day in days]))

    return [{**{name: number for name, number in clicks[day].items()
                if name == "clicks" or is_part(name)}, **counts}
            for day, counts in zip(days, came)]


def is_part(name: str) -> bool:
    """Does this field divide clicks?  Those of conversions beside it are of
    that day, and not of its clicks."""
    return name.partition(":")[0] in DIMENSIONS


def show_days(session: Session, head: Mapping[str, Any], steps: list[Step]
              ) -> None:
    total = counters.add(step.counts for step in steps)
    names = names_of(total)
    amounts = amounts_of(session, session.keys(head["program"]))
    still = any(step.open for step in steps)

    def row(step: Step) -> list[Any]:
        return [step.name,
                *(value(step.counts, name, amounts) for name in names),
                *step.rates(), said_open(session, step.open)]

    session.output.report(
        head, ["day", *names, *rate_names(session), "open"],
        list(map(row, steps)), row(Step("total", total, still)),
        meaning(steps, total), "clicks")


def names_of(total: Counts) -> list[str]:
    return [*COUNTED, *money([total])]


def said_open(session: Session, still: bool) -> Any:
    if not session.output.for_people:
        return still

    return "open" if still else ""


def meaning(steps: Sequence[Step], total: Counts) -> list[str]:
    """What has to be known of these numbers."""
    notes = []
    still = [step.name for step in steps if step.open]

    if still:
        over = Step("", counters.add(step.counts for step in steps
                                     if not step.open))
        leads, _, sales = over.rates()

        notes.append(f"open since {still[0]}: more new friends may come of"
                     " these clicks"
                     + ("" if leads is None else
                        f"; of the days that are over {leads} % led to a lead"
                        f" and {sales} % to a sale"))

    if total.get("leads", 0) > total.get("clicks", 0):
        notes.append("more leads than clicks: a code that was typed has no"
                     " click")

    if total.get("sales", 0) > total.get("leads", 0):
        notes.append("more sales than leads: a friend may order several times,"
                     " or without a lead before")

    return notes


def show_parts(session: Session, head: Mapping[str, Any],
               steps: Sequence[Step], by: str) -> None:
    """The whole range by a dimension of the click."""
    total = counters.add(step.counts for step in steps)
    clicks = parts(total, by)
    found = {what: divided(total, what, by) for what in DIVISIBLE}
    names = falling({name: clicks.get(name, 0) for name in
                     {*clicks, *found["leads"], *found["sales"]}})
    still = [step.name for step in steps if step.open]
    notes = meaning(steps, total)

    if "other" in clicks:
        notes.append(f"\"other\": clicks of values of {by} beyond the first"
                     " that a counter has room for; what they led to stands at"
                     " the values themselves")

    show_table(session, {**head, "open_since": still[0] if still else None},
               by, [Step(name, {"clicks": clicks.get(name, 0),
                                **{what: of.get(name, 0)
                                   for what, of in found.items()}})
                    for name in names],
               total, notes)


def show_table(session: Session, head: Mapping[str, Any], by: str,
               steps: Sequence[Step], total: Counts, notes: Sequence[str]
               ) -> None:
    def row(step: Step) -> list[Any]:
        return [step.name, *(step.counts.get(name, 0)
                             for name in ("clicks", *DIVISIBLE)),
                *step.rates()]

    session.output.report(
        head, [by, "clicks", *DIVISIBLE, *rate_names(session)],
        list(map(row, steps)), row(Step("total", total)), notes, "clicks")


def show_all_time(session: Session, keys: Keys, by: str) -> None:
    """Links or referrers, whose counts of all time stand side by side."""
    counters.require(session.store, keys)

    found = (of_links if by == "link" else of_referrers)(session.store, keys)
    order = falling({name: counts.get("clicks", 0) for name, counts
                     in found.items() if any(counts.values())})
    total = counters.add(found.values())

    show_table(session, {"program": keys.program_name, "by": by}, by,
               [Step(name, found[name]) for name in order], total,
               meaning([], total))


def of_links(store: Store, keys: Keys) -> dict[str, Counts]:
    codes = sorted({code for what in DIVISIBLE
                    for code in board(store, keys.board(what))}
                   | set(board(store, keys.board_clicks())))

    return dict(zip(codes, map(counters.numbers, store.hashes(
        [keys.stats(code) for code in codes]))))


def of_referrers(store: Store, keys: Keys) -> dict[str, Counts]:
    """By their ids.  Clicks are counted by the id, conversions by the number;
    whoever was forgotten is u17."""
    found: dict[str, Counts] = {
        name: {"clicks": clicks} for name, clicks
        in board(store, keys.board_referrers()).items()}
    numbers = sorted({int(member) for what in DIVISIBLE
                      for member in board(store, keys.board_people(what))
                      if member.isdecimal()})
    people = People(store, keys)

    people.learn(numbers)

    for number, counts in zip(numbers, store.hashes(
            [keys.progress(number) for number in numbers])):
        name = people.name(number)
        found[name] = {**found.get(name, {}), **counters.numbers(counts)}

    return found
