"""Counts with filters and divisions that no counter has.  They come from the
stream of events, and only for days that the stream holds whole."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Mapping, Sequence

from ..store.events import (AT, CLASS, DIMENSIONS, PLACE, TYPE, Event, Reach,
                            ask_reach, chunks, decode, fields_of, is_click,
                            need, reach_of, read_reach)
from ..store.keys import Keys
from ..store.session import Session
from ..store.store import count
from ..store.zone import Zone, after, between
from ..text.problem import (MACHINE, NEGATIVE, REFUSED, USAGE, Problem, near,
                            several)
from .counters import APPS, CLASSES, NONE, RESULTS, Counts

# divisions that only events have
EXTRA = ("code", "referrer", "first", "region", "city", "landing_host")

# divisions that have these values alone
WORDS = {"app": APPS, "class": CLASSES, "result": RESULTS}

# what --where may name
FILTERS = (*DIMENSIONS, "class", "result", *EXTRA)

# a name, an IPv4 or an IPv6 address, perhaps with a port
HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?", re.ASCII)

# reading starts this much before the first day, for hosts whose clock is wrong
SKEW_MS = 86400 * 1000

Names = tuple[str, ...]


@dataclass
class Found:
    counts: Any
    head: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Cut:
    """What to count, of which days, divided by what."""

    by: tuple[str, ...]
    filters: Mapping[str, str]
    code: str
    first: str | None
    last: str | None

    @property
    def measure(self) -> str:
        """What is counted: clicks, or hits or people if class or result is
        asked for."""
        asked = {*self.by, *self.filters}

        return ("hits" if "class" in asked
                else "people" if "result" in asked else "clicks")

    def read(self, session: Session, keys: Keys, zone: Zone) -> Found:
        """Counts by the values of the divisions."""
        names = self._names(zone)
        takes = self._takes()

        def of(event: Event) -> Iterable[Names]:
            return (names(event),) if takes(event) else ()

        by_day, head, notes = scan(session, keys, zone, self.first, self.last,
                                   of)
        counts: Counter[Names] = Counter()

        for (_, divided), value in by_day.items():
            counts[divided] += value

        what = {"hits": "hits of every class",
                "people": "people, whatever became of them",
                "clicks": "people who were sent to a landing"}[self.measure]

        return Found(counts, head, [f"{self.measure}: {what}", *notes])

    def _takes(self) -> Callable[[Event], bool]:
        wanted = [(PLACE[name], value.encode("utf-8", "surrogateescape"))
                  for name, value in {**self.filters,
                                      **({"code": self.code} if self.code
                                         else {})}.items()]
        measure = self.measure

        def takes(event: Event) -> bool:
            return (all(event[place] == value for place, value in wanted)
                    and (measure == "hits"
                         or (event[CLASS] == b"human" if measure == "people"
                             else is_click(event))))

        return takes

    def _names(self, zone: Zone) -> Callable[[Event], Names]:
        getters: list[Callable[[Event], str]] = []

        for name in self.by:
            if name == "day":
                getters.append(lambda event: zone.day_at(event[AT]))
            elif name == "hour":
                getters.append(lambda event: decode(event[AT][:13]))
            else:
                getters.append(_getter(PLACE[name]))

        return lambda event: tuple(get(event) for get in getters)


def _getter(place: int) -> Callable[[Event], str]:
    return lambda event: decode(event[place]) or NONE


def make_cut(by: Sequence[str], filters: Mapping[str, str], code: str,
             first: str | None, last: str | None) -> Cut:
    if code and filters.get("code", code) != code:
        raise Problem(REFUSED, "--where names another code")

    return Cut(tuple(by), filters, code, first, last)


def read_where(session: Session, where: Sequence[str]) -> dict[str, str]:
    """The filters of --where, with values spelled as they are in events."""
    filters: dict[str, str] = {}

    for text in where:
        name, equals, value = text.partition("=")
        name = name.strip().lower()

        if not equals or name not in FILTERS:
            raise Problem(USAGE, f"--where {text!r} is not understood: it is"
                          f" NAME=VALUE, with a NAME of {' '.join(FILTERS)}"
                          + (near(name, FILTERS) if name not in FILTERS
                             else f"; say {name}=VALUE"))

        if name in filters:
            raise Problem(USAGE, f"--where names {name} twice")

        filters[name] = ("" if value == NONE else
                         read_value(session, name, value))

    return filters


def read_value(session: Session, name: str, value: str) -> str:
    """The value as events spell it.  A value that no click can have is
    refused: a zero would be taken for an answer."""
    said = f"--where {name}={value}"

    if name in ("code", "first"):
        value = session.code(value)
    elif name in ("country", "region"):
        value = value.upper()
    elif name not in ("city", "referrer"):
        value = value.lower()

    # events have a source without www.
    if name == "source":
        value = value.removeprefix("www.")

    if not value or name == "city":
        return value

    wrong: list[str] = []

    try:
        if name in WORDS:
            words = WORDS[name]
            wrong = ([f"there are {' '.join(words)}{near(value, words)}"]
                     if value not in words else [])
        elif name in ("source", "landing_host"):
            wrong = ([f"{name} is a host, like shop.example.com"]
                     if not HOST.fullmatch(value) else [])
        elif name in ("code", "referrer"):
            wrong = session.rules.wrong(name, value)
        elif name == "first":
            wrong = session.rules.wrong("code", value)
        else:
            session.rules.possible("segment" if name == "variant" else name,
                                   value, said)
    except Problem as problem:
        if problem.code != MACHINE:
            raise
        session.output.note(f"{said} was not checked: {problem}")

    if wrong:
        raise Problem(REFUSED, f"not tried: {said}: {wrong[0]}")

    return value


def totals_of(session: Session, keys: Keys, zone: Zone, code: str,
              first: str | None, last: str | None) -> Found:
    """The statistics of a link for a range of days."""
    wanted = code.encode("utf-8", "surrogateescape")
    visitors: set[bytes] = set()

    def of(event: Event) -> Iterable[str]:
        if event[PLACE["code"]] != wanted:
            return ()

        if is_click(event) and event[PLACE["visitor"]]:
            visitors.add(event[PLACE["visitor"]])

        return map(decode, fields_of(event))

    by_day, head, notes = scan(session, keys, zone, first, last, of)
    counts: Counts = {}

    for (_, name), value in by_day.items():
        counts[name] = counts.get(name, 0) + value

    counts["visitors"] = len(visitors)

    return Found(counts, head, [
        "visitors: browsers that clicked in this time, told apart by the"
        " cookie", *notes])


def scan(session: Session, keys: Keys, zone: Zone, first: str | None,
         last: str | None, of: Callable[[Event], Iterable[Any]]
         ) -> tuple[Counter[tuple[str, Any]], dict[str, Any], list[str]]:
    """Counts by day and by the names that "of" gives for an event.  Before
    that it is checked against the program's counters that the stream holds
    these days whole."""
    reach = reach_of(session.store, keys)

    need(reach, keys.program_name)

    begin = 0

    if first:
        begin = max(0, int(zone.begin(first) * 1000) - SKEW_MS)

    found, seen, raw, reach, lost = _count(session, keys, zone, first, last,
                                           of, begin)

    if lost:
        refuse_early(reach, zone, first)

    short = _short(session, keys, seen, raw)

    if short and begin:
        found, seen, raw, reach, lost = _count(session, keys, zone, first,
                                               last, of, 0)
        short = _short(session, keys, seen, raw)

    notes = []
    since = (reach.since(zone) if lost
             else min(seen, default=reach.begins(zone)))

    # without --from, early days that are not whole are left out

    if short and not first:
        since = after(max(short))

        if seen and since <= max(seen) and (not last or since <= last):
            notes.append(f"days before {since} are left out: the stream does"
                         " not hold them whole")
            found = Counter({key: value for key, value in found.items()
                             if key[0] >= since})
            short = {}

    if short:
        _refuse(short)

    return found, {"from": first or since, "to": last,
                   **zone.said, "source": "events",
                   "since": since}, notes


def refuse_early(reach: Reach, zone: Zone, first: str | None) -> None:
    """Refuses a first day before the stream's begin, if entries were cut from
    it."""
    if first and first < reach.begins(zone):
        raise Problem(NEGATIVE, f"the events reach back to"
                      f" {reach.since(zone)}, as far as whole days go; from"
                      f" {first} on they cannot be counted any more (see"
                      " \"referral_events\")")


def _count(session: Session, keys: Keys, zone: Zone, first: str | None,
           last: str | None, of: Callable[[Event], Iterable[Any]], begin: int
           ) -> tuple[Counter[tuple[str, Any]], Counter[str], Counts, Reach,
                      bool]:
    """Returns counts, hits by day of the stream, hits by day of the counters,
    and whether entries were cut from the stream.  Entries of a forgotten
    person were replaced, not cut."""
    store = session.store
    days = list(between(first, min(last or "9999", after(zone.today())))
                if first and first <= after(zone.today()) else ())

    # one transaction: the counters and the end of the stream must agree

    with store.redis.pipeline(transaction=True) as pipe:
        for day in days:
            pipe.hget(keys.day(day), "raw")

        pipe.hgetall(keys.days())
        pipe.hget(keys.day(zone.today()), "raw")
        ask_reach(pipe, keys.events)
        replies = pipe.execute(raise_on_error=False)

    for reply in replies[:len(days) + 2]:
        if isinstance(reply, Exception):
            raise reply

    raw = dict(zip(days, map(count, replies)))
    raw[zone.today()] = count(replies[len(days) + 1])
    reach = read_reach(replies[-3:])
    found: Counter[tuple[str, Any]] = Counter()
    seen: Counter[str] = Counter()
    erased = 0
    day_at = zone.day_at

    with session.output.progress(reach.length) as told:
        for _, events in chunks(store, keys, reach.last, (begin, 0), told):
            for event in events:
                day = day_at(event[AT])
                erased += event[TYPE] != b"click"

                if (first and day < first) or (last and day > last):
                    continue

                seen[day] += 1

                for name in of(event):
                    found[day, name] += 1

    if first and zone.today() not in days or last and zone.today() > last:
        del raw[zone.today()]

    return (found, seen, raw, reach,
            reach.added is None or reach.gone() > erased)


def _short(session: Session, keys: Keys, seen: Mapping[str, int],
           raw: Counts) -> dict[str, tuple[int, int]]:
    """Days on which the stream and the program's counter differ: hits in the
    stream, and hits counted."""
    more = sorted(day for day in seen if day and day not in raw)
    raw.update(zip(more, map(count, session.store.fields(
        [keys.day(day) for day in more], "raw"))))

    return {day: (seen.get(day, 0), raw[day]) for day in sorted(raw)
            if seen.get(day, 0) != raw[day]}


def _refuse(short: Mapping[str, tuple[int, int]]) -> None:
    day, (held, counted) = next(iter(short.items()))
    others = len(short) - 1
    more = (f", and {several(others, 'day')} more"
            f" {'is' if others == 1 else 'are'} not whole" if others else "")

    raise Problem(NEGATIVE, f"of {day} the stream of events holds {held} of"
                  f" {several(counted, 'hit')} that"
                  f" {'was' if counted == 1 else 'were'} counted{more}: it was"
                  " cut, it was off, or the program's day is another"
                  " (--utc-offset)")
