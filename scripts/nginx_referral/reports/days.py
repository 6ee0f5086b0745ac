"""The program's days: what is a day, a week, a month, and when they begin."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any, Iterator

import click

from ..cli.options import Session
from ..store.ctool import Rooms
from ..store.store import Keys
from ..text.problem import REFUSED, USAGE, Problem

ONE = timedelta(days=1)

# as nearly all write it; how else it may be written the module knows
OFFSET = re.compile(r"Z|([+-])((?:0\d|1[0-3])(?=:)|14(?=:00)):([0-5]\d)",
                    re.ASCII)


class Zone:
    """Whose midnight ends a day; east is positive, in minutes."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes
        self._days: dict[bytes, str] = {}

    @property
    def whole_hours(self) -> bool:
        return self.minutes % 60 == 0

    def __str__(self) -> str:
        sign = "-" if self.minutes < 0 else "+"
        hours, minutes = divmod(abs(self.minutes), 60)

        return f"{sign}{hours:02}:{minutes:02}"

    def today(self) -> str:
        return self.day_of(datetime.now(timezone.utc).timestamp())

    def day_of(self, seconds: float) -> str:
        when = datetime.fromtimestamp(0, timezone.utc) + timedelta(
            seconds=seconds, minutes=self.minutes)

        return when.strftime("%Y-%m-%d")

    def begin(self, day: str) -> float:
        """The first second of the day, since the epoch."""
        start = datetime.strptime(day, "%Y-%m-%d").replace(
            tzinfo=timezone.utc)

        return (start - timedelta(minutes=self.minutes)).timestamp()

    def day_at(self, at: bytes) -> str:
        """The day of an event, by its time; empty for what is none."""
        minute = at[:16]
        day = self._days.get(minute)

        if day is None:
            day = self._days[minute] = self._day_at(minute)

        return day

    def _day_at(self, minute: bytes) -> str:
        try:
            when = datetime.strptime(minute.decode("ascii"), "%Y-%m-%dT%H:%M")
            return (when + timedelta(minutes=self.minutes)).strftime(
                "%Y-%m-%d")
        except (ValueError, OverflowError):
            return ""

    def hours(self, first: str, last: str) -> tuple[str, str]:
        """The hours of UTC that such days are made of; only in a zone of
        whole hours."""
        return (_hour(self.begin(first)), _hour(self.begin(after(last)) - 1))


def _hour(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(
        "%Y-%m-%dT%H")


def zone_option(command: Any) -> Any:
    return click.option(
        "--utc-offset", metavar="+HH:MM", envvar="REFERRAL_UTC_OFFSET",
        show_envvar=True,
        help="What nginx's referral_utc_offset says, for a program whose own"
        " utc_offset does not.")(command)


def zone_of(session: Session, keys: Keys, given: str | None) -> Zone:
    """The program's own, else what was told of nginx's configuration."""
    own = session.store.redis.hget(keys.program, "utc_offset")
    answers = [read_offset(text) for text in (own, given) if text]

    if given and "problem" in answers[-1]:
        raise Problem(REFUSED, f"--utc-offset {given!r}:"
                      f" {answers[-1]['problem']}")

    return Zone(next((answer["minutes"] for answer in answers
                      if "minutes" in answer), 0))


def read_offset(text: str) -> dict[str, Any]:
    found = OFFSET.fullmatch(text)

    if not found:
        return Rooms().read("offset", [text])[0]

    sign, hours, minutes = found.groups("0")
    east = int(hours) * 60 + int(minutes)

    return {"minutes": -east if sign == "-" else east}


def after(day: str) -> str:
    return (date.fromisoformat(day) + ONE).isoformat()


def before(day: str) -> str:
    return (date.fromisoformat(day) - ONE).isoformat()


def between(first: str, last: str) -> Iterator[str]:
    day = date.fromisoformat(first)
    end = date.fromisoformat(last)

    while day <= end:
        yield day.isoformat()
        day += ONE


def read_day(text: str, zone: Zone) -> str:
    if text in ("today", "yesterday"):
        return zone.today() if text == "today" else before(zone.today())

    day = find_day(text)

    if not day:
        raise Problem(REFUSED, f"{text!r} is no day like 2026-11-22, today or"
                      " yesterday")

    return day


def find_day(text: str) -> str:
    """The day that is written here, as the module reads it; empty for what
    is none that there are counts of."""
    if not is_day(text):
        text = Rooms().read("day", [text])[0].get("day", "")

    return text if is_day(text) else ""


def read_week(text: str, zone: Zone) -> tuple[str, str]:
    """Monday to Sunday; of a day, or 2026-W47, or this or last."""
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


def is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"[12]\d{3}-\d\d-\d\d", text, re.ASCII)
                    and datetime.strptime(text, "%Y-%m-%d"))
    except ValueError:
        return False


def is_hour(text: str) -> bool:
    day, _, hour = text.partition("T")

    return is_day(day) and bool(re.fullmatch(r"[01][0-9]|2[0-3]", hour))
