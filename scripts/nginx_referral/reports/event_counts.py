"""Counts from the events of a stream, by day and by link."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Iterator, Sequence

from ..store.events import (AT, CLASS, CODE, DIMENSION_PLACES, ERASED,
                            REFERRER, RESULT, TYPE, VISITOR, Event, hit_fields,
                            is_click)
from ..store.zone import Zone

Fields = Counter[bytes]


class EventCounts:
    """Counts of events from which every counter can be recomputed."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.erased = 0

        # (day, code, class, result, click?, unknown?) and (day, code, value)
        self.hits: Counter[tuple[str, bytes, bytes, bytes, bool, bool]]
        self.hits = Counter()
        self.values: dict[bytes, Counter[tuple[str, bytes, bytes]]]
        self.values = {name: Counter() for name, _ in DIMENSION_PLACES}

        self.hours: Fields = Counter()
        self.referrers: Counter[tuple[str, bytes]] = Counter()
        self.visitors: dict[str, set[bytes]] = defaultdict(set)
        self.nameless: Counter[str] = Counter()

    def add(self, events: Sequence[Event]) -> None:
        """Adds events, a whole column at a time: there may be a million of
        them."""
        day_at = self.zone.day_at
        days = [day_at(event[AT]) for event in events]
        clicks = list(map(is_click, events))

        self.erased += sum(event[TYPE] != b"click" for event in events)
        self.hits.update(
            (day, event[CODE], event[CLASS], event[RESULT], click,
             not event[VISITOR])
            for day, event, click in zip(days, events, clicks))

        pairs = [(day, event) for day, event, click
                 in zip(days, events, clicks) if click]

        if not pairs:
            return

        days = [day for day, _ in pairs]
        columns = list(zip(*(event for _, event in pairs)))
        codes = columns[CODE]

        for name, place in DIMENSION_PLACES:
            self.values[name].update(zip(days, codes, columns[place]))

        self.hours.update(at[:13] for at in columns[AT])
        self.referrers.update(zip(days, columns[REFERRER]))

        for day, visitor in zip(days, columns[VISITOR]):
            if visitor == ERASED:
                self.nameless[day] += 1
            elif visitor:
                self.visitors[day].add(visitor)

    def fields(self) -> Iterator[tuple[str, bytes, bytes, int]]:
        """What each day's, and each link's, statistics must hold: day, code,
        field and number."""
        for (day, code, kind, result, click, unknown), n in self.hits.items():
            for field in hit_fields(kind, result, click, unknown):
                yield day, code, field, n

        for name, values in self.values.items():
            for (day, code, value), n in values.items():
                if value:
                    yield day, code, b"%s:%s" % (name, value), n

    def clicks(self) -> Iterator[tuple[str, bytes, int]]:
        """Clicks by day and link: day, code and number."""
        for (day, code, _, _, click, _), n in self.hits.items():
            if click:
                yield day, code, n
