"""The ledger for the books: its entries, and a balance sheet by day."""

from __future__ import annotations

from typing import Any

from ..store.entries import ACCOUNTS, BUDGET, Entry, entries
from ..store.keys import Keys
from ..store.moments import moment
from ..store.people import People
from ..store.session import Session
from ..store.zone import Zone

COLUMNS = ("id", "at", "reward", "owner", "number", "unit", "from", "to",
           "amount", "rule", "version", "due", "expires", "why")

# what the program still owes: what it may have to pay
OWED = ("pending", "available", "reserved")

SHEET = ("day", "unit", "opening", "granted", "spent", "expired", "cancelled",
         "written_off", "closing", *OWED)

PART = 1000


def export_entries(session: Session, keys: Keys, as_lines: bool) -> None:
    """All entries, the oldest first, in CSV or as a line of JSON each."""
    output = session.output
    people = People(session.store, keys)
    part: list[Entry] = []

    def flush() -> None:
        people.learn(entry.owner for entry in part)

        for entry in part:
            values = exported(entry, people)

            if as_lines:
                output.line(dict(zip(COLUMNS, values)))
            else:
                output.csv_safe_row(values)

        part.clear()

    if not as_lines:
        output.csv_safe_row(COLUMNS)

    for entry in entries(session.store, keys):
        part.append(entry)

        if len(part) == PART:
            flush()

    flush()


def exported(entry: Entry, people: People) -> list[Any]:
    return [entry.name, moment(entry.at), entry.reward,
            people.known_name(entry.owner), f"u{entry.owner}", entry.unit,
            entry.source, entry.target, entry.amount, entry.rule or None,
            entry.version, moment(entry.due), moment(entry.expires),
            entry.why]


def balance_sheet(found: list[Entry], zone: Zone) -> list[list[Any]]:
    """A row for each day on which something moved, and each unit.  "opening"
    and "closing" are what the program owes; what was granted, and what was
    written off of what had been spent, less what was spent, expired and
    cancelled, is the difference."""
    days: dict[tuple[str, str], list[Entry]] = {}

    for entry in found:
        days.setdefault((entry.unit, zone.day_of(entry.at / 1000)),
                        []).append(entry)

    rows: list[list[Any]] = []
    sums: dict[str, dict[str, int]] = {}

    for unit, day in sorted(days):
        stands = sums.setdefault(unit, dict.fromkeys(ACCOUNTS, 0))
        before = dict(stands)
        granted = 0

        for entry in days[unit, day]:
            stands[entry.target] += entry.amount

            if entry.source == BUDGET:
                granted += entry.amount
            else:
                stands[entry.source] -= entry.amount

        rows.append([day, unit, owed(before), granted,
                     *(stands[name] - before[name] for name in
                       ("spent", "expired", "cancelled")),
                     before["written_off"] - stands["written_off"],
                     owed(stands), *(stands[name] for name in OWED)])

    return sorted(rows, key=lambda row: (row[0], row[1]))


def owed(sums: dict[str, int]) -> int:
    return sum(sums[name] for name in OWED)


def show_sheet(session: Session, keys: Keys, zone: Zone, as_lines: bool
               ) -> None:
    output = session.output
    rows = balance_sheet(list(entries(session.store, keys)), zone)

    if as_lines:
        for row in rows:
            output.line(dict(zip(SHEET, row)))
        return

    output.csv_safe_row(SHEET)

    for row in rows:
        output.csv_safe_row(row)
