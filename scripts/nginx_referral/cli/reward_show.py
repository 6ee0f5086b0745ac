"""Rewards: what was given to whom, for what, and what became of it."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from ..reports.counters import require
from ..reports.reward_why import RewardWhy
from ..store.entries import ACCOUNTS, Entry, of_ids
from ..store.keys import Keys
from ..store.moments import moment
from ..store.people import find_number
from ..store.rewards import ID, Reward, all_rewards, history, reward_of
from ..store.session import Session
from ..text.problem import NEGATIVE, REFUSED, Problem, are
from .options import Choice, Command, pass_session
from .reward import reward
from .wallet_show import ALL, entry_row, reward_row, shown

STATES = ("choice", "review", *ACCOUNTS, "denied")

COLUMNS = ("reward", "owner", "unit", "granted", "state", "rule", "version",
           "side", "friend", "order", "position", "born", "due", "expires")
SHOWN = ("born", "reward", "owner", "amount", "state", "rule", "side",
         "friend", "due", "expires")
ENTRIES = ("at", "amount", "moved", "why", "until")


@reward.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--state", type=Choice(STATES), help="Only in this state.")
@click.option("--owner", metavar="CUSTOMER",
              help="Only of this one: an id, or u17 for a number.")
@click.option("--rule", metavar="RULE", help="Only by this rule.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=100,
              show_default=True, help="The newest so many.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@pass_session
def list_rewards(session: Session, program: str, state: str | None,
                 owner: str | None, rule: str | None, limit: int,
                 everything: bool) -> None:
    """Rewards, the newest first.  This scans all keys.

    A reward that was used in part has the state of what is left of it.  In
    JSON and CSV an amount is in the smallest part of its unit.
    """
    keys = session.keys(program)
    wanted = {name: text for name, text in (
        ("state", state), ("rule", rule),
        ("owner", str(find_number(session.store, keys, owner))
         if owner is not None else None)) if text is not None}
    every = all_rewards(session.store, keys)

    if not every:
        require(session.store, keys)

    matches = (one for one in every
               if all(one.text(name) == text for name, text in wanted.items()))
    found = list(matches if everything else islice(matches, limit + 1))
    more = not everything and len(found) > limit
    del found[limit if more else len(found):]

    show(session, keys, found, bool(wanted))

    if more:
        session.output.note(f"only the newest {len(found)} {are(len(found))}"
                            " shown; --all shows all")


def show(session: Session, keys: Keys, found: list[Reward], narrowed: bool
         ) -> None:
    why = RewardWhy(session, keys)
    why.people.learn(one.number(name) for one in found
                     for name in ("owner", "friend", "referrer"))

    if session.output.for_people:
        session.output.rows(SHOWN, [
            [moment(one.number("born")), one.name, why.owner(one),
             why.amount(one.sum("granted"), one.text("unit")),
             one.text("state"), one.text("rule"), one.text("side"),
             why.people.name(one.number("friend")), moment(one.number("due")),
             moment(one.number("expires"))] for one in found],
            f"program {keys.program_name} has no rewards"
            + (" like these" if narrowed else " yet"))
        return

    told = [reward_row(why, one) for one in found]
    session.output.rows(COLUMNS, [[row[name] for name in COLUMNS]
                                  for row in told])


@reward.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="REWARD")
@pass_session
def show_reward(session: Session, program: str, name: str) -> None:
    """All that is kept of a reward: what it stands by, and each entry's why.

    REWARD is its id, 16 hexadecimal digits; "reward list" shows them.
    """
    keys = session.keys(program)
    store = session.store

    if not ID.fullmatch(name):
        raise Problem(REFUSED, f"{name!r} is no reward's id: 16 of 0-9 a-f")

    one = reward_of(store, keys, name)

    if one is None:
        raise Problem(NEGATIVE, f"program {program} has no reward {name};"
                      f" \"nginx-referral reward list {program}\" shows those"
                      " that there are")

    why = RewardWhy(session, keys)
    entries = entries_of(session, keys, one)
    why.learn([one.number("position"), *(entry.position
                                         for entry in entries)])
    row = reward_row(why, one)
    event = why.event(one.number("position")) or None

    if not session.output.for_people:
        session.output.record({"program": program, **row, "event": event,
                               "entries": [entry_row(why, entry)
                                           for entry in entries]})
        return

    unit = one.text("unit")
    told: dict[str, Any] = {name: row[name] for name in row
                            if row[name] not in (None, 0) and name != "unit"}
    told.update({name: shown(why, one.sum(name), unit)
                 for name in ("granted", *ACCOUNTS)})
    session.output.record({"program": program, **told, "event": event})
    session.output.text()
    session.output.rows(ENTRIES, [
        [moment(entry.at), why.amount(entry.amount, entry.unit),
         why.moved(entry), why.entry(entry), why.until(entry)]
        for entry in entries], "it has no entry: nothing was given by it")


def entries_of(session: Session, keys: Keys, one: Reward) -> list[Entry]:
    """The oldest first; they are in the list of its owner's."""
    names = history(session.store, keys, one.number("owner") or 0, ALL)
    found = of_ids(session.store, keys, reversed(names))

    return [entry for entry in found if entry.reward == one.name]
