"""Events of a file as the facts that the stream of a program would have: what
"rewards try" decides on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Iterable, Iterator, Mapping, Sequence

from ..text.input import Input, read_lines
from ..text.problem import REFUSED, Problem, near
from ..text.sheet import csv_lines
from .event_rows import EXTRA, NUMBERS, FIELDS, parse
from .zone import Zone

# what a file says beside the fields of an event: what nginx finds out, and
# what an operator or the shop does with rewards
MORE = ("referrer", "referrer_segment", "channel", "variant", "region",
        "known", "signals", "arrives", "owner", "token", "ttl",
        "order_amount", "least", "cap", "state", "reason", "reward", "prize", "item")
COLUMNS = FIELDS + MORE

EVENTS = ("lead", "sale", "refund", "update", "cancel")
COMMANDS = ("reserve", "commit", "release", "adjust", "choose", "payout",
            "paid", "failed", "forget", "approve", "reject")

DAY = timedelta(days=1)
YEARS = 11


@dataclass
class People:
    """Customers and referrers are one kind: a number each."""

    numbers: dict[str, int] = field(default_factory=dict)
    bound: dict[str, tuple[str, str]] = field(default_factory=dict)

    def number(self, name: str) -> str:
        return str(self.numbers.setdefault(name, len(self.numbers) + 1))

    def names(self) -> dict[str, str]:
        return {str(number): name for name, number in self.numbers.items()}


def read_events(file: Input) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a file with their numbers: JSON lines, or CSV whose first
    line names the columns."""
    lines = list(read_lines(file))
    first = next((line for line in lines if line.strip()), "")

    if first.lstrip("\ufeff \t").startswith("{"):
        for number, text in enumerate(lines, 1):
            if text.strip():
                value, reason = parse(text.lstrip("\ufeff"))

                if value is None:
                    raise wrong(number, reason)

                yield number, {name: plain(number, name, one) for name, one
                               in value.items() if one is not None}
        return

    for line in csv_lines(lines, (*COLUMNS, "x.KEY"), is_column):
        if line.reason:
            raise wrong(line.number, line.reason)

        yield line.number, {name: str(value).strip() for name, value
                            in line.values.items() if str(value).strip()}


def is_column(name: str) -> bool:
    return name in COLUMNS or bool(EXTRA.fullmatch(name))


def plain(number: int, name: str, value: Any) -> str:
    if not is_column(name):
        raise wrong(number, f"there is no field \"{name}\""
                    + near(name, COLUMNS))

    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)

    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise wrong(number, f"\"{name}\" is a text or a whole number")

    return str(value)


def wrong(number: int, reason: str) -> Problem:
    return Problem(REFUSED, f"line {number}: {reason}")


