"""A program's day: when it begins, and what day a moment is of."""

from __future__ import annotations

import os
import re
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Iterator
from zoneinfo import ZoneInfo, reset_tzpath

ONE = timedelta(days=1)

# as the module: no dots, and no other names of the same zones
NAME = re.compile(r"(?!(?:posix|right)/|(?:localtime|posixrules)$)"
                  r"[\w+-]+(?:/[\w+-]+){0,2}", re.ASCII)

if os.environ.get("TZDIR", "").startswith("/"):
    reset_tzpath([os.environ["TZDIR"]])


def find_zone(name: str) -> Zone | None:
    """The time zone of this name, if the system has one."""
    try:
        return Zone(ZoneInfo(name), name) if NAME.fullmatch(name) else None
    except (OSError, ValueError, KeyError):
        return None


def offset_zone(minutes: int) -> Zone:
    """East of UTC."""
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)

    return Zone(timezone(timedelta(minutes=minutes)),
                f"{sign}{hours:02}:{rest:02}")


class Zone:
    """A time zone or an offset from UTC, and the days that begin at its
    midnight."""

    def __init__(self, zone: tzinfo, name: str) -> None:
        self.zone = zone
        self.name = name
        self._days: dict[bytes, str] = {}

    @property
    def said(self) -> dict[str, str]:
        """For the head of an answer."""
        return {"timezone" if isinstance(self.zone, ZoneInfo)
                else "utc_offset": self.name}

    def __str__(self) -> str:
        return self.name

    def whole_hours(self, day: str) -> bool:
        """Do this day and the next one begin with an hour of UTC?"""
        return (self.begin(day) % 3600 == 0
                and self.begin(after(day)) % 3600 == 0)

    def today(self) -> str:
        return self.day_of(datetime.now(timezone.utc).timestamp())

    def day_of(self, seconds: float) -> str:
        return self.minute_of(seconds)[:10]

    def minute_of(self, seconds: float) -> str:
        when = datetime.fromtimestamp(0, timezone.utc) + timedelta(
            seconds=seconds)

        return when.astimezone(self.zone).strftime("%Y-%m-%d %H:%M")

    def begin(self, day: str) -> float:
        """The first second of the day, since the epoch."""
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=self.zone)
        first = start.timestamp()
        other = start.replace(fold=1).timestamp()

        # clocks are set forward over midnight: the day begins then

        while other < first - 1:
            middle = (first + other) // 2

            if self.day_of(middle) < day:
                other = middle
            else:
                first = middle

        return first

    def day_at(self, at: bytes) -> str:
        """The day of an event's time; empty if that is not a time."""
        minute = at[:16]
        day = self._days.get(minute)

        if day is None:
            day = self._days[minute] = self._day_at(minute)

        return day

    def _day_at(self, minute: bytes) -> str:
        try:
            when = datetime.strptime(minute.decode("ascii"), "%Y-%m-%dT%H:%M")
            return (when.replace(tzinfo=timezone.utc).astimezone(self.zone)
                    .strftime("%Y-%m-%d"))
        except (ValueError, OverflowError):
            return ""

    def hours(self, first: str, last: str) -> tuple[str, str]:
        """The first and the last hour of UTC of these days, which begin with
        one."""
        return (_hour(self.begin(first)), _hour(self.begin(after(last)) - 1))


def _hour(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(
        "%Y-%m-%dT%H")


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


def is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"[12]\d{3}-\d\d-\d\d", text, re.ASCII)
                    and datetime.strptime(text, "%Y-%m-%d"))
    except ValueError:
        return False


def is_hour(text: str) -> bool:
    day, _, hour = text.partition("T")

    return is_day(day) and bool(re.fullmatch(r"[01][0-9]|2[0-3]", hour))
