"""Money on its way to people, as the settler keeps it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .keys import Keys
from .store import Store

VALUE = re.compile(r"([0-9]{1,16}) (\S{1,8}) ([0-9]{1,19}) ([0-9]{1,16})")


@dataclass(frozen=True, slots=True)
class Payout:
    """"since" in milliseconds."""

    token: str
    owner: int
    unit: str
    amount: int
    since: int


def payout_of(token: str, value: str) -> Payout | None:
    """None: it is not understood."""
    found = VALUE.fullmatch(value)

    if not found:
        return None

    return Payout(token, int(found[1]), found[2], int(found[3]),
                  int(found[4]))


def payouts(store: Store, keys: Keys) -> list[Payout]:
    """The oldest first."""
    found = (payout_of(token, value) for token, value
             in store.redis.hgetall(keys.payouts).items())

    return sorted((one for one in found if one),
                  key=lambda one: (one.since, one.token))


def payout(store: Store, keys: Keys, token: str) -> Payout | None:
    value = store.redis.hget(keys.payouts, token)

    return payout_of(token, value) if value else None
