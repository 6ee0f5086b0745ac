"""Writing links and the lists that they are in.  Each batch is one
transaction, which fails if one of its links was changed since it was read."""

from __future__ import annotations

import math
import secrets
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Sequence

from redis.exceptions import WatchError

from ..text.problem import REDIS, Problem
from .keys import Keys
from .store import Store

LINK_FIELDS = ("referrer", "name", "landing", "landing_args", "rules",
               "state", "starts", "ends", "segment", "channel")

# no vowels, so that no words appear; no characters that are easily mistaken,
# in print or on the phone
ALPHABET = "cdfhjkmnprtvwxy23456789"
CODE_BITS = 40
CODE_LENGTH = math.ceil(CODE_BITS / math.log2(len(ALPHABET)))

ATTEMPTS = 20


class Mode(Enum):
    """May a link be added, changed, or either?"""

    ADD = "add"
    SET = "set"
    EITHER = "either"


class Outcome(Enum):
    ADDED = "added"
    CHANGED = "changed"
    EXISTS = "exists"
    MISSING = "missing"


@dataclass
class Change:
    """A link to write; an empty value removes the field, an empty code stands
    for a new random one."""

    code: str
    fields: dict[str, str] = field(default_factory=dict)
    created: float | None = None
    generated: bool = False


def apply(store: Store, keys: Keys, changes: Sequence[Change], mode: Mode,
          strict: bool = False, dry_run: bool = False) -> list[Outcome]:
    """Writes links, whose codes must differ; returns an outcome for each.
    "strict" stops at the first one that cannot be written."""
    make_codes(store, keys, changes)
    codes = [change.code for change in changes]

    def plan(tx: Any, before: Sequence[dict[str, str]]) -> list[Outcome]:
        outcomes = []

        for change, old in zip(changes, before):
            outcomes.append(_outcome(bool(old), mode))

            if outcomes[-1] in (Outcome.ADDED, Outcome.CHANGED):
                _write(tx, keys, change, old)
            elif strict:
                break

        if Outcome.ADDED in outcomes or Outcome.CHANGED in outcomes:
            tx.sadd(store.programs, keys.program_name)

        return outcomes

    return _transaction(store, keys, codes, plan, dry_run)


def remove(store: Store, keys: Keys, codes: Sequence[str]) -> list[bool]:
    """Removes links; returns for each whether it was there."""
    def plan(tx: Any, before: Sequence[dict[str, str]]) -> list[bool]:
        for code, old in zip(codes, before):
            tx.delete(keys.link(code))
            tx.zrem(keys.links, code)

            if old.get("referrer"):
                tx.srem(keys.referrer_links(old["referrer"]), code)

        return [bool(old) for old in before]

    return _transaction(store, keys, codes, plan, False)


def make_codes(store: Store, keys: Keys, changes: Sequence[Change]) -> None:
    """Gives a free code to each link without one."""
    taken = {change.code for change in changes if change.code}

    while True:
        lacking = [change for change in changes if not change.code]

        if not lacking:
            return

        fresh = [random_code() for _ in lacking]

        with store.redis.pipeline(transaction=False) as pipe:
            for code in fresh:
                pipe.exists(keys.link(code))
                pipe.exists(keys.stats(code))

            there = pipe.execute()

        for i, (change, code) in enumerate(zip(lacking, fresh)):
            if code not in taken and not (there[2 * i] or there[2 * i + 1]):
                change.code = code
                change.generated = True
                taken.add(code)


def random_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def _outcome(there: bool, mode: Mode) -> Outcome:
    if there:
        return Outcome.EXISTS if mode is Mode.ADD else Outcome.CHANGED

    return Outcome.MISSING if mode is Mode.SET else Outcome.ADDED


def _write(tx: Any, keys: Keys, change: Change, old: dict[str, str]) -> None:
    key = keys.link(change.code)
    given = {name: value for name, value in change.fields.items() if value}
    gone = [name for name, value in change.fields.items() if not value]

    if gone and old:
        tx.hdel(key, *gone)

    # a hash without fields would be no link
    if not old or (gone and "state" not in given):
        tx.hsetnx(key, "state", "active")

    if given:
        tx.hset(key, mapping=given)

    if change.created is not None:
        tx.zadd(keys.links, {change.code: change.created})
    else:
        tx.zadd(keys.links, {change.code: int(time.time())}, nx=True)

    # the lists are brought up to date, also for a hash that was written by
    # hand
    if "referrer" in change.fields:
        before = old.get("referrer")

        if before and before != change.fields["referrer"]:
            tx.srem(keys.referrer_links(before), change.code)

    referrer = change.fields.get("referrer", old.get("referrer"))

    if referrer:
        tx.sadd(keys.referrer_links(referrer), change.code)


def _transaction(store: Store, keys: Keys, codes: Sequence[str],
                 plan: Callable[[Any, Sequence[dict[str, str]]], list[Any]],
                 dry_run: bool) -> list[Any]:
    """Runs the plan on the present links, in a transaction."""
    names = [keys.link(code) for code in codes]

    for _ in range(ATTEMPTS):
        with store.redis.pipeline() as tx:
            if names:
                tx.watch(*names)

            # over another connection, all at once; a change after WATCH makes
            # the transaction fail
            before = list(store.hashes(names))

            tx.multi()
            outcomes = plan(tx, before)

            if dry_run:
                return outcomes

            try:
                tx.execute()
            except WatchError:
                continue

            return outcomes

    raise Problem(REDIS, "others keep changing the same links; nothing of"
                  " this step was written; try again")
