"""Rewards and wallets as the settler keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Mapping

from .entries import ACCOUNTS
from .keys import Keys
from .keyspace import glob
from .store import Store, count

ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Reward:
    """One reward; its texts as they stand there."""

    name: str
    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.fields.get(name, "")

    def number(self, name: str) -> int | None:
        text = self.text(name)

        return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None

    def sum(self, name: str) -> int:
        return self.number(name) or 0

    @property
    def net(self) -> int:
        """What the program gave and did not take back."""
        return self.sum("granted") - self.sum("cancelled")


def reward_of(store: Store, keys: Keys, name: str) -> Reward | None:
    fields = store.redis.hgetall(keys.reward(name))

    return Reward(name, fields) if fields else None


def rewards_of(store: Store, keys: Keys, names: Iterable[str]
               ) -> list[Reward]:
    """Those that are there, in this order."""
    wanted = list(names)
    found = store.hashes([keys.reward(name) for name in wanted])

    return [Reward(name, fields) for name, fields in zip(wanted, found)
            if fields]


def all_rewards(store: Store, keys: Keys) -> list[Reward]:
    """The newest first.  This scans all keys: no list has them."""
    start = keys.reward("")
    names = {key[len(start):] for key
             in store.redis.scan_iter(f"{glob(start)}*", count=1000)}
    found = rewards_of(store, keys, sorted(filter(ID.fullmatch, names)))

    return sorted(found, key=lambda one: (-(one.number("position") or 0),
                                          one.name))


def owners(store: Store, keys: Keys) -> list[int]:
    """The numbers of those who have a wallet.  This scans all keys."""
    start = keys.wallets + ":"
    found = {key[len(start):] for key
             in store.redis.scan_iter(f"{glob(start)}*", count=1000)}

    return sorted(int(text) for text in found
                  if re.fullmatch(r"[0-9]{1,16}", text))


def wallets(store: Store, keys: Keys, numbers: Iterable[int]
            ) -> dict[int, dict[str, str]]:
    wanted = list(numbers)

    return dict(zip(wanted, store.hashes([keys.wallet(number)
                                          for number in wanted])))


def balances(fields: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Of a wallet: unit, state and sum."""
    found: dict[str, dict[str, int]] = {}

    for field, text in fields.items():
        unit, colon, state = field.partition(":")

        if colon and state in ACCOUNTS:
            found.setdefault(unit, {})[state] = count(text)

    return {unit: {state: found[unit].get(state, 0) for state in ACCOUNTS}
            for unit in sorted(found)}


def levels(fields: Mapping[str, str], kind: str) -> dict[str, int]:
    """Tiers or badges, and since when somebody has them, in milliseconds; what
    is counted by periods has its period behind the name."""
    return {field.partition(":")[2]: count(text)
            for field, text in sorted(fields.items())
            if field.startswith(f"{kind}:")}


def history(store: Store, keys: Keys, number: int, last: int | None = None
            ) -> list[str]:
    """Ids of the entries of somebody, the newest first."""
    names = store.redis.zrevrange(keys.wallet_entries(number), 0,
                                  -1 if last is None else last + 100)

    # those of one fact have one score, and then the order of texts

    return sorted(names, key=place, reverse=True)[:last]


def place(name: str) -> tuple[int, int]:
    position, _, index = name.partition("-")

    return count(position), count(index)
