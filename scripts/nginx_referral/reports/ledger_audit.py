"""Is the ledger of conversions what it says it is?"""

from __future__ import annotations

import re
import time
from datetime import date
from typing import Any, Callable, Mapping

from ..store.entries import ACCOUNTS, stored
from ..store.facts import fact_of, last_number, oldest_first
from ..store.keys import REWARDED, SETTLED, Keys
from ..store.keyspace import search
from ..store.session import Session
from ..store.store import BATCH, Store, batches, count
from ..text.problem import NEGATIVE, Problem, are, several
from .audit import show_differences
from .conversion_counts import CUSTOMERS, is_conversion
from .ledger_counts import ANY, EPOCH, State, state_of
from .ledger_facts import DAY, Unread
from .ledger_model import Model
from .ledger_stream import Row, StreamCheck, read_people
from .reward_audit import RewardAudit

# a board of a day ends so many days after the day began
BOARD_DAYS = 10

# what is compared of wallets and rewards
MOVED = (*ACCOUNTS, "budget")
OF_REWARD = ("owner", "unit", "rule", "version", "granted", "state", *ACCOUNTS)

NUMBER = re.compile(r"-?[0-9]{1,30}")
DAY_AT_END = re.compile(r":(\d{4}-\d\d-\d\d)")


def audit_ledger(session: Session, keys: Keys) -> bool:
    """Shows each difference; True if there is none."""
    store = session.store
    before = last_number(store, keys)
    people = read_people(store, keys)

    # in this order: all that is settled by then, and the terms of it, stand
    # before "last"

    settled = store.redis.hgetall(keys.settled)
    last = last_number(store, keys)
    bind = store.redis.hget(keys.program, "bind") or ""
    model = ahead(store, keys, last)
    check = StreamCheck(keys, people, before, last,
                        bind.strip().lower() == "window", model.skipped)
    ledger = Ledger(session, keys, model, last)

    with session.output.progress(last) as told:
        walk(store, keys, last, count(settled.get("position")), check, ledger,
             told)

    check.finish()

    rows = [*check.rows, *ledger.compare()]

    # a fact that changes very much is written in parts
    writing = [fields.get("writing") or "" for fields in
               (settled, store.redis.hgetall(keys.settled))]

    if any("/" in parts for parts in writing):
        raise Problem(NEGATIVE, f"entry {settled.get('position')} is being"
                      " written: ask again when its settler has done so;"
                      " \"settle status\" tells how far it is")

    notes = meaning(settled, last, ledger, model)

    show_differences(session.output, {
        "program": keys.program_name, "entries": check.entries,
        "events": check.events, "settled": model.position,
        "people": len(people.persons), "ledger": ledger.rewards.entries,
        "rewards": len(ledger.rewards.rewards), "keys": ledger.keys_read,
        "values": ledger.values_read, "differences": len(rows)},
        rows, notes, "recomputed")

    return not rows


def ahead(store: Store, keys: Keys, last: int) -> Model:
    """What has to be known before the first entry: the terms of the first
    "rules", and which entries an operator went past."""
    model = Model()

    for name, fields in oldest_first(store, keys, 1, last):
        model.ahead(fact_of(name, fields))

    return model


def walk(store: Store, keys: Keys, last: int, position: int,
         check: StreamCheck, ledger: Ledger,
         told: Callable[[int], None] | None) -> None:
    """Reads the stream once, for the check of its entries and for what was
    settled of it."""
    for name, fields in oldest_first(store, keys, 0, last, told):
        if check.entry(name, fields) and fact_of(name, fields).position <= (
                position):
            ledger.fold(name, fields)


