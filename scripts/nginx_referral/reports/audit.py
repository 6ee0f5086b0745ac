"""Do the counters agree with the events?"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from ..store.events import CHOSEN, Reach, decode, need
from ..store.keys import Keys
from ..store.session import Session
from ..store.store import Store
from ..store.zone import Zone, is_day
from ..text.output import Output
from ..text.problem import NEGATIVE, Problem, several
from . import counters
from .counters import Counts, numbers
from .event_counts import EventCounts
from .snapshot import Snapshot, is_complete, recount, take

# how many values of a dimension that requests choose a hash counts
ROOM = 500
ROOM_LINK = 50

HOURS_DAYS = 89
BOARD_DAYS = 9
HOUR = 3600
UNIQUES_DAYS = 399

# four standard deviations of a HyperLogLog's estimate
ESTIMATE = 0.0325
SHOWN = 50

# fields that cannot be recomputed from events
UNTOLD = ("visitors", "no_address", "unlisted")


@dataclass
class Findings:
    checked: int = 0
    keys: set[str] = field(default_factory=set)
    rows: list[list[Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def number(self, key: str, name: str, counted: int, told: int,
               most: int | None = None) -> None:
        """Compares a counter with what the events add up to; with "most"
        anything from "told" up to it agrees."""
        self.checked += 1
        self.keys.add(key)

        if not told <= counted <= (told if most is None else most):
            self.rows.append([key, name, counted, told, counted - told])

    def numbers(self, key: str, counted: Mapping[str, int],
                told: Mapping[str, int], names: Iterable[str] | None = None
                ) -> None:
        for name in sorted(names if names is not None
                           else {*counted, *told}):
            self.number(key, name, counted.get(name, 0), told.get(name, 0))


def audit_program(session: Session, keys: Keys, zone: Zone, first: str | None
                  ) -> bool:
    """Compares, and shows each difference; True if there is none."""
    counters.require(session.store, keys)
    snapshot = take(session.store, keys, zone)

    need(snapshot.reach, keys.program_name)

    ours, links = recount(session, keys, zone, snapshot)
    complete = is_complete(keys, snapshot, ours)
    since = first_day(zone, snapshot.reach, complete, first)

    findings = Findings()
    days = check_program(findings, session.store, keys, zone, snapshot, ours,
                         since, complete and not first)
    check_links(findings, keys, snapshot, links, since,
                complete and not first)
    tell_limits(findings, session.store, keys, days, since, complete, first)

    show(session, {"program": keys.program_name, **zone.said,
                   "from": days[0] if days else since,
                   "to": days[-1] if days else None,
                   "totals": "checked" if complete and not first
                   else "not checked",
                   "events": sum(sum(counts.hits.values())
                                 for counts in ours),
                   "keys": len(findings.keys), "numbers": findings.checked,
                   "differences": len(findings.rows)}, findings)

    return not findings.rows


def first_day(zone: Zone, reach: Reach, complete: bool, first: str | None
              ) -> str:
    since = "" if complete else reach.since(zone)

    if first and first < since:
        raise Problem(NEGATIVE, f"the events reach back to {since}, as far as"
                      f" whole days go; from {first} on nothing can be"
                      " recomputed")

    return max(since, first or "")


def check_program(findings: Findings, store: Store, keys: Keys, zone: Zone,
                  snapshot: Snapshot, ours: Sequence[EventCounts], since: str,
                  totals: bool) -> list[str]:
    """Returns the days that were checked."""
    known = snapshot.known
    told: dict[str, Counts] = defaultdict(Counter)
    clicks: dict[str, Counts] = defaultdict(Counter)
    referrers: dict[str, Counts] = defaultdict(Counter)
    hours: Counts = Counter()

    for part in ours:
        for day, _, name, n in part.fields():
            told[day][decode(name)] += n

        for day, code, n in part.clicks():
            clicks[day][decode(code)] += n

        for (day, name), n in part.referrers.items():
            referrers[day][decode(name)] += n

        for hour, n in part.hours.items():
            hours[decode(hour)] += n

    prefix = keys.day("")
    days = sorted(day for day in
                  {*told, *(name[len(prefix):] for name in known
                            if name.startswith(prefix)),
                   *known.get(keys.days(), {})}
                  if is_day(day) and day >= since)

    reset = zone_day(store, keys, zone)

    for day in days:
        counted = numbers(known.get(keys.day(day), {}))

        compare_statistics(findings, keys.day(day), counted, told[day], ROOM)
        compare_visitors(findings, keys.day(day), counted, ours, day,
                         day <= reset)

    counted = numbers(known.get(keys.days(), {}))
    findings.numbers(keys.days(), counted,
                     {day: sum(clicks[day].values()) for day in days},
                     [*days, *(day for day in counted if not is_day(day))])

    check_hours(findings, keys, zone, known, hours, since)
    check_boards(findings, keys, zone, known, clicks, referrers, days, since,
                 totals)
    check_uniques(findings, store, keys, zone, ours, days)

    if totals:
        counted = numbers(known.get(keys.stats(), {}))
        compare_statistics(findings, keys.stats(), counted,
                           counters.add(told.values()), ROOM)
        compare_visitors(findings, keys.stats(), counted, ours, "",
                         bool(reset))

    return days


def zone_day(store: Store, keys: Keys, zone: Zone) -> str:
    """The day on which the counts were reset; empty if they never were."""
    text = store.redis.get(keys.reset)

    return zone.day_at(text.encode()) if text else ""


def compare_statistics(findings: Findings, key: str, counted: Counts,
                       told: Mapping[str, int], room: int) -> None:
    """Compares a hash of statistics; values above its cap are in "other"."""
    told = dict(told)
    names = {name for name in {*counted, *told}
             if name not in UNTOLD and not name.startswith("fields:")}

    for dimension in CHOSEN:
        other = f"{dimension}:other"
        start = f"{dimension}:"
        opened = [name for name in counted
                  if name.startswith(start) and name != other]

        findings.number(key, f"fields:{dimension}",
                        counted.get(f"fields:{dimension}", 0), len(opened))

        if len(opened) < room:
            continue

        for name in [name for name in told if name.startswith(start)
                     and name != other and name not in counted]:
            told[other] = told.get(other, 0) + told.pop(name)
            names.discard(name)
            names.add(other)

    findings.numbers(key, counted, told, names)


def compare_visitors(findings: Findings, key: str, counted: Counts,
                     ours: Sequence[EventCounts], day: str, after_reset: bool
                     ) -> None:
    """Compares visitors of a day, or of all time.  A forgotten person may be
    one more; a visitor from before a reset is not new after it."""
    seen: set[bytes] = set()
    nameless = 0

    for part in ours:
        if day:
            seen |= part.visitors.get(day, set())
            nameless += part.nameless[day]
        else:
            seen.update(*part.visitors.values())
            nameless += sum(part.nameless.values())

    found = counted.get("visitors", 0)
    told = len(seen)

    if after_reset:
        told = min(told, found)

    findings.number(key, "visitors", found, told, told + nameless)


def check_hours(findings: Findings, keys: Keys, zone: Zone,
                known: Mapping[str, Mapping[str, Any]], told: Counts,
                since: str) -> None:
    """Compares the hours of whole days, except old ones that are about to
    expire."""
    oldest = zone.day_of(time.time() - HOURS_DAYS * 86400)
    start = hour_from(zone.begin(max(since, oldest)))
    counted = numbers(known.get(keys.hours, {}))

    findings.numbers(keys.hours, counted, told,
                     [hour for hour in {*counted, *told} if hour >= start])


def hour_from(seconds: float) -> str:
    """The first hour that begins at this time or later."""
    whole = -(-seconds // 3600) * 3600

    return time.strftime("%Y-%m-%dT%H", time.gmtime(whole))


def check_boards(findings: Findings, keys: Keys, zone: Zone,
                 known: Mapping[str, Mapping[str, Any]],
                 clicks: Mapping[str, Counts],
                 referrers: Mapping[str, Counts], days: Sequence[str],
                 since: str, totals: bool) -> None:
    now = time.time()

    # when a day's board expires is computed with the offset of a click, which
    # may differ from that at the beginning of the day

    for day in days:
        if now < zone.begin(day) + BOARD_DAYS * 86400 - HOUR:
            key = keys.board_clicks(day)
            findings.numbers(key, numbers(known.get(key, {})),
                             clicks.get(day, {}))

    start = keys.board_referrers("")
    months = {day[:7] for day in days} | {
        name[len(start):] for name in known if name.startswith(start)}

    for month in sorted(months):
        if f"{month}-01" < since:
            continue

        key = keys.board_referrers(month)
        findings.numbers(key, numbers(known.get(key, {})), counters.add(
            of for day, of in referrers.items() if day[:7] == month))

    if totals:
        for key, by_day in ((keys.board_clicks(), clicks),
                            (keys.board_referrers(), referrers)):
            findings.numbers(key, numbers(known.get(key, {})),
                             counters.add(by_day.values()))


def check_uniques(findings: Findings, store: Store, keys: Keys, zone: Zone,
                  ours: Sequence[EventCounts], days: Sequence[str]) -> None:
    """Compares the estimated visitors of each day, within the error of the
    estimate."""
    oldest = zone.day_of(time.time() - UNIQUES_DAYS * 86400)
    days = [day for day in days if day > oldest and day != zone.today()]
    estimates = counters.uniques(store, [keys.visitors(day) for day in days])

    for day, estimate in zip(days, estimates):
        seen: set[bytes] = set()
        seen.update(*(part.visitors.get(day, ()) for part in ours))
        nameless = sum(part.nameless[day] for part in ours)
        slack = int(len(seen) * ESTIMATE) + 2

        findings.checked += 1
        findings.keys.add(keys.visitors(day))

        if not -slack <= estimate - len(seen) <= slack + nameless:
            findings.rows.append([keys.visitors(day), "about", estimate,
                                  len(seen), estimate - len(seen)])


def check_links(findings: Findings, keys: Keys, snapshot: Snapshot,
                links: Sequence[EventCounts], since: str, totals: bool
                ) -> None:
    known = snapshot.known
    days: dict[str, Counts] = defaultdict(Counter)
    told: dict[str, Counts] = defaultdict(Counter)

    for part in links:
        for day, code, n in part.clicks():
            if day >= since:
                days[decode(code)][day] += n

        if totals:
            for _, code, name, n in part.fields():
                told[decode(code)][decode(name)] += n

    for link in sorted({*days, *codes_in(snapshot, keys.days())}):
        key = keys.days(link)
        counted = numbers(known.get(key, {}))
        findings.numbers(key, counted, days[link],
                         [day for day in {*counted, *days[link]}
                          if day >= since])

    for link in sorted({*told, *codes_in(snapshot, keys.stats())}
                       if totals else ()):
        key = keys.stats(link)
        compare_statistics(findings, key, numbers(known.get(key, {})),
                           told[link], ROOM_LINK)


def codes_in(snapshot: Snapshot, start: str) -> set[str]:
    """The codes of links that have a key with this prefix."""
    return {key[len(start) + 1:] for key in snapshot.limits
            if key.startswith(f"{start}:")}


def tell_limits(findings: Findings, store: Store, keys: Keys,
                days: Sequence[str], since: str, complete: bool,
                first: str | None) -> None:
    """Adds notes about what could not be checked."""
    notes = findings.notes

    if not complete:
        notes.append("not checked: totals of all time, of the program and of"
                     " its links, boards of all time, and days before"
                     f" {since}: the stream was cut, and does not hold all of"
                     " them any more")
    elif first:
        notes.append(f"not checked: totals of all time, days before {first}")

    notes.append("not checked: visitors of a link, addresses, no_address and"
                 " unlisted: the events do not tell them")

    if store.redis.exists(keys.settled):
        notes.append("not checked: what is counted of conversions, which no"
                     " event of a click tells")

    if store.redis.exists(keys.reset):
        notes.append(f"the counts were reset at {store.redis.get(keys.reset)}:"
                     " up to then, who came again was no new visitor")

    refused = store.redis.xlen(keys.errors)

    if refused:
        notes.append(f"Redis refused {several(refused, 'operation')} or more:"
                     f" see {keys.errors}")

    if not days:
        notes.append("the stream holds no whole day yet")


def show(session: Session, head: Mapping[str, Any], findings: Findings
         ) -> None:
    show_differences(session.output, head, findings.rows, findings.notes,
                     "from events" if session.output.for_people
                     else "events")


def show_differences(output: Output, head: Mapping[str, Any],
                     rows: Sequence[Sequence[Any]], notes: Sequence[str],
                     told: str) -> None:
    """What is counted and what it should be, "told" by something else."""
    columns = ["key", "field", "counted", told, "difference"]

    if not output.for_people:
        output.report(head, columns, rows, (), notes)
        return

    if rows:
        output.report(head, columns, rows[:SHOWN], (), [
            *([f"and {len(rows) - SHOWN} more: --csv has all of them"]
              if len(rows) > SHOWN else []), *notes])
        return

    output.record(head)
    output.text()
    output.text("no difference")

    if not output.quiet:
        for note in notes:
            output.text(note)
