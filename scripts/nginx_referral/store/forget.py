"""Forgetting a person: counts stay, everything that identifies the person
goes."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Iterator, Sequence

from ..text.problem import REFUSED, Problem
from .clicks import UUID7, minute_of, words_of
from .events import (ERASED, FIELDS, PLACE, TYPE, VISITOR, Event, chunks,
                     decode, reach_of)
from .keys import PERSONAL, Keys
from .keyspace import glob, programs_with
from .session import Session
from .store import BATCH, Store, batches, iso

VISITOR_ID = re.compile(r"[A-Za-z0-9_-]{16}")

CLICK_ID = PLACE["click_id"]

# how far the clock of a host may be ahead of Redis's
SKEW = 300

# no journal is kept, and so sent again, for longer
LIFE = 90 * 86400

# fields that are emptied, besides the visitor
ERASABLE = ("click_id", "first", "region", "city")

# an entry of a stream cannot be changed; it is replaced in one step, so that
# the number of entries stays
REPLACE = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
    return 0
end

redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
return 1
"""


@dataclass
class Trace:
    """What one program knows of the person."""

    touches: list[tuple[str, bytes]] = field(default_factory=list)
    events: list[tuple[bytes, Event]] = field(default_factory=list)


def read_name(text: str) -> str:
    text = text.strip()

    if UUID7.fullmatch(text.lower()):
        return text.lower()

    if not VISITOR_ID.fullmatch(text):
        raise Problem(REFUSED, f"{text!r} is neither a visitor id, which has"
                      " 16 of A-Z a-z 0-9 _ -, nor a click id, like"
                      " 019ab3c4-5d6e-7f80-9123-456789abcdef")

    return text


def look_up(session: Session, program: str | None) -> list[Keys]:
    """The programs to search, also those that are in no list."""
    if program is not None:
        return [session.keys(program)]

    store = session.store
    names = {*store.program_names(), *programs_with(store, PERSONAL)}

    return list(map(store.keys, sorted(names)))


def forget_person(store: Store, all_keys: Sequence[Keys], name: str,
                  dry_run: bool) -> dict[Keys, Trace]:
    """Takes a person out of these programs; returns what each of them had.
    The hashes are written first, so that clicks which come in meanwhile lose
    the name too."""
    names = {name}

    for keys in all_keys:
        visitor = visitor_of(store, keys, name)

        if visitor:
            names.add(visitor)
            break

    if not dry_run:
        for keys in all_keys:
            entomb(store, keys, names)

    found = {keys: trace(store, keys, names) for keys in all_keys}

    if not dry_run:
        for keys, of in found.items():
            erase(store, keys, of)

    return found


def visitor_of(store: Store, keys: Keys, name: str) -> str:
    """The visitor who made the click; empty if that is not known."""
    if not UUID7.fullmatch(name):
        return ""

    text = store.redis.hget(keys.clicks(minute_of(name)), name)

    if text:
        return words_of(name, text).get("visitor") or ""

    wanted = name.encode()

    for _, event in entries(store, keys):
        if event[CLICK_ID] == wanted and event[VISITOR]:
            return decode(event[VISITOR])

    return ""


def entries(store: Store, keys: Keys) -> Iterator[tuple[bytes, Event]]:
    reach = reach_of(store, keys)

    for names, events in chunks(store, keys, reach.last) if reach else ():
        yield from zip(names, events)


def entomb(store: Store, keys: Keys, names: set[str]) -> None:
    """Writes hashes of the ids to ref:forgotten:{p}, and drops old ones.  The
    hash of a random id tells nothing to anybody who does not have the id."""
    redis = store.redis
    now = int(redis.time()[0])
    old = iso(now - LIFE)
    over = [name for name, until in redis.hscan_iter(keys.forgotten,
                                                     count=1000)
            if until < old]

    with redis.pipeline(transaction=True) as pipe:
        for part in batches(over, BATCH):
            pipe.hdel(keys.forgotten, *part)

        pipe.hset(keys.forgotten, mapping={
            hashlib.sha1(name.encode()).hexdigest(): iso(now + SKEW)
            for name in names})
        pipe.expire(keys.forgotten, LIFE + SKEW)
        pipe.execute()


def trace(store: Store, keys: Keys, names: set[str]) -> Trace:
    wanted = {name.encode() for name in names}
    found = Trace()
    minutes = store.redis.scan_iter(f"{glob(keys.clicks(''))}*", count=1000)

    for part in batches(minutes, BATCH):
        with store.raw.pipeline(transaction=False) as pipe:
            for key in part:
                pipe.hgetall(key)

            for key, touches in zip(part, pipe.execute()):
                found.touches.extend(
                    (key, click_id) for click_id, text in touches.items()
                    if click_id in wanted
                    or not wanted.isdisjoint(text.split(b" ", 2)[1:2]))

    found.events.extend(
        (name, event) for name, event in entries(store, keys)
        if event[VISITOR] in wanted or event[CLICK_ID] in wanted)

    return found


def erase(store: Store, keys: Keys, found: Trace) -> None:
    by_key: dict[str, list[bytes]] = defaultdict(list)

    for key, click_id in found.touches:
        by_key[key].append(click_id)

    with store.raw.pipeline(transaction=False) as pipe:
        for key, click_ids in by_key.items():
            pipe.hdel(key, *click_ids)

        pipe.execute()

    replace = store.raw.register_script(REPLACE)

    for part in batches(found.events, BATCH):
        with store.raw.pipeline(transaction=False) as pipe:
            for name, event in part:
                replace(keys=[keys.events], args=[name, *nameless(event)],
                        client=pipe)

            pipe.execute()


def nameless(event: Event) -> Iterator[bytes]:
    """The fields and values of the new entry.  A person without consent had no
    visitor id, and gets none."""
    values = list(event)
    values[TYPE] = b"erased"
    values[VISITOR] = ERASED if event[VISITOR] else b""

    for name in ERASABLE:
        values[PLACE[name]] = b""

    for name, value in zip(FIELDS, values):
        yield name.encode()
        yield value
