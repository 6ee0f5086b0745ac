"""The counts and records that a model comes to, as they stand in Redis."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

from ..store.keys import Keys
from .conversion_counts import AMOUNT
from .ledger_facts import Credit
from .ledger_model import Friend, Model, Order

WORDS = ("country", "channel", "variant", "device", "segment")
MONTH = len("2026-11")
EPOCH = date(1970, 1, 1)

# the score of a board that may have been above what a sorted set counts
# exactly: it stops there, and what is taken back is taken from that.  It is
# this object, and no text that an event may have.
ANY = "above 2^53"
EXACT = 1 << 53

State = dict[str, dict[str, str]]


def day_name(day: int) -> str:
    return (EPOCH + timedelta(day)).isoformat()


class Counts:
    """Adds up what friends and orders count."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.sums: dict[str, dict[str, int]] = defaultdict(
            lambda: defaultdict(int))
        self.gross: dict[str, dict[str, int]] = defaultdict(
            lambda: defaultdict(int))

    def count(self, name: str, day: int, credit: Credit | None, n: int = 1
              ) -> None:
        keys, sums = self.keys, self.sums
        when = day_name(day)
        hashes = [keys.stats(), keys.day(when)]

        if credit:
            hashes.append(keys.stats(credit.code))
            hashes.append(keys.cohort(day_name(
                credit.click.day if credit.click else -1)))

        for key in hashes:
            sums[key][name] += n

        if name in ("leads", "sales", "refunds") or name.startswith(AMOUNT):
            sums[keys.days_of(name)][when] += n

            if credit:
                sums[keys.days_of(name, credit.code)][when] += n

            for word, value in zip(WORDS, credit.words if credit else ()):
                if value:
                    for key in hashes:
                        sums[key][f"{name}:{word}:{value}"] += n

        if not credit:
            return

        if credit.referrer and name != "known":
            sums[keys.progress(credit.referrer)][name] += n

        if name in ("leads", "sales") or name.startswith(AMOUNT):
            self.rank(sums, name, when, credit, n)

    def rank(self, sums: dict[str, dict[str, int]], name: str, when: str,
             credit: Credit, n: int) -> None:
        keys = self.keys

        sums[keys.board(name)][credit.code] += n
        sums[keys.board(name, when)][credit.code] += n

        if credit.referrer:
            member = str(credit.referrer)
            sums[keys.board_people(name)][member] += n
            sums[keys.board_people(name, when[:MONTH])][member] += n

    def friend(self, friend: Friend) -> None:
        credit = friend.credit()

        if friend.bound:
            self.count("friends" if friend.counts else "known",
                       friend.bound.day, credit)

        if friend.lead:
            self.count("leads" if friend.counts else "unattributed",
                       friend.lead.day, credit if friend.counts else None)

    def order(self, order: Order, friend: Friend) -> None:
        if order.at is None:
            return

        credit = order.own or friend.credit()

        if credit:
            self.rank(self.gross, AMOUNT + order.unit,
                      day_name(order.at.day), credit, order.gross)

        if order.self_referred:
            self.count("self", order.at.day, None)
            return

        if not friend.counts or not order.own and friend.lapsed(order.at):
            self.count("unattributed", order.at.day, None)
            return

        rest = order.rest(friend.closed_after(order.at) if order.open
                          else None)

        self.count("sales", order.at.day, credit)
        self.count(AMOUNT + order.unit, order.at.day, credit, rest.left)

        for day in rest.days:
            self.count("refunds", day, credit)


def state_of(model: Model, keys: Keys) -> State:
    """Key, field and value of all that the settler writes."""
    counts = Counts(keys)

    for friend in model.friends.values():
        counts.friend(friend)

    for order in model.orders.values():
        counts.order(order, model.friends.get(order.friend, Friend()))

    for at in model.selves:
        counts.count("self", at.day, None)

    state: State = {}

    for key, sums in counts.sums.items():
        shown = {name: str(n) for name, n in sums.items() if n}

        if shown:
            state[key] = shown

    for key, sums in counts.gross.items():
        for name, n in sums.items():
            if n > EXACT:
                state.setdefault(key, {})[name] = ANY

    for n, friend in model.friends.items():
        state[keys.friend(n)] = friend_fields(friend)

    for place, order in model.orders.items():
        state.setdefault(keys.order(place[:3]), {})[place[3:]] = order_text(
            order)

    if model.rules:
        state[keys.rules] = {version: str(position) for version, position
                             in model.rules.items()}

    return state


def friend_fields(friend: Friend) -> dict[str, str]:
    bound = friend.binding
    told: dict[str, object] = {
        "state": ("seen" if friend.bound is None else
                  "known" if friend.was_before else "joined")}

    if bound:
        told.update(referrer=bound.referrer, code=bound.code, via=friend.via,
                    click=friend.click, click_at=bound.click,
                    **dict(zip(WORDS, bound.words)))

    told.update(
        bound_at=friend.bound, bound_for=friend.bound_for,
        first_at=friend.first, known_at=friend.known, lead_at=friend.lead,
        closed_at=",".join(map(str, friend.closed)), last_credit=friend.last,
        orders_open=len(friend.orders), steps_seen=len(friend.steps),
        final=int(friend.final))
    told.update({f"step:{name}": at for name, at in friend.steps.items()})

    return {**{name: str(value) for name, value in told.items() if value},
            **{f"order:{place}": "" for place in friend.orders}}


def order_text(order: Order) -> str:
    rest = order.rest(None)
    flags = "".join(letter for letter, is_set in (
        ("s", order.self_referred), ("a", order.again), ("x", rest.above),
        ("o", order.open), ("m", order.many)) if is_set)

    def or_none(value: object) -> str:
        return "-" if value in (None, "") else str(value)

    head: list[object] = (
        [order.friend, order.position, order.at, order.amount,
         or_none(order.unit)] if order.friend else ["-"] * 5)

    return " ".join([
        *map(str, head), str(rest.total), str(rest.parts),
        or_none(order.updated), or_none(order.cancelled),
        "-" if not order.friend else str(order.own or "="), flags or "-",
        *(f"{event.kind}{event.at}:{event.amount}"
          + (f":{event.unit}" if event.unit else "")
          for event in order.events)])
