"""Friends in review, as the settler keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .keys import Keys
from .store import Store

VALUE = re.compile(r"([0-9]{1,16}) ([0-9]{1,6}) (-|[0-9]{1,16})"
                   r" (approve|wait) ([a-z_,]*)")


@dataclass(frozen=True, slots=True)
class Review:
    """Times in milliseconds; "ends" is None where nothing ends it by itself,
    "approves" is what its end does: otherwise it only reminds."""

    friend: int
    since: int
    score: int
    ends: int | None
    approves: bool
    signals: tuple[str, ...]


def review_of(friend: str, value: str) -> Review | None:
    """None: it is not understood."""
    found = VALUE.fullmatch(value)

    if not found or not re.fullmatch(r"[0-9]{1,16}", friend):
        return None

    return Review(int(friend), int(found[1]), int(found[2]),
                  None if found[3] == "-" else int(found[3]),
                  found[4] == "approve",
                  tuple(filter(None, found[5].split(","))))


def reviews(store: Store, keys: Keys) -> list[Review]:
    """What ends first comes first, then what began first."""
    found = (review_of(friend, value) for friend, value
             in store.redis.hgetall(keys.review).items())

    return sorted((one for one in found if one),
                  key=lambda one: (one.ends is None, one.ends or 0, one.since,
                                   one.friend))


def review(store: Store, keys: Keys, friend: int) -> Review | None:
    value = store.redis.hget(keys.review, str(friend))

    return review_of(str(friend), value) if value else None
