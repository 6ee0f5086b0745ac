"""The keys that hold a program's counts."""

from __future__ import annotations

import re

from .keys import Keys
from .store import Store

# what a key counts, by what stands after the program's name; in the order in
# which they go: a program's own first, all of a kind together
KINDS = (
    ("stats", "stats", r""),
    ("days", "days", r""),
    ("hours", "hours", r""),
    ("boards", "board", r":(referrers:)?clicks(:[0-9-]+)?"),
    ("day", "day", r":[0-9-]+"),
    ("visitors", "visitors", r":day:[0-9-]+"),
    ("addresses", "addresses", r":day:[0-9-]+"),
    ("events", "events", r""),
    ("errors", "errors", r""),
    ("links", "(?:stats|days)", r":[A-Za-z0-9_-]+"),
    ("clicks", "clicks", r":[0-9T:-]+"),
)


def search(store: Store, keys: Keys) -> dict[str, list[str]]:
    """The keys that hold counts, by kind.  All of Redis is looked through, a
    little at a time: links that were removed have counts and stand in no
    list."""
    start, name = keys.prefix, f"{{{keys.program_name}}}"
    forms = [(kind, re.compile(f"{re.escape(start)}{family}:"
                               f"{re.escape(name)}{rest}"))
             for kind, family, rest in KINDS]
    found: dict[str, set[str]] = {kind: set() for kind, _, _ in KINDS}

    for key in store.redis.scan_iter(f"{glob(start)}*:{name}*", count=1000):
        for kind, form in forms:
            if form.fullmatch(key):
                found[kind].add(key)
                break

    # what belongs to one link goes together
    return {kind: sorted(names, key=lambda key: (key.rpartition(":")[2], key))
            for kind, names in found.items() if names}


def links_by_hand(store: Store, keys: Keys, listed: set[str]) -> list[str]:
    """The codes of links that stand in no list: a hand wrote the hash only.
    All of Redis is looked through for them, a little at a time."""
    start = keys.link("")
    found = {key[len(start):] for key
             in store.redis.scan_iter(f"{glob(start)}*", count=1000,
                                      _type="HASH")}

    return sorted(found - listed - {""})


def glob(text: str) -> str:
    """The text as a pattern of Redis that means nothing but itself."""
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)
