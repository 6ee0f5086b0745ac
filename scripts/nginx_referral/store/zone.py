"""A program's day: when it begins, and what day a moment is of."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import Iterator

ONE = timedelta(days=1)


class Zone:
    """An offset from UTC, in minutes, east positive, and the days that begin
    at its midnight."""

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
        """The day of an event's time; empty if that is not a time."""
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
        """The first and the last hour of UTC of these days; only for an offset
        of whole hours."""
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
