"""Leaderboards."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..store.keys import Keys
from ..store.session import Session
from ..store.store import BATCH, Store, batches, count
from ..store.zone import Zone, between
from ..text.problem import NEGATIVE, Problem, several
from . import counters
from .counters import rounding, shares
from .filters import make_cut

MONTH = len("2026-11")


def links(session: Session, keys: Keys, first: str | None, last: str | None
          ) -> tuple[dict[str, int], str]:
    store = session.store

    if not first or not last:
        return board(store, keys.board_clicks()), "counters"

    if first == last:
        found = board(store, keys.board_clicks(first))

        # the board of a day is kept for nine days; the days of each link stay
        if sum(found.values()) == clicks_of(store, keys, first, last):
            return found, "counters"

    by_day = links_of_days(store, keys, list(between(first, last)))

    return {code: sum(clicks) for code, clicks in by_day.items()}, "counters"


def links_of_days(store: Store, keys: Keys, days: Sequence[str]
                  ) -> dict[str, list[int]]:
    """Clicks of each link on these days, from the days of all links on the
    board."""
    found = {}
    codes = list(board(store, keys.board_clicks()))

    for part in batches(codes, BATCH):
        with store.redis.pipeline(transaction=False) as pipe:
            for code in part:
                pipe.hmget(keys.days(code), days)

            for code, values in zip(part, pipe.execute()):
                clicks = list(map(count, values))

                if any(clicks):
                    found[code] = clicks

    return found


def referrers(session: Session, keys: Keys, zone: Zone, first: str | None,
              last: str | None, month: str | None
              ) -> tuple[dict[str, int], str]:
    if not first or not last:
        return board(session.store, keys.board_referrers()), "counters"

    if month is not None:
        return board(session.store,
                     keys.board_referrers(first[:MONTH])), "counters"

    # a week that is not over ends today
    last = min(last, max(zone.today(), first))

    if not clicks_of(session.store, keys, first, last):
        return {}, "events"

    found = make_cut(("referrer",), {}, "", first, last).read(session, keys,
                                                              zone)

    return {names[0]: clicks for names, clicks in found.counts.items()}, \
        "events"


def board(store: Store, key: str) -> dict[str, int]:
    return {member: count(score) for member, score
            in store.redis.zrevrange(key, 0, -1, withscores=True)}


def clicks_of(store: Store, keys: Keys, first: str | None, last: str | None
              ) -> int:
    """All clicks of the program in that time: the whole that shares are parts
    of."""
    if not first or not last:
        return count(store.redis.hget(keys.stats(), "clicks"))

    return sum(map(count, store.redis.hmget(keys.days(),
                                            list(between(first, last)))))


def check(found: Mapping[str, int], total: int, source: str) -> None:
    """Refuses events that do not add up to the total: shares would be
    wrong."""
    if source == "events" and sum(found.values()) != total:
        raise Problem(NEGATIVE, f"the events hold {sum(found.values())} of"
                      f" {several(total, 'click')}; once more, if clicks just"
                      " came in")


def show_board(session: Session, keys: Keys, by: str,
               found: Mapping[str, int], source: str, limit: int,
               first: str | None, last: str | None) -> None:
    """The members of a board by falling clicks, each with its share."""
    total = clicks_of(session.store, keys, first, last)

    if not found:
        counters.require(session.store, keys)

    check(found, total, source)
    show(session, keys, by, found, total, limit, first, last)


def show(session: Session, keys: Keys, by: str, found: Mapping[str, int],
         total: int, limit: int, first: str | None, last: str | None) -> None:
    output = session.output
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    shown = ranked[:limit]
    names = session.store.fields(
        [keys.referrer(name) if by == "referrers" else keys.link(name)
         for name, _ in shown], "name")
    percents = shares([clicks for _, clicks in ranked], total)
    rows: list[list[Any]] = []
    rank = 0
    previous = None

    for place, ((member, clicks), name, share) in enumerate(
            zip(shown, names, percents), 1):
        rank = rank if clicks == previous else place
        previous = clicks
        rows.append([rank, member, name, clicks, share])

    if output.for_people and rows:
        rest = total - sum(row[3] for row in rows)

        if rest > 0:
            rows.append([None, "(others)", None, rest,
                         shares([rest], total)[0]])

        rows.append([None, "total", None, total, 100.0 if total else None])
        output.text(" · ".join([f"program {keys.program_name}", f"by {by}",
                                *when(first, last)]))

    output.rows(["rank", "referrer" if by == "referrers" else "code", "name",
                 "clicks", "share %" if output.for_people else "share"], rows,
                " ".join(["no clicks", *when(first, last)]) if first
                else "no clicks yet")

    if output.for_people and rows:
        output.notes(rounding([clicks for _, clicks in ranked], total))


def when(first: str | None, last: str | None) -> list[str]:
    if not first:
        return []

    return ([f"day {first}"] if first == last
            else [f"from {first}", f"to {last}"])