class Facts:
    """Makes facts of lines, in the order in which they arrive."""

    def __init__(self, text: str, zone: Zone, signals: Sequence[str]) -> None:
        self.zone = zone
        self.signals = signals
        self.text = text
        self.people = People()
        self.events: list[str] = []

    def all(self, rows: Iterable[tuple[int, dict[str, str]]],
            until: str | None) -> list[dict[str, str]]:
        timed = [(self.when(number, row, "arrives") or self.when(number, row,
                                                                 "at"),
                  number, row) for number, row in rows]

        for when, number, _ in timed:
            if when is None:
                raise wrong(number, "\"at\" is missing: when it happened,"
                            " like 2026-11-27T10:30")

        ordered = sorted(timed, key=lambda one: one[0] or 0)
        first = (ordered[0][0] if ordered else None) or 0
        facts = [self.rules(first)]

        taken: set[str] = set()

        for when, number, row in ordered:
            facts.append(self.fact(when or 0, number, row))
            event = row.get("event_id", f"line {number}")

            # nginx takes an id once

            if event in taken:
                raise wrong(number, f"another line has the \"event_id\""
                            f" {event!r}")

            taken.add(event)
            self.events.append(event)

        if until is not None:
            end = self.moment(until)

            if end is None:
                raise Problem(REFUSED, f"--until {until!r} is no moment; right"
                              " is 2026-12-31 or 2026-12-31T12:00")

            last = int(facts[-1]["time"])
            facts.append({"type": "tick", "time": str(max(end, last))})

        return facts

    def when(self, number: int, row: Mapping[str, str], name: str
             ) -> int | None:
        if name not in row:
            return None

        ms = self.moment(row[name])

        if ms is None:
            raise wrong(number, f"\"{name}\" is no moment: {row[name]!r};"
                        " right is 2026-11-27T10:30 or"
                        " 2026-11-27T10:30:00+01:00")

        return ms

    def moment(self, text: str) -> int | None:
        """In milliseconds; without an offset in the program's zone."""
        try:
            when = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        except ValueError:
            return None

        if when.tzinfo is None:
            when = when.replace(tzinfo=self.zone.zone)

        return int(when.timestamp() * 1000)

    def rules(self, first: int) -> dict[str, str]:
        return {"type": "rules", "time": str(first), "version": "1",
                "text": self.text, "window": "34560000", "late": "34560000",
                "transitions": transitions(self.zone, first),
                "seed": hashlib.sha256(self.text.encode()).hexdigest()[:32]}

    def fact(self, arrives: int, number: int, row: dict[str, str]
             ) -> dict[str, str]:
        kind = row.get("type", "")

        if not kind:
            raise wrong(number, "\"type\" is missing: lead, sale, refund,"
                        " update, cancel, or a word of your own")

        self.check(number, row)

        at = self.when(number, row, "at")
        fact = {"type": kind, "event": row.get("event_id", f"line{number}"),
                "time": str(arrives), "at": str(arrives if at is None else at)}

        if kind in COMMANDS:
            return {**fact, **self.command(number, kind, row)}

        return {**fact, **self.event(number, kind, row, fact["at"])}

    def check(self, number: int, row: Mapping[str, str]) -> None:
        for name in (*NUMBERS, "order_amount", "ttl"):
            value = row.get(name, "0")

            if not value.isascii() or not value.isdigit() or len(value) > 15:
                raise wrong(number, f"\"{name}\" is a whole number, of the"
                            f" smallest part of the unit: not {value!r}")

        unit = row.get("currency", "")

        if (len(unit) == 3 and unit.isalpha() and not unit.isupper()
                and f"{unit}/" not in self.text):
            raise wrong(number, "\"currency\" is written in capitals, like"
                        f" EUR: not {unit!r}")

        for signal in filter(None, row.get("signals", "").split(",")):
            if signal not in self.signals:
                raise wrong(number, f"there is no signal {signal!r}"
                            + near(signal, self.signals))

    def command(self, number: int, kind: str, row: Mapping[str, str]
                ) -> dict[str, str]:
        said = {name: row[name] for name in
                ("amount", "token", "ttl", "order_amount", "cap", "state",
                 "reason", "reward", "prize", "item") if name in row}

        if "currency" in row:
            said["unit"] = row["currency"]

        if "order_id" in row:
            said["order"] = row["order_id"]

        if "owner" in row:
            said["owner"] = self.people.number(row["owner"])

        if kind in ("approve", "reject"):
            if "customer" not in row:
                raise wrong(number, f"{kind} needs \"customer\": the friend")

            said["friend"] = self.people.number(row["customer"])

        return said

    def event(self, number: int, kind: str, row: Mapping[str, str],
              at: str) -> dict[str, str]:
        customer = row.get("customer", "")

        if not customer and (kind not in EVENTS[2:] or "order_id" not in row):
            raise wrong(number, "\"customer\" is missing: who did it")

        said = {"given": "1", "trust": "signed", "via": "none",
                "referrer_state": "active", "program_state": "active",
                "known": "1" if row.get("known") in ("1", "yes")
                or row.get("new") == "0" else "0", "self": "0"}

        for name, other in (("order", "order_id"), ("amount", "amount"),
                            ("unit", "currency"),
                            ("refunded", "total_refunded"),
                            ("quantity", "quantity"), ("product", "product"),
                            ("role", "role"), ("segment", "segment"),
                            ("place", "country"), ("region", "region"),
                            ("city", "city"),
                            ("channel", "channel"), ("variant", "variant"),
                            ("signals", "signals"),
                            ("referrer_segment", "referrer_segment")):
            if other in row:
                said[name] = row[other]

        if "order_at" in row:
            said["order_at"] = str(self.when(number, row, "order_at"))

        if "parties" in row:
            said["parties"] = ",".join(map(self.people.number,
                                           row["parties"].split(",")))

        said["x"] = "&".join(f"{name[2:]}={quote(value)}" for name, value
                             in row.items() if EXTRA.fullmatch(name))

        if customer:
            said["friend"] = self.people.number(customer)
            said["who"] = hashlib.sha256(customer.encode()).hexdigest()[:16]
            said.update(self.credit(customer, row, at))

        return said

    def credit(self, customer: str, row: Mapping[str, str], at: str
               ) -> dict[str, str]:
        """The first event that names a referrer binds the friend."""
        found = self.people.bound.get(customer)
        via = "bound"

        if found is None:
            code = row.get("code", row.get("referrer", ""))
            referrer = row.get("referrer", code)

            if not referrer:
                return {}

            if referrer == customer:
                return {"self": "1"}

            found = self.people.bound[customer] = referrer, code
            via = "code"

        referrer, code = found

        return {"via": via, "referrer": self.people.number(referrer),
                "referrer_who":
                    hashlib.sha256(referrer.encode()).hexdigest()[:16],
                "code": code, "click_at": at}


def quote(text: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum()
                                               or char in "_.~-")
                   else "".join(f"%{byte:02X}" for byte in char.encode())
                   for char in text)


def transitions(zone: Zone, first: int) -> str:
    """The zone's offsets as a fact has them, from 400 days before."""
    start = datetime.fromtimestamp(first // 1000, timezone.utc) - 400 * DAY
    found = [(start, offset(zone, start))]

    for _ in range(400 + YEARS * 366):
        low, high = start, start + DAY

        if offset(zone, high) != offset(zone, low):
            before = offset(zone, low)

            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = ((middle, high) if offset(zone, middle) == before
                             else (low, middle))

            high = high.replace(microsecond=0)
            found.append((high, offset(zone, start + DAY)))

        start += DAY

    return ",".join(f"{int(when.timestamp()) * 1000}:{minutes}"
                    for when, minutes in found
                    if when.timestamp() >= 0)


def offset(zone: Zone, when: datetime) -> int:
    shift = when.astimezone(zone.zone).utcoffset() or timedelta(0)

    return int(shift.total_seconds() // 60)


def dump(facts: Iterable[Mapping[str, str]]) -> bytes:
    """A line for each, as a dump of a stream has them."""
    return b"".join(
        json.dumps([f"{number}-0",
                    [one for pair in fact.items() for one in pair]],
                   ensure_ascii=False).encode() + b"\n"
        for number, fact in enumerate(facts, 1))
