"""The counters of a program's clicks at one moment, and the events up to that
moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Sequence

from ..store.events import (CODE, Reach, ask_reach, chunks, decode, place_of,
                            reach_of, read_reach)
from ..store.keys import Keys
from ..store.keyspace import search
from ..store.session import Session
from ..store.store import Store, batches, count
from ..store.zone import Zone
from .conversion_counts import without
from .event_counts import EventCounts

LINKS = 200

Place = tuple[int, int]


@dataclass
class Snapshot:
    """The counters to check, each with the last entry of the stream at the
    moment when it was read."""

    reach: Reach
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    limits: dict[str, Place] = field(default_factory=dict)


def take(store: Store, keys: Keys, zone: Zone) -> Snapshot:
    """Reads the counters of the program in one transaction with the end of the
    stream, and those of links likewise, by the hundred: a batch of clicks is
    in the counters and in the stream, or in neither."""
    early = reach_of(store, keys)
    snapshot = Snapshot(early)

    if not early:
        return snapshot

    found = search(store, keys)
    names = found.get("links", [])

    for part in batches(names, LINKS):
        with store.redis.pipeline(transaction=True) as pipe:
            for name in part:
                pipe.hgetall(name)

            ask_reach(pipe, keys.events)
            replies = answers(pipe)
            last = read_reach(replies[-3:]).last

        for name, fields in zip(part, replies):
            snapshot.known[name] = without(fields)
            snapshot.limits[name] = last

    hashes = [name for kind in ("stats", "days", "hours", "day")
              for name in found.get(kind, [])]
    boards = found.get("boards", [])
    today = keys.day(zone.today())

    if today not in hashes:
        hashes.append(today)

    with store.redis.pipeline(transaction=True) as pipe:
        for name in hashes:
            pipe.hgetall(name)

        for name in boards:
            pipe.zrange(name, 0, -1, withscores=True)

        ask_reach(pipe, keys.events)
        replies = answers(pipe)

    late = read_reach(replies[-3:])
    snapshot.known.update(zip(hashes, map(without, replies)))
    snapshot.known.update(zip(boards, map(dict, replies[len(hashes):-3])))
    snapshot.limits[""] = late.last
    snapshot.reach = late

    # for a link that had no key
    snapshot.limits["new"] = early.last

    return snapshot


def answers(pipe: Any) -> list[Any]:
    """The replies; an error is raised, except for a stream that does not
    exist."""
    replies = pipe.execute(raise_on_error=False)

    for reply in replies[:-3]:
        if isinstance(reply, Exception):
            raise reply

    return list(replies)


def recount(session: Session, keys: Keys, zone: Zone, snapshot: Snapshot
            ) -> tuple[list[EventCounts], list[EventCounts]]:
    """Counts the events for the program's counters, and for those of links.
    Events up to the earliest limit are counted once for both."""
    shared, ours, links = (EventCounts(zone) for _ in range(3))
    common = min(snapshot.limits.values())
    total = snapshot.limits[""]

    with session.output.progress(snapshot.reach.length) as told:
        for names, events in chunks(session.store, keys, total, (0, 0), told):
            if not names or place_of(names[-1]) <= common:
                shared.add(events)
                continue

            places = list(map(place_of, names))
            shared.add([event for place, event in zip(places, events)
                        if place <= common])
            rest = [(place, event) for place, event in zip(places, events)
                    if place > common]
            ours.add([event for _, event in rest])
            links.add([event for place, event in rest
                       if place <= limit_of(snapshot, keys,
                                            decode(event[CODE]))])

    return [shared, ours], [shared, links]


def limit_of(snapshot: Snapshot, keys: Keys, code: str) -> Place:
    limits = snapshot.limits

    return limits.get(keys.stats(code),
                      limits.get(keys.days(code), limits["new"]))


def is_complete(keys: Keys, snapshot: Snapshot, ours: Sequence[EventCounts]
                ) -> bool:
    """Does the stream hold every event there ever was?  Entries of a forgotten
    person were replaced, not cut."""
    reach = snapshot.reach
    erased = sum(part.erased for part in ours)

    if reach.added is None:
        return (count(snapshot.known.get(keys.stats(), {}).get("raw"))
                == sum(sum(part.hits.values()) for part in ours))

    return reach.gone() == erased
