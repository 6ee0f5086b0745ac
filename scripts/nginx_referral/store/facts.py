"""The stream of conversions: entries N-0, N from 1 without a gap."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Callable, Iterator, Mapping
from urllib.parse import parse_qsl

from redis.exceptions import ResponseError

from .keys import Keys
from .store import Store

CHUNK = 1000

# digits of a number; what is longer is none of an entry
DIGITS = 19

# milliseconds by which the time of an entry may be behind what happened: the
# clocks of hosts differ
BEHIND = 86400 * 1000


@dataclass(frozen=True)
class Fact:
    """One entry; its texts as they stand there."""

    position: int
    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.fields.get(name, "")

    def number(self, name: str) -> int | None:
        """A number; None where there is none."""
        text = self.fields.get(name, "")

        return (int(text) if text.isascii() and text.isdecimal()
                and len(text) <= DIGITS else None)

    @property
    def has_id(self) -> bool:
        """Events and commands have an id; what the settler notes has none."""
        return bool(self.text("event"))

    @property
    def is_event(self) -> bool:
        """It came through nginx, which says how far it is to be trusted;
        commands about rewards have an id too."""
        return self.has_id and bool(self.text("trust"))

    def pairs(self) -> dict[str, str]:
        """The sender's own fields."""
        return dict(parse_qsl(self.text("x"), keep_blank_values=True))


def place_of(text: str) -> tuple[str, str]:
    """Where the digest of an id is filed: the end of a key, and a field of a
    hash or a member of a set.  The same as in the module."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")
                            ).hexdigest()

    return digest[:3], digest[3:25]


def at_position(store: Store, keys: Keys, position: int) -> Fact | None:
    name = f"{position}-0"
    found = store.redis.xrange(keys.conversions, name, name)

    return fact_of(*found[0]) if found else None


def find(store: Store, keys: Keys, event_id: str
         ) -> tuple[Fact | None, str | None]:
    """The entry of an event, and where in the rejects the last event stands
    that came with the same id and said something else."""
    bucket, name = place_of(event_id)
    value, reject = store.redis.hmget(keys.ids(bucket), [name, f"{name}!"])
    position = (value or "").partition(" ")[0]

    if not position.isdecimal():
        return None, reject

    return at_position(store, keys, int(position)), reject


def last_position(store: Store, keys: Keys) -> int:
    """The number of the newest entry; 0 if there is none."""
    newest = store.redis.xrevrange(keys.conversions, count=1)

    return fact_of(*newest[0]).position if newest else 0


def last_number(store: Store, keys: Keys) -> int:
    """The last number that was given, also if its entry is gone."""
    try:
        info = store.redis.xinfo_stream(keys.conversions)
    except ResponseError as error:
        if "no such key" in str(error):
            return 0
        raise

    return int(str(info["last-generated-id"]).partition("-")[0])


def newest_first(store: Store, keys: Keys, since: int | None = None,
                 told: Callable[[int], None] | None = None
                 ) -> Iterator[Fact]:
    """All entries, the newest first; with "since", a time in milliseconds, it
    ends where nothing can have happened later."""
    end = "+"

    while True:
        found = store.redis.xrevrange(keys.conversions, max=end, count=CHUNK)

        for name, fields in found:
            fact = fact_of(name, fields)
            time = fact.number("time")

            if since is not None and time is not None and (
                    time < since - BEHIND):
                return

            yield fact

        if told:
            told(len(found))

        if len(found) < CHUNK:
            return

        end = f"({found[-1][0]}"


def oldest_first(store: Store, keys: Keys, first: int, last: int,
                 told: Callable[[int], None] | None = None
                 ) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The entries of these numbers, each with its id as it stands there."""
    start = f"{first}-0"

    while True:
        found = store.redis.xrange(keys.conversions, start, str(last),
                                   count=CHUNK)

        yield from found

        if told:
            told(len(found))

        if len(found) < CHUNK:
            return

        start = f"({found[-1][0]}"


def fact_of(name: str, fields: Mapping[str, str]) -> Fact:
    return Fact(int(name.partition("-")[0]), fields)