class Ledger:
    """What the settler wrote, beside what a model comes to."""

    def __init__(self, session: Session, keys: Keys, model: Model, last: int
                 ) -> None:
        self.session = session
        self.store = session.store
        self.keys = keys
        self.model = model
        self.rewards = RewardAudit(keys)
        self.taken = 0
        self.last = last
        self.stopped: Row | None = None
        self.inexact = False
        self.keys_read = 0
        self.values_read = 0

    def fold(self, name: str, fields: Mapping[str, str]) -> None:
        """Takes an entry, until one cannot be decided."""
        if self.stopped:
            return

        fact = fact_of(name, fields)

        try:
            self.model.fold(fact)

            if fact.position not in self.model.skipped:
                self.rewards.fact(fact)
        except Unread as why:
            self.stopped = [self.keys.conversions, name, str(why),
                            "an entry that can be decided", None]

    def catch_up(self, position: int) -> None:
        """Takes what was settled since, by what was appended since."""
        self.append(position)

        if self.stopped or position <= self.taken:
            return

        for name, fields in stored(self.store, self.keys, self.taken + 1,
                                   position):
            self.rewards.take(name, fields)

        self.taken = position

    def append(self, position: int) -> None:
        if position <= self.model.position or self.stopped:
            return

        last = last_number(self.store, self.keys)

        for name, fields in oldest_first(self.store, self.keys, self.last + 1,
                                         last):
            self.model.ahead(fact_of(name, fields))

        self.last = max(self.last, last)

        for name, fields in oldest_first(self.store, self.keys,
                                         self.model.position + 1, position):
            self.fold(name, fields)

    def compare(self) -> list[Row]:
        """Every key, then those that differ again, in one transaction with
        the position: the settler may be at work."""
        self.catch_up(count(self.store.redis.hget(self.keys.settled,
                                                  "position")))

        if self.stopped:
            return [self.stopped]

        rows = self.again(self.doubtful())
        self.rewards.finish()

        return [*rows, *self.beyond(), *self.rewards.rows]

    def beyond(self) -> list[Row]:
        """Entries of facts that are not settled."""
        newest = self.store.redis.xrevrange(self.keys.ledger, count=1)
        position = count(self.store.redis.hget(self.keys.settled, "position"))

        return [[self.keys.ledger, name, name, f"{position}-* or before",
                 None] for name, _ in newest
                if count(name.partition("-")[0]) > position]

    def told(self) -> State:
        """All that the settler should have written."""
        state = state_of(self.model, self.keys)

        for key, fields in self.rewards.state().items():
            state[key] = {**state.get(key, {}), **fields}

        return state

    def doubtful(self) -> list[str]:
        """The keys that differ, or were written meanwhile."""
        names = {name for found in search(
            self.store, self.keys, (*SETTLED, *REWARDED)).values()
            for name in found}
        told = self.told()
        self.inexact = any(value is ANY for fields in told.values()
                           for value in fields.values())
        wrong: set[str] = set()

        for part in batches(sorted(names | set(told)), BATCH):
            with self.store.redis.pipeline(transaction=False) as pipe:
                stands = self.read(pipe, part)[0]

            self.keys_read += len(part)
            self.values_read += sum(map(len, stands.values()))
            wrong.update(name for name in part if differences(
                name, stands[name], self.lasting(name, told)))

        return sorted(wrong)

    def again(self, wrong: list[str]) -> list[Row]:
        with self.store.redis.pipeline(transaction=True) as pipe:
            stands, position = self.read(pipe, wrong)

        self.catch_up(position)

        if self.stopped:
            return [self.stopped]

        # the stream lost its end, or Redis went back to an older state; what
        # an operator went past may be gone

        if position != self.model.position and not (
                self.model.position < position
                and position in self.model.skipped):
            return [[self.keys.settled, "position", position,
                     self.model.position, position - self.model.position]]

        told = self.told() if wrong else {}

        return [row for name in wrong
                for row in differences(name, stands[name],
                                       self.lasting(name, told))]

    def read(self, pipe: Any, names: list[str]) -> tuple[State, int]:
        for name in names:
            if self.is_board(name) or self.is_history(name):
                pipe.zrange(name, 0, -1, withscores=True)
            else:
                pipe.hgetall(name)

        pipe.hget(self.keys.settled, "position")
        *found, position = pipe.execute()

        return {name: self.ours(name, fields)
                for name, fields in zip(names, found)}, count(position)

    def is_board(self, name: str) -> bool:
        return name.startswith(self.keys.board(""))

    def is_history(self, name: str) -> bool:
        return (name.startswith(f"{self.keys.wallets}:")
                and name.endswith(":entries"))

    def ours(self, name: str, fields: Any) -> dict[str, str]:
        """The fields that the settler writes; nothing of a board that may end
        at any moment."""
        if self.is_board(name):
            return ({} if self.ends(name) else
                    {member: f"{score:.17g}" for member, score in fields})

        if self.is_history(name):
            return {member: f"{score:.17g}" for member, score in fields}

        if name.startswith(self.keys.wallets):
            return {field: value for field, value in fields.items()
                    if field.rpartition(":")[2] in MOVED and value != "0"}

        if name.startswith(self.keys.reward("")):
            return self.of_reward(fields)

        # who became a customer the entries do not tell: a replay compares it

        if name.startswith(self.keys.days_of(CUSTOMERS)):
            return {}

        of_clicks = name.startswith((self.keys.stats(), self.keys.day("")))

        return {field: value for field, value in fields.items()
                if field != CUSTOMERS
                and (not of_clicks or is_conversion(field))}

    @staticmethod
    def of_reward(fields: dict[str, str]) -> dict[str, str]:
        """What its entries tell too; nothing if nothing was given by it.
        Whether it waits for a choice or is in review they do not tell."""
        told = {field: value for field, value in fields.items()
                if field in OF_REWARD
                and (field not in ACCOUNTS or value != "0")}

        if told.keys().isdisjoint(ACCOUNTS):
            return {}

        if told.get("state") in ("choice", "review") and "pending" in told:
            told["state"] = "pending"

        return told

    def lasting(self, name: str, told: State) -> dict[str, str]:
        return ({} if self.is_board(name) and self.ends(name)
                else told.get(name, {}))

    @staticmethod
    def ends(board: str) -> bool:
        found = DAY_AT_END.fullmatch(board[-len(":2026-11-22"):])

        try:
            day = (date.fromisoformat(found[1]) - EPOCH).days if found else 0
        except ValueError:
            return False

        return bool(found) and ((day + BOARD_DAYS) * DAY
                                < (time.time() + 60) * 1000)


