"""The keys that hold a program's counts."""

from __future__ import annotations

import re
from typing import Sequence

from .keys import COUNTS, Keys
from .store import Store


def search(store: Store, keys: Keys,
           kinds: Sequence[tuple[str, str, str]] = COUNTS
           ) -> dict[str, list[str]]:
    """The keys that hold counts, by kind.  This scans all keys, because links
    that were removed still have counts and are in no list."""
    start, name = keys.prefix, f"{{{keys.program_name}}}"
    forms = [(kind, re.compile(f"{re.escape(start)}{family}:"
                               f"{re.escape(name)}{rest}"))
             for kind, family, rest in kinds]
    found: dict[str, set[str]] = {kind: set() for kind, _, _ in kinds}

    for key in store.redis.scan_iter(f"{glob(start)}*:{name}*", count=1000):
        for kind, form in forms:
            if form.fullmatch(key):
                found[kind].add(key)
                break

    # the keys of one link side by side
    return {kind: sorted(names, key=lambda key: (key.rpartition(":")[2], key))
            for kind, names in found.items() if names}


def programs_with(store: Store, families: Sequence[str]) -> set[str]:
    """The names of programs that have a key of these families, whether they
    are in the list of programs or not.  This scans all keys."""
    form = re.compile(f"{re.escape(store.prefix)}(?:{'|'.join(families)})"
                      r":\{([a-z0-9_.-]{1,64})\}.*")
    names = set()

    for family in families:
        for key in store.redis.scan_iter(f"{glob(store.prefix)}{family}:{{*",
                                         count=1000):
            match = form.fullmatch(key)

            if match:
                names.add(match.group(1))

    return names


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
