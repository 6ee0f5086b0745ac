"""When days of time zones begin, by Python's zoneinfo.

    midnights.py TIME ZONE...

For each zone a line: its name, then DAY=FIRST:LAST of the days in a good year
after TIME on which clocks are set, of July 1, and of the third day from now;
FIRST and LAST are its first and its last second since 1970.
"""

import sys
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

now = int(sys.argv[1])


def begins(zone: ZoneInfo, day: date) -> int:
    """No clock of a zone is set around midnight in the year that is asked for
    but those that are set at midnight itself."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


for name in sys.argv[2:]:
    zone = ZoneInfo(name)
    first = datetime.fromtimestamp(now, timezone.utc).astimezone(zone).date()
    days = [first + timedelta(days=n) for n in range(3, 380)]
    said = [name]

    for day in days:
        start = begins(zone, day)
        end = begins(zone, day + timedelta(days=1))

        if end - start != 86400 or day == days[0] or (day.month,
                                                      day.day) == (7, 1):
            said.append(f"{day}={start}:{end - 1}")

    print(*said)
