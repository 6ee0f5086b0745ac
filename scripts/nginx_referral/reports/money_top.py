"""Leaderboards by leads, sales and amounts, as the settler keeps them."""

from __future__ import annotations

from typing import Any, Sequence

from ..store.amounts import Amounts
from ..store.keys import Keys
from ..store.people import People
from ..store.session import Session
from ..store.store import count
from ..text.problem import NEGATIVE, USAGE, Problem
from . import counters
from .conversion_counts import AMOUNT, units
from .counters import numbers, rounding, shares
from .top import MONTH, board, when

MEASURES = ("leads", "sales")

# days for which the board of a day is kept
KEPT = 9


def check_measure(session: Session, keys: Keys, what: str) -> None:
    """Refuses a measure of which there is no board."""
    if what in MEASURES:
        return

    known = units([numbers(session.store.redis.hgetall(keys.stats()))])
    said = ", ".join([*MEASURES, *(AMOUNT + unit for unit in known)])

    if not what.startswith(AMOUNT):
        raise Problem(USAGE, f"--of {what!r}: there are clicks, {said}")

    if what[len(AMOUNT):] not in known:
        raise Problem(NEGATIVE, f"program {keys.program_name} has no amounts"
                      f" in {what[len(AMOUNT):]}; there are {said}")


def show_money(session: Session, keys: Keys, by: str, what: str, limit: int,
               first: str | None, last: str | None, month: bool) -> None:
    """A board of links or referrers by falling leads, sales or amounts."""
    check_measure(session, keys, what)
    found = read_board(session, keys, by, what, first, last, month)
    output = session.output

    if not found:
        counters.require(session.store, keys)

    total = sum(found.values())
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    members = name_members(session, keys, by, [name for name, _
                                               in ranked[:limit]])
    percents = shares([number for _, number in ranked], total)
    amounts = (Amounts(session.rules) if output.for_people
               and what.startswith(AMOUNT) else None)
    rows: list[list[Any]] = []
    rank, previous = 0, None

    for place, ((_, number), (member, name), share) in enumerate(
            zip(ranked, members, percents), 1):
        rank = rank if number == previous else place
        previous = number
        rows.append([rank, member, name, shown(amounts, number, what), share])

    if output.for_people and rows:
        rest = sum(number for _, number in ranked[limit:])

        if rest:
            rows.append([None, "(others)", None, shown(amounts, rest, what),
                         shares([rest], total)[0]])

        rows.append([None, "total", None, shown(amounts, total, what),
                     100.0 if total else None])
        output.text(" · ".join([f"program {keys.program_name}", f"by {by}",
                                f"of {what}", *when(first, last)]))

    output.rows(["rank", "referrer" if by == "referrers" else "code", "name",
                 what, "share %" if output.for_people else "share"], rows,
                " ".join([f"no {what}", *when(first, last)]) if first
                else f"no {what} yet")

    if output.for_people and rows:
        output.notes(rounding([number for _, number in ranked], total))


def shown(amounts: Amounts | None, number: int, what: str) -> Any:
    return (number if amounts is None
            else amounts.show(number, what[len(AMOUNT):]))


def read_board(session: Session, keys: Keys, by: str, what: str,
               first: str | None, last: str | None, month: bool
               ) -> dict[str, int]:
    """The board; refused where none is kept for that time."""
    store = session.store

    if not first or not last:
        return board(store, keys.board_people(what) if by == "referrers"
                     else keys.board(what))

    if by == "referrers":
        if not month:
            raise Problem(USAGE, f"{what} of referrers are kept of all time"
                          " and by month: say --month, or neither")

        return board(store, keys.board_people(what, first[:MONTH]))

    if first != last:
        raise Problem(USAGE, f"{what} of links are kept of all time and by"
                      " day: say --day, or neither")

    found = board(store, keys.board(what, first))

    # refunds may take all of an amount
    if not found and count(store.redis.hget(keys.day(first), what)):
        raise Problem(NEGATIVE, f"the board of {first} is gone: those of days"
                      f" are kept for {KEPT} days")

    return found


def name_members(session: Session, keys: Keys, by: str,
                 found: Sequence[str]) -> list[tuple[str, str | None]]:
    """Members as people know them, with their names."""
    store = session.store

    if by != "referrers":
        return list(zip(found, store.fields(
            [keys.link(code) for code in found], "name")))

    people = People(store, keys)
    ids = [people.name(int(member)) if member.isdecimal() else member
           for member in found]

    return list(zip(ids, store.fields([keys.referrer(name) for name in ids],
                                      "name")))
