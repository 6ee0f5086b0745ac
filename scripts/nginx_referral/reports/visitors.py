"""Visitors and addresses: two counts of people that err on different sides."""

from __future__ import annotations

from typing import Mapping, Sequence

from ..store.keys import Keys
from ..store.store import Store
from ..text.problem import are, several
from .counters import Counts, uniques

# a note explains a count that is this many times the other
FAR = 1.5


def addresses_of(store: Store, keys: Keys, days: Sequence[str]) -> list[int]:
    """Addresses of each day, as estimated."""
    return uniques(store, [keys.addresses(day) for day in days])


def together(store: Store, keys: Keys, days: Sequence[str]) -> int:
    """Visitors of all these days together, one of two days counted once."""
    return int(store.redis.pfcount(*map(keys.visitors, days))) if days else 0


def explain(visitors: int, addresses: int,
            counts: Mapping[str, int], days: Sequence[str] = (),
            on_many: bool = False) -> list[str]:
    """Notes on what the two counts mean, and what is in neither."""
    lines = [
        "visitors: browsers, told apart by the cookie; one that refuses"
        " cookies is a new visitor with every click",
        "addresses: pairs of client address and browser, told apart by a hash"
        " whose key changes daily; equal phones behind one address are one"
        + ("; who comes on two days counts on both" if on_many else "")]

    if addresses and visitors > FAR * addresses:
        lines.append(f"{several(visitors, 'visitor')} at"
                     f" {several(addresses, 'address', 'addresses')}: many"
                     " people behind few addresses (a carrier, an office), or"
                     " clients that refuse cookies")

    elif visitors and addresses > FAR * visitors:
        lines.append(f"{several(addresses, 'address', 'addresses')} of"
                     f" {several(visitors, 'visitor')}: browsers that move"
                     " between networks")

    missing = counts.get("no_address", 0)
    unlisted = counts.get("unlisted", 0)
    without = counts.get("no_consent", 0)

    if missing:
        lines.append(f"{several(missing, 'click')} {are(missing)} in no count"
                     " of addresses: there was no salt, because Redis could"
                     " not be asked"
                     + (f" ({', '.join(days)})" if days else ""))

    if unlisted:
        lines.append(f"{several(unlisted, 'click')} counted without an entry"
                     " in the list of clicks: too many of one address in one"
                     " minute; \"nginx-referral click\" does not find"
                     f" {'it' if unlisted == 1 else 'them'}")

    if without:
        lines.append(f"{several(without, 'hit')} of people without consent"
                     f" {are(without)} in neither")

    return lines


def lacking(days: Mapping[str, Counts], field: str) -> list[str]:
    return [day for day, counts in days.items() if counts.get(field)]
