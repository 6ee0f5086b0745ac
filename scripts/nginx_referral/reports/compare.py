"""What changed between two days."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..store.events import DIMENSIONS
from ..store.keys import Keys
from ..store.session import Session
from ..text.output import CSV
from ..text.problem import NEGATIVE, Problem, several
from . import counters, visitors
from .conversion_counts import DIVIDED, NUMBERS, measures, money
from .counters import MACHINES, NONE, Counts, measure, parts, whole
from .top import links_of_days

# clicks are divided by link, and then by each dimension
SECTIONS = ("class", "result", "link", *DIMENSIONS)

TOTALS = ("raw", "clicks", "visitors", "addresses", "missed", *MACHINES,
          "no_consent")


def compare_days(session: Session, keys: Keys, days: Sequence[str],
                 limit: int | None) -> None:
    """Shows two days side by side; of each section "limit" parts, or all."""
    found = counters.of_days(session.store, keys, days)
    before, after = found[days[0]], found[days[1]]

    if not before and not after:
        counters.require(session.store, keys)
        raise Problem(NEGATIVE, f"nothing was counted on {days[0]} and"
                      f" {days[1]}")

    of_links = links_of_days(session.store, keys, days)
    links = [{code: clicks[i] for code, clicks in of_links.items()}
             for i in (0, 1)]
    addresses = visitors.addresses_of(session.store, keys, days)
    rows = [["total", name, *pair] for name, *pair in totals(
        before, after, addresses)]

    # and so are leads, sales, refunds and amounts

    for section in (*SECTIONS, *(f"{what}:{by}"
                                 for what in measures([before, after])
                                 for by in DIVIDED)):
        rows.extend(moved(section, before, after, links, limit))

    show(session, keys.program_name, days, rows,
         visitors.explain(after.get("visitors", 0), addresses[-1],
                          {**after, "no_address": before.get("no_address", 0)
                           + after.get("no_address", 0)},
                          visitors.lacking(found, "no_address")))


def totals(before: Counts, after: Counts, addresses: Sequence[int]
           ) -> list[list[Any]]:
    pairs = {name: (before.get(name, 0), after.get(name, 0))
             for name in TOTALS}
    pairs["addresses"] = (addresses[0], addresses[-1])

    # amounts are in the smallest part of their unit, also for people, who
    # compare them
    pairs.update({name: (before.get(name, 0), after.get(name, 0))
                  for name in (*NUMBERS, *money([before, after]))})

    return [[name, *pair] for name, pair in pairs.items() if any(pair)]


def moved(section: str, before: Counts, after: Counts,
          links: Sequence[Mapping[str, int]], limit: int | None
          ) -> list[list[Any]]:
    """The parts of a section, the largest change first; on both days they add
    up to the section's total."""
    if section == "link":
        old, new = ({**of, NONE: whole(counts, "link") - sum(of.values())}
                    for of, counts in zip(links, (before, after)))
    else:
        old, new = parts(before, section), parts(after, section)

    names = [name for name in {**old, **new}
             if old.get(name) or new.get(name)]

    # leave out a dimension without a single known value
    if not set(names) - {NONE}:
        return []

    pairs = sorted(((name, old.get(name, 0), new.get(name, 0))
                    for name in names),
                   key=lambda row: (-abs(row[2] - row[1]), -row[2], row[0]))
    shown = pairs[:limit] if limit else pairs
    rest = pairs[len(shown):]
    rows: list[list[Any]] = [[section, *pair] for pair in shown]

    if rest:
        rows.append([section, f"({several(len(rest), 'other')})",
                     sum(pair[1] for pair in rest),
                     sum(pair[2] for pair in rest)])

    return rows


def show(session: Session, program: str, days: Sequence[str],
         rows: Sequence[Sequence[Any]], notes: Sequence[str]) -> None:
    output = session.output
    columns = ["of", "what", "before", "after", "change", "percent", "share"]
    total = {section: whole_change(rows, section)
             for section in {row[0] for row in rows} - {"total"}}
    table: list[list[Any]] = []
    last = None

    for section, what, old, new in rows:
        if output.for_people and last not in (None, section):
            table.append([None] * len(columns))

        # + 0.0 makes a negative zero positive
        share = (round(100 * (new - old) / total[section], 1) + 0.0
                 if total.get(section) else None)
        table.append([measure_of(section) if output.for_people
                      and section != last else
                      None if output.for_people else section, what, old, new,
                      new - old,
                      round(100 * (new - old) / old, 1) if old else None,
                      share])
        last = section

    output.report({"program": program, "before": days[0], "after": days[1]},
                  columns, table, (), [
                      "share: of the change of all its section, in percent;"
                      " against the trend it is negative",
                      *notes], "" if output.form == CSV else "change")


def whole_change(rows: Sequence[Sequence[Any]], section: str) -> int:
    return sum(row[3] - row[2] for row in rows if row[0] == section)


def measure_of(section: str) -> str:
    """The heading of a section, for people: what is counted, and by what."""
    return (section if section == "total"
            else f"{measure(section)} by {section.rpartition(':')[2]}")
