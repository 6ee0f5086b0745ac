"""The ledger: entries N-i, each of which moves an amount of one reward from
one account of its owner to another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Iterator, Mapping

from ..text.problem import REDIS, Problem
from .keys import Keys
from .store import BATCH, Store, batches

CHUNK = 1000

# accounts of an owner, and the program's own, which everything comes from
ACCOUNTS = ("pending", "available", "reserved", "spent", "expired",
            "cancelled", "written_off")
BUDGET = "budget"

ID = re.compile(r"([0-9]{1,16})-([0-9]{1,9})")
NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; times in milliseconds, None where there is none."""

    position: int
    index: int
    reward: str
    owner: int
    unit: str
    source: str
    target: str
    amount: int
    rule: str
    version: str
    at: int
    due: int | None
    expires: int | None
    why: str

    @property
    def name(self) -> str:
        return f"{self.position}-{self.index}"


def read_entry(name: str, fields: Mapping[str, str]) -> Entry:
    """ValueError, whose text names the field that is wrong."""
    found = ID.fullmatch(name)

    if not found:
        raise ValueError("id")

    return Entry(
        int(found[1]), int(found[2]), _word(fields, "reward"),
        _number(fields, "owner"), _word(fields, "unit"),
        _word(fields, "from"), _word(fields, "to"),
        _number(fields, "amount"), fields.get("rule", ""),
        fields.get("version", ""), _number(fields, "at"),
        _moment(fields, "due"), _moment(fields, "expires"),
        fields.get("why", ""))


def _word(fields: Mapping[str, str], name: str) -> str:
    text = fields.get(name, "")

    if not text:
        raise ValueError(name)

    return text


def _number(fields: Mapping[str, str], name: str) -> int:
    text = fields.get(name, "")

    if not NUMBER.fullmatch(text):
        raise ValueError(name)

    return int(text)


def _moment(fields: Mapping[str, str], name: str) -> int | None:
    return _number(fields, name) if fields.get(name) else None


def stored(store: Store, keys: Keys, first: int = 0, last: int | None = None
           ) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The entries of these facts, the oldest first, as they stand there."""
    start, end = f"{first}-0", "+" if last is None else str(last)

    while True:
        found = store.redis.xrange(keys.ledger, start, end, count=CHUNK)

        yield from found

        if len(found) < CHUNK:
            return

        start = f"({found[-1][0]}"


def entries(store: Store, keys: Keys) -> Iterator[Entry]:
    """All of them, the oldest first."""
    for name, fields in stored(store, keys):
        yield understood(keys, name, fields)


def of_ids(store: Store, keys: Keys, names: Iterable[str]) -> list[Entry]:
    """Those of these ids that are there."""
    found: list[Entry] = []

    for part in batches(names, BATCH):
        with store.redis.pipeline(transaction=False) as pipe:
            for name in part:
                pipe.xrange(keys.ledger, name, name)

            for answer in pipe.execute():
                found.extend(understood(keys, *one) for one in answer)

    return found


def understood(keys: Keys, name: str, fields: Mapping[str, str]) -> Entry:
    try:
        return read_entry(name, fields)
    except ValueError as error:
        raise Problem(REDIS, f"entry {name} of {keys.ledger} is damaged: its"
                      f" \"{error}\" is wrong; \"nginx-referral ledger audit"
                      f" {keys.program_name}\" finds what else is") from None
