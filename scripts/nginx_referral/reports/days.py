"""Days, weeks and months as operators write them, in the program's zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from ..store.ctool import Rules
from ..store.keys import Keys
from ..store.session import Session
from ..store.zone import (ONE, Zone, before, find_zone, is_day,
                          offset_zone)
from ..text.problem import REFUSED, USAGE, Problem

# the usual spellings of an offset; all others are left to the C program
OFFSET = re.compile(r"Z|([+-])((?:0\d|1[0-3])(?=:)|14(?=:00)):([0-5]\d)",
                    re.ASCII)


@dataclass
class GivenZone:
    """What the options --timezone and --utc-offset say."""

    timezone: str | None
    utc_offset: str | None

    def read(self) -> Zone | None:
        """What is wrong is refused, what is not needed too."""
        offset = self._read_offset()

        if not self.timezone:
            return offset

        zone = find_zone(self.timezone)

        if not zone:
            answer = Rules().read("timezone", [self.timezone])[0]
            why = answer.get("problem", "this system has no such time zone")
            raise Problem(REFUSED, f"--timezone {self.timezone!r}: {why}")

        return zone

    def _read_offset(self) -> Zone | None:
        if not self.utc_offset:
            return None

        answer = read_offset(self.utc_offset)

        if "problem" in answer:
            raise Problem(REFUSED, f"--utc-offset {self.utc_offset!r}:"
                          f" {answer['problem']}")

        return offset_zone(answer["minutes"])


def zone_of(session: Session, keys: Keys, given: GivenZone) -> Zone:
    """The program's own zone or offset, else the one that was given, else
    UTC."""
    default = given.read()
    name, offset = session.store.redis.hmget(keys.program, "timezone",
                                             "utc_offset")
    own = find_zone(name.strip()) if name else None

    if not own and offset:
        minutes = read_offset(offset).get("minutes")
        own = None if minutes is None else offset_zone(minutes)

    return own or default or offset_zone(0)


def read_offset(text: str) -> dict[str, Any]:
    found = OFFSET.fullmatch(text)

    if not found:
        return Rules().read("offset", [text])[0]

    sign, hours, minutes = found.groups("0")
    east = int(hours) * 60 + int(minutes)

    return {"minutes": -east if sign == "-" else east}


def read_day(text: str, zone: Zone) -> str:
    if text in ("today", "yesterday"):
        return zone.today() if text == "today" else before(zone.today())

    day = find_day(text)

    if not day:
        raise Problem(REFUSED, f"{text!r} is no day like 2026-11-22, today or"
                      " yesterday")

    return day


def find_day(text: str) -> str:
    """The day in this text, as the module reads it; empty if it is not a day
    that can have counts."""
    if not is_day(text):
        text = Rules().read("day", [text])[0].get("day", "")

    return text if is_day(text) else ""


def read_week(text: str, zone: Zone) -> tuple[str, str]:
    """Monday and Sunday of the week: 2026-W47, a day in it, this or last."""
    if text in ("this", "last"):
        day = date.fromisoformat(zone.today())
        day -= 7 * ONE if text == "last" else 0 * ONE

    elif re.fullmatch(r"[12]\d{3}-W\d\d", text, re.ASCII):
        try:
            day = date.fromisocalendar(int(text[:4]), int(text[6:]), 1)
        except ValueError:
            raise Problem(REFUSED, f"there is no week {text}") from None

    else:
        found = find_day(text)

        if not found:
            raise Problem(REFUSED, f"{text!r} is no week like 2026-W47, and no"
                          " day of one")

        day = date.fromisoformat(found)

    monday = day - day.weekday() * ONE

    return monday.isoformat(), (monday + 6 * ONE).isoformat()


def read_month(text: str, zone: Zone) -> tuple[str, str]:
    if text in ("this", "last"):
        first = date.fromisoformat(zone.today()).replace(day=1)
        first = (first - ONE).replace(day=1) if text == "last" else first

    elif re.fullmatch(r"\d{4}-\d\d", text) and is_day(f"{text}-01"):
        first = date.fromisoformat(f"{text}-01")

    else:
        raise Problem(REFUSED, f"{text!r} is no month like 2026-11")

    last = (first + 31 * ONE).replace(day=1) - ONE

    return first.isoformat(), last.isoformat()


def read_range(start: str | None, end: str | None, zone: Zone
               ) -> tuple[str | None, str | None]:
    first = read_day(start, zone) if start else None
    last = read_day(end, zone) if end else None

    if first and last and first > last:
        raise Problem(USAGE, "--from is after --to")

    return first, last