def differences(name: str, stands: dict[str, str], told: dict[str, str]
                ) -> list[Row]:
    """Each field that differs; numbers with their difference."""
    rows: list[Row] = []

    for field in sorted({*stands, *told}):
        is_now, should = stands.get(field), told.get(field)

        if is_now == should or should is ANY:
            continue

        numbers = [text is None or NUMBER.fullmatch(text)
                   for text in (is_now, should)]
        rows.append([name, field, is_now, should,
                     int(is_now or 0) - int(should or 0) if all(numbers)
                     else None])

    return rows


def meaning(settled: dict[str, str], last: int, ledger: Ledger, model: Model
            ) -> list[str]:
    """What could not be checked, and why."""
    notes = []
    left = last - model.position

    if ledger.stopped:
        notes.append("not checked: what is counted, since an entry cannot be"
                     " decided; nginx-referral-settle --skip goes past it")

    if not settled:
        notes.append("nothing is settled yet: is nginx-referral-settle"
                     " running?")
    elif left > 0:
        notes.append(f"{several(left, 'entry', 'entries')} {are(left)} not"
                     " settled yet")

    if settled.get("stopped"):
        notes.append(f"the settler stopped: {settled['stopped']}")

    if model.skipped:
        notes.append(f"{several(len(model.skipped), 'entry', 'entries')}"
                     f" {'was' if len(model.skipped) == 1 else 'were'}"
                     " skipped on purpose: nothing of it counts")

    if ledger.inexact:
        notes.append("not checked: scores of boards that may have been above"
                     " 2^53, where a board stops")

    unknown = ledger.rewards.caps.unknown

    if unknown:
        notes.append(f"not checked: the caps of {several(unknown, 'reward')},"
                     " of which the keys do not tell the line or the period")

    if ledger.rewards.entries:
        notes.append("not checked: tiers, badges and contests, and the chain,"
                     " which \"ledger replay\" compares")

    if last:
        notes.append("not checked: boards of days that are over for nine days,"
                     " which end, and the names of people who were forgotten")

    return notes
