"""Wallets: what people have, in each unit and state."""

from __future__ import annotations

from typing import Any, Mapping

import click

from ..reports.counters import require
from ..reports.reward_why import RewardWhy
from ..store.entries import ACCOUNTS, Entry, of_ids
from ..store.moments import moment
from ..store.people import People, find_number
from ..store.rewards import (Reward, balances, history, levels, owners,
                             rewards_of, wallets)
from ..store.session import Session
from ..text.problem import NEGATIVE, Problem, are
from .options import Command, pass_session
from .wallet import wallet

COLUMNS = ("owner", "number", "unit", *ACCOUNTS)
ENTRIES = ("at", "reward", "amount", "moved", "why", "until")
REWARDS = ("reward", "amount", "state", "rule", "side", "friend", "due",
           "expires")

# what of a wallet's rewards is read to show the newest
ALL = 100000


@wallet.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20,
              show_default=True, help="So many entries, the newest.")
@pass_session
def show_wallet(session: Session, program: str, customer: str, limit: int
                ) -> None:
    """What somebody has, their rewards, and the last entries with the why.

    CUSTOMER is the shop's id, of a referrer the same; or u17 for number 17.
    In JSON and CSV an amount is in the smallest part of its unit.
    """
    keys = session.keys(program)
    store = session.store
    number = find_number(store, keys, customer)
    fields = store.redis.hgetall(keys.wallet(number))
    names = history(store, keys, number, ALL)

    if not fields and not names:
        raise Problem(NEGATIVE, f"{customer} has no wallet: nothing was given"
                      " to them yet")

    why = RewardWhy(session, keys)
    entries = of_ids(store, keys, names)
    mine = dict.fromkeys(entry.reward for entry in entries)
    rewards = rewards_of(store, keys, mine)
    newest = entries[:limit]
    why.learn(entry.position for entry in newest)

    answer: dict[str, Any] = {
        "program": program, "customer": why.people.known_name(number),
        "owner": f"u{number}", "tiers": since(fields, "tier"),
        "badges": since(fields, "badge")}

    if not session.output.for_people:
        session.output.record({
            **answer, "balances": balances(fields),
            "rewards": [reward_row(why, one) for one in rewards],
            "entries": [entry_row(why, one) for one in newest]})
        return

    show_for_people(session, why, {name: value for name, value
                                   in answer.items() if value},
                    fields, rewards, newest)

    if len(entries) > len(newest):
        session.output.note(f"only the newest {len(newest)} of {len(entries)}"
                            f" entries {are(len(newest))} shown; --limit says"
                            " how many")


def since(fields: Mapping[str, str], kind: str) -> dict[str, str | None]:
    return {name: moment(at) for name, at in levels(fields, kind).items()}


def show_for_people(session: Session, why: RewardWhy,
                    answer: Mapping[str, Any], fields: Mapping[str, str],
                    rewards: list[Reward], entries: list[Entry]) -> None:
    output = session.output

    output.record(answer)
    output.text()
    output.rows(("unit", *ACCOUNTS), [
        [unit, *(shown(why, sums[state], unit) for state in ACCOUNTS)]
        for unit, sums in balances(fields).items()],
        "nothing is left in the wallet")
    output.text()
    output.rows(REWARDS, [
        [one.name, why.amount(one.sum("granted"), one.text("unit")),
         one.text("state"), one.text("rule"), one.text("side"),
         why.people.name(one.number("friend")), moment(one.number("due")),
         moment(one.number("expires"))] for one in rewards],
        "no reward is kept any more")
    output.text()
    output.rows(ENTRIES, [
        [moment(one.at), one.reward, why.amount(one.amount, one.unit),
         why.moved(one), why.entry(one), why.until(one)] for one in entries],
        "no entry is kept any more")


def shown(why: RewardWhy, number: int, unit: str) -> str | None:
    return why.amount(number, unit) if number else None


def reward_row(why: RewardWhy, one: Reward) -> dict[str, Any]:
    """A reward as JSON has it."""
    told: dict[str, Any] = {"reward": one.name}

    for name in ("unit", "rule", "version", "side", "state", "prize",
                 "order"):
        told[name] = one.text(name) or None

    for name in ("granted", *ACCOUNTS):
        told[name] = one.sum(name)

    for name in ("owner", "friend", "referrer"):
        number = one.number(name)
        told[name] = why.people.name(number) or None
        told[f"{name}_number"] = None if number is None else f"u{number}"

    for name in ("born", "due", "expires", "choose"):
        told[name] = moment(one.number(name))

    told["position"] = one.number("position")

    return told


def entry_row(why: RewardWhy, one: Entry) -> dict[str, Any]:
    return {"id": one.name, "at": moment(one.at), "reward": one.reward,
            "unit": one.unit, "amount": one.amount, "from": one.source,
            "to": one.target, "rule": one.rule or None,
            "version": one.version, "due": moment(one.due),
            "expires": moment(one.expires), "word": one.why,
            "event": why.event(one.position) or None, "why": why.entry(one)}


@wallet.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--unit", metavar="UNIT", help="Only this unit, like EUR.")
@pass_session
def list_wallets(session: Session, program: str, unit: str | None) -> None:
    """What everybody has, by unit and state, and the sums of the program.

    This scans all keys.  In JSON and CSV an amount is in the smallest part of
    its unit.
    """
    keys = session.keys(program)
    store = session.store
    found = wallets(store, keys, owners(store, keys))
    total = balances(store.redis.hgetall(keys.wallets))

    if not found and not total:
        require(store, keys)

    people = People(store, keys)
    people.learn(found)
    rows: list[list[Any]] = [
        [people.name(number), f"u{number}", name, *sums.values()]
        for number, fields in found.items()
        for name, sums in balances(fields).items() if unit in (None, name)]
    totals: list[list[Any]] = [
        ["total", None, name, *sums.values()]
        for name, sums in total.items() if unit in (None, name)]

    if not session.output.for_people:
        session.output.report({"program": program, "unit": unit,
                               "total": {name: total[name] for name in total
                                         if unit in (None, name)}},
                              COLUMNS, rows)
        return

    why = RewardWhy(session, keys)
    session.output.rows(COLUMNS, [
        [*row[:3], *(shown(why, number, row[2]) for number in row[3:])]
        for row in [*rows, *totals]],
        f"program {program} has given nothing yet"
        + (f" in {unit}" if unit else ""))
