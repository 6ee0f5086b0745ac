"""What Python's zoneinfo says of every time zone of this system, for timezones.c
to compare: a line is NAME KIND ARGUMENT ANSWER, both numbers in seconds.  Of
names with the same content one is asked about all, the others about little.

    offset  of an instant
    next    the first change after an instant
    first   the first instant of a local time, or the end of the gap it is in
    last    the last instant of it, or the second before the gap ends
"""

import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, available_timezones

DAY = 86400
YEAR = 366 * DAY
START = datetime(1970, 1, 1, tzinfo=timezone.utc)
NAIVE = datetime(1970, 1, 1)

random.seed(int(sys.argv[1]))

# names of others, which a zone of a program cannot be
NAMES = sorted(available_timezones() - {"localtime", "posixrules"})


def at(zone: ZoneInfo, seconds: int) -> int:
    when = (START + timedelta(seconds=seconds)).astimezone(zone)
    offset = when.utcoffset()
    assert offset is not None

    return offset.days * DAY + offset.seconds


def change(zone: ZoneInfo, low: int, high: int) -> int:
    """The first second at which the offset is no longer that of "low"."""
    offset = at(zone, low)

    while high - low > 1:
        middle = (low + high) // 2

        if at(zone, middle) == offset:
            low = middle
        else:
            high = middle

    return high


def changes(zone: ZoneInfo) -> list[int]:
    """From 1970 to 2040; none lasts less than four days."""
    found = []
    offset = at(zone, 0)

    for seconds in range(4 * DAY, 70 * YEAR, 4 * DAY):
        now = at(zone, seconds)

        if now != offset:
            found.append(change(zone, seconds - 4 * DAY, seconds))
            offset = now

    return found


def instant(zone: ZoneInfo, local: int, last: bool) -> int:
    """By what zoneinfo says of a local time with either fold."""
    naive = NAIVE + timedelta(seconds=local)
    both = sorted((naive.replace(tzinfo=zone, fold=fold)
                   .astimezone(timezone.utc) - START) // timedelta(seconds=1)
                  for fold in (0, 1))
    real = [seconds for seconds in both
            if seconds + at(zone, seconds) == local]

    if real:
        return real[-1] if last else real[0]

    # no clock shows it: it lies in the gap between the two

    end = change(zone, both[0], both[1])

    return end - 1 if last else end


def content(name: str) -> bytes:
    return next((Path(path) / name).read_bytes() for path in TZPATH
                if (Path(path) / name).is_file())


def check(name: str, known: bool) -> None:
    zone = ZoneInfo(name)
    found = [] if known else changes(zone)
    lines: list[tuple[str, int, int]] = []

    for n, moment in enumerate(found):
        before = found[n - 1] if n else 1

        lines.append(("next", random.randrange(before, moment), moment))

        for seconds in (moment - 1, moment, moment + 1):
            lines.append(("offset", seconds, at(zone, seconds)))

        for around in (moment - 1, moment):
            local = around + at(zone, around)

            for seconds in (local, local + 1,
                            local + random.randrange(-9000, 9000)):
                if seconds > DAY:
                    lines.append(("first", seconds,
                                  instant(zone, seconds, False)))
                    lines.append(("last", seconds,
                                  instant(zone, seconds, True)))

    for _ in range(6 if known else 60):
        seconds = random.randrange(DAY, random.choice((60, 130, 8000)) * YEAR)

        lines.append(("offset", seconds, at(zone, seconds)))
        lines.append(("first", seconds, instant(zone, seconds, False)))
        lines.append(("last", seconds, instant(zone, seconds, True)))

    for kind, seconds, answer in lines:
        print(name, kind, seconds, answer)


SEEN: set[bytes] = set()

for each in NAMES:
    text = content(each)
    check(each, text in SEEN)
    SEEN.add(text)
