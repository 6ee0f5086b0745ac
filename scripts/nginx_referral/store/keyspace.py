"""The keys that hold a program's counts."""

from __future__ import annotations

import re

from .keys import Keys
from .store import Store

# kinds of keys: name, family, and what follows the program's name; in the
# order in which "reset" removes them
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
    """The keys that hold counts, by kind.  This scans all keys, because links
    that were removed still have counts and are in no list."""
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

    # the keys of one link side by side
    return {kind: sorted(names, key=lambda key: (key.rpartition(":")[2], key))
            for kind, names in found.items() if names}


def links_by_hand(store: Store, keys: Keys, listed: set[str]) -> list[str]:
    """The codes of links that are in no list, because only their hash was
    written, by hand.  This scans all keys."""
    start = keys.link("")
    found = {key[len(start):] for key
             in store.redis.scan_iter(f"{glob(start)}*", count=1000,
                                      _type="HASH")}

    return sorted(found - listed - {""})


def glob(text: str) -> str:
    """The text as a pattern for Redis that matches this text only."""
    return re.sub(r"([\\*?\[\]^-])", r"\\\1", text)
