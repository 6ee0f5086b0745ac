"""How many: totals, and divided by what is known of a hit."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import Any, Mapping, Sequence

from ..store.amounts import Amounts
from ..store.events import DIMENSIONS
from ..store.keys import Keys
from ..store.session import Session
from ..store.store import count
from ..store.zone import Zone, between, is_day, is_hour
from ..text.output import CSV, JSON, Output
from ..text.problem import NEGATIVE, REFUSED, USAGE, Problem, several
from . import counters, visitors
from .conversion_counts import (DAILY, DIVIDED, DIVISIBLE, amounts_of, columns,
                                divided, measures, totals, value)
from .counters import (NONE, TOTALS, Counts, falling, measure, parts, rounding,
                       shares, whole)
from .days import read_range
from .filters import Cut, totals_of
from .link_days import show_link_days

DIVISIONS = (*DIMENSIONS, "class", "result")


def counted(by: Sequence[str], code: str, dated: bool) -> bool:
    """Can counters answer this, or does it take the events?  Totals of a link
    over some days are counted in show_totals()."""
    if not by or by == ("day",):
        return True

    if len(by) == 1:
        return by[0] in DIVISIONS and not (code and dated)

    # a program's days have every division
    return (not code and len(by) == 2 and "day" in by
            and bool(set(by) & set(DIVISIONS)))


def all_stats(session: Session) -> None:
    store = session.store
    names = store.program_names()

    fields = (*TOTALS, *DIVISIBLE)

    with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hmget(store.keys(name).stats(), *fields)
        found = [list(map(count, values)) for values in pipe.execute()]

    # without a conversion anywhere as if there were none
    shown = (fields if any(any(values[len(TOTALS):]) for values in found)
             else TOTALS)

    session.output.rows(["program", *shown],
                        [[name, *values[:len(shown)]]
                         for name, values in zip(names, found)],
                        "there are no programs yet; \"nginx-referral"
                        " program set NAME --landing URL\" makes one")


def show_totals(session: Session, keys: Keys, zone: Zone, code: str,
                first: str | None, last: str | None) -> None:
    """Of all time, or of some days."""
    store = session.store
    head: dict[str, Any] = {"program": keys.program_name}
    lines: list[str] = []

    if code:
        head["code"] = code

    if code and (first or last):
        found = totals_of(session, keys, zone, code, first, last)
        head.update(found.head)

        if any(store.redis.hmget(keys.stats(code), list(DIVISIBLE))):
            found.notes.append("leads and sales of a link are counted for all"
                               " time and by day: leave out --from and --to,"
                               " or say --by day")

        show(session, keys, head, found.counts, found.notes)
        return

    if code:
        counts = counters.numbers(store.redis.hgetall(keys.stats(code)))

        if not counts:
            counters.require(store, keys, code)

        show(session, keys, head, counts, [
            "visitors: people new to the link, as their cookie tells; a return"
            " after two other links counts again"])
        return

    days = days_in(session, keys, first, last)

    if first or last:
        by_day = counters.of_days(store, keys, days)
        counts = counters.add(by_day.values())
        head.update({"from": first, "to": last})
        daily_visitors = counts.get("visitors", 0)
        # a visitor of two days is one visitor of the range; for one day the
        # exact count stays
        if len(days) > 1:
            counts["visitors"] = visitors.together(store, keys, days)
        lacking = visitors.lacking(by_day, "no_address")
    else:
        counts = counters.numbers(store.redis.hgetall(keys.stats()))
        daily_visitors = sum(counts_of(session, keys, days, "visitors"))
        lacking = []

    if not counts.get("raw"):
        counters.require(store, keys)

    addresses = sum(visitors.addresses_of(store, keys, days))
    head["days"] = len(days)
    lines = visitors.explain(daily_visitors, addresses, counts, lacking,
                             len(days) > 1)

    if (first or last) and len(days) > 1:
        lines.insert(0, "visitors of several days are estimated, within 2.5"
                     " percent; their sum by day is exact")

    show(session, keys, head, counts, lines,
         {"daily_visitors": daily_visitors, "daily_addresses": addresses})


def counts_of(session: Session, keys: Keys, days: Sequence[str],
              field: str) -> list[int]:
    return list(map(count, session.store.fields(
        [keys.day(day) for day in days], field)))


def show(session: Session, keys: Keys, head: Mapping[str, Any],
         counts: Counts, notes: Sequence[str],
         more: Mapping[str, int] | None = None) -> None:
    """Totals, then each dimension by falling count."""
    output = session.output
    shown: dict[str, Any] = {**head}
    shown.update({name: counts.get(name, 0) for name in TOTALS})
    shown.update(more or {})
    shown.update({name: counts[name] for name in counters.REMARKS
                  if counts.get(name)})
    amounts = amounts_of(session, keys)
    shown.update(totals(counts, amounts))
    ranked: dict[str, Mapping[str, Any]] = {
        **counters.divisions(counts), **converted(counts, amounts)}
    missed = {name.partition(":")[2]: value for name, value
              in counts.items() if name.startswith("missed:")}

    if missed:
        ranked["missed"] = falling(missed)

    if output.form == JSON:
        # "missed" is a total and has parts
        shown["by"] = ranked
        shown["notes"] = list(notes)

    elif output.form == CSV:
        shown.update({f"{name}:{what}": number
                      for name, values in ranked.items()
                      for what, number in values.items()})
    else:
        shown.update({heading(name): values
                      for name, values in ranked.items()})

    output.record(shown)

    if output.for_people:
        output.notes(notes)


def converted(counts: Counts, amounts: Amounts | None
              ) -> dict[str, Mapping[str, Any]]:
    """Leads, sales, refunds and amounts by every dimension that has a known
    value."""
    found: dict[str, Mapping[str, Any]] = {}

    for what in measures([counts]):
        for by in sorted(DIVIDED):
            parted = falling(divided(counts, what, by))

            if set(parted) - {NONE}:
                found[f"{what}:{by}"] = {
                    name: value({what: number}, what, amounts)
                    for name, number in parted.items()}

    return found


def heading(name: str) -> str:
    what, colon, by = name.rpartition(":")

    return f"{what} by {by}" if colon else f"by {name}"


def days_in(session: Session, keys: Keys, first: str | None,
            last: str | None) -> list[str]:
    """The days of the range on which something was counted."""
    redis = session.store.redis
    known = {day for key in (keys.days(), *map(keys.days_of, DAILY))
             for day in redis.hkeys(key) if is_day(day)}

    # days on which only machines came are in none of these
    if known or first:
        start = first or min(known)
        end = last or max([*known, start, tomorrow()])
        known.update(between(start, end) if start <= end else ())

    days = sorted(day for day in known if (not first or day >= first)
                  and (not last or day <= last))

    with redis.pipeline(transaction=False) as pipe:
        for day in days:
            pipe.exists(keys.day(day))

        return [day for day, there in zip(days, pipe.execute()) if there]


def tomorrow() -> str:
    """The latest day that has begun anywhere."""
    return f"{datetime.now(timezone.utc) + timedelta(hours=14):%Y-%m-%d}"


def head_of(keys: Keys, code: str, by: Sequence[str], first: str | None,
            last: str | None, zone: Zone) -> dict[str, Any]:
    return {"program": keys.program_name, "code": code or None,
            "by": list(by), "from": first, "to": last,
            **zone.said, "source": "counters"}


def show_days(session: Session, keys: Keys, zone: Zone, code: str,
              first: str | None, last: str | None) -> None:
    store = session.store
    found = {day: count(value) for day, value
             in store.redis.hgetall(keys.days(code)).items()
             if is_day(day)}
    head = head_of(keys, code, ["day"], first, last, zone)

    if not found:
        counters.require(store, keys, code)

    if code:
        show_link_days(session, keys, head, code, found)
        return

    days = sorted({*days_in(session, keys, first, last),
                   *(day for day in found if (not first or day >= first)
                     and (not last or day <= last))})
    by_day = counters.of_days(store, keys, days)
    addresses = visitors.addresses_of(store, keys, days)
    named = ["day", "clicks", "visitors", "addresses", "raw", "no_address",
             "unlisted"]
    rows: list[list[Any]] = [
        [day, found.get(day, 0), by_day[day].get("visitors", 0), unique,
         by_day[day].get("raw", 0), by_day[day].get("no_address", 0),
         by_day[day].get("unlisted", 0)]
        for day, unique in zip(days, addresses)]
    total: list[Any] = ["total"]
    total.extend(sum(row[i] for row in rows) for i in range(1, len(named)))
    counts = counters.add(by_day.values())
    more = columns([counts], DAILY)
    amounts = amounts_of(session, keys)
    total.extend(value(counts, name, amounts) for name in more)

    for row in rows:
        row.extend(value(by_day[row[0]], name, amounts) for name in more)

    several_days = len(days) > 1
    together = (visitors.together(store, keys, days) if several_days
                else total[2])

    session.output.report(
        {**head, "visitors": together}, [*named, *more], rows, total,
        [*(["total of visitors and addresses: who came on two days counts on"
            " both; \"visitors\" above counts them once (estimated, within"
            " 2.5 percent)"] if several_days else []),
         *visitors.explain(total[2], total[3], counts,
                           visitors.lacking(by_day, "no_address"),
                           several_days)], "clicks")


def show_hours(session: Session, keys: Keys, zone: Zone, start: str | None,
               end: str | None) -> None:
    """Clicks by hour of UTC. Days in --from and --to are the program's; if
    these do not begin on a full hour of UTC, hours must be given."""
    store = session.store

    with store.redis.pipeline(transaction=True) as pipe:
        pipe.hgetall(keys.hours)
        pipe.hgetall(keys.days())
        hours, days = map(counters.numbers, pipe.execute())

    # leave out fields that are not times, added by hand
    hours = {hour: hours[hour] for hour in filter(is_hour, hours)}
    days = {day: days[day] for day in filter(is_day, days)}

    if not hours:
        counters.require(store, keys)

    first = hour_of(start, zone, False)
    last = hour_of(end, zone, True)

    if first and last and first > last:
        raise Problem(USAGE, "--from is after --to")

    check_hours(zone, hours, days, first, last)

    rows = [[hour, hours[hour]] for hour in sorted(hours)
            if (not first or hour >= first) and (not last or hour <= last)]
    session.output.report(
        {**head_of(keys, "", ["hour"], first, last, zone),
         "since": min(hours, default=None)},
        ["hour", "clicks"], rows, ["total", sum(row[1] for row in rows)],
        ["hours are of UTC"], "clicks")


def hour_of(text: str | None, zone: Zone, at_end: bool) -> str | None:
    if not text:
        return None

    if "T" in text:
        if not is_hour(text):
            raise Problem(REFUSED, f"{text!r} is no hour like 2026-11-22T13")
        return text

    day, _ = read_range(text, None, zone)

    if not zone.whole_hours(str(day)):
        raise Problem(USAGE, f"the program's day ({zone}) begins within an"
                      " hour of UTC, and hours are kept of UTC: say hours,"
                      " like 2026-11-22T13")

    return zone.hours(str(day), str(day))[at_end]


def check_hours(zone: Zone, hours: Mapping[str, int],
                days: Mapping[str, int], first: str | None,
                last: str | None) -> None:
    """Refuses a range that is no longer whole: hours are kept 90 days."""
    if not first or not days:
        return

    oldest = min(hours, default="")

    if all(map(zone.whole_hours, days)):
        for day in sorted(days):
            start, end = zone.hours(day, day)

            if end >= first and (not last or start <= last):
                kept = sum(value for hour, value in hours.items()
                           if start <= hour <= end)

                if kept < days[day]:
                    raise Problem(NEGATIVE, f"the hours of {day} are not all"
                                  f" kept: they hold {kept} of"
                                  f" {several(days[day], 'click')}; hours are"
                                  f" kept 90 days, here since {oldest}")

    elif first < oldest and min(days) <= first[:len("2026-11-22")]:
        raise Problem(NEGATIVE, f"hours are kept since {oldest} only")


def show_parts(session: Session, keys: Keys, zone: Zone, code: str, by: str,
               first: str | None, last: str | None) -> None:
    """One division, of all time or of some days."""
    store = session.store
    notes = []

    if first or last:
        days = days_in(session, keys, first, last)
        counts = counters.add(counters.of_days(store, keys, days).values())
    else:
        counts = counters.numbers(store.redis.hgetall(keys.stats(code)))

    if not counts:
        counters.require(store, keys, code)

    column = measure(by)
    shown = falling(parts(counts, by))
    total = whole(counts, by)
    amounts = amounts_of(session, keys)
    more = {what: divided(counts, what, by) for what in measures([counts])
            if by in DIVIDED and counts.get(what)}

    # a country may have leads of an earlier day's clicks
    for names in more.values():
        shown.update(dict.fromkeys(set(names) - set(shown), 0))

    if f"fields:{by}" in counts and "other" in shown:
        notes.append("\"other\": "
                     + ("channels that were none (up to 32 of a-z 0-9 _ . -),"
                        " and " if by == "channel" else "")
                     + f"values of {by} beyond the first that a counter has"
                     " room for")

    shown = falling(shown)
    notes.extend(meaning(by, shown))
    notes.extend(rounding(list(shown.values()), total))
    session.output.report(
        head_of(keys, code, [by], first, last, zone),
        [by, column, "share", *more],
        [[name, number, share,
          *(value({what: of.get(name, 0)}, what, amounts)
            for what, of in more.items())]
         for (name, number), share
         in zip(shown.items(), shares(list(shown.values()), total))],
        ["total", total, 100.0 if total else None,
         *(value(counts, what, amounts) for what in more)], notes, column)


def show_daily(session: Session, keys: Keys, zone: Zone, by: Sequence[str],
               first: str | None, last: str | None) -> None:
    """A division of each day."""
    days = days_in(session, keys, first, last)
    found = counters.of_days(session.store, keys, days)

    if not found:
        counters.require(session.store, keys)

    what = next(name for name in by if name != "day")
    column = measure(what)
    rows = [[*((day, name) if by[0] == "day" else (name, day)), value]
            for day, counts in found.items()
            for name, value in falling(parts(counts, what)).items()]

    if by[0] != "day":
        rows.sort(key=lambda row: (row[0] == NONE, row[0], row[1]))

    session.output.report(
        head_of(keys, "", by, first, last, zone), [*by, column], rows,
        ["total", None, sum(row[-1] for row in rows)], meaning(what, {}),
        column)


def show_cut(session: Session, keys: Keys, zone: Zone, cut: Cut) -> None:
    """From the stream of events."""
    found = cut.read(session, keys, zone)
    column = cut.measure
    total = sum(found.counts.values())
    ordered = sorted_rows(cut.by, found.counts)
    rows: list[list[Any]] = [[*names, value] for names, value in ordered]
    columns = [*cut.by, column]
    sums: list[Any] = ["total", *[None] * (len(cut.by) - 1), total]

    if not cut.by:
        columns, sums, rows = ["", column], ["total", total], []

    elif len(cut.by) == 1 and cut.by[0] not in ("day", "hour"):
        columns.append("share")
        sums.append(100.0 if total else None)

        values = [row[-1] for row in rows]
        found.notes.extend(rounding(values, total))

        for row, share in zip(rows, shares(values, total)):
            row.append(share)

    session.output.report(
        {"program": keys.program_name, "code": cut.code or None,
         "by": list(cut.by),
         "where": [f"{name}={value}" for name, value in cut.filters.items()],
         **found.head},
        columns, rows, sums, found.notes, column)


def sorted_rows(by: Sequence[str], counts: Counter[tuple[str, ...]]
                ) -> list[tuple[tuple[str, ...], int]]:
    """Days and hours in order of time, the rest by falling counts."""
    def order(item: tuple[tuple[str, ...], int]) -> Any:
        names, value = item
        times = [name for kind, name in zip(by, names)
                 if kind in ("day", "hour")]

        return (times, NONE in names, -value, names)

    return sorted(counts.items(), key=order)


def meaning(by: str, divided: Mapping[str, int]) -> list[str]:
    if by == "class":
        return ["hits: everything on known links; human is clicks and"
                " missed"]

    if by == "result":
        return ["people: landing and unresolved were sent to a landing,"
                " except unresolved ones that had only the fallback"]

    if NONE in divided:
        return [f"{NONE}: clicks of which no {by} is known"]

    return []
