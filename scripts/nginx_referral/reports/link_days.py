"""A link day by day: its clicks, and what is counted of conversions."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ..store.keys import Keys
from ..store.session import Session
from ..store.zone import is_day
from . import counters
from .conversion_counts import DAILY, amounts_of, columns, value


def show_link_days(session: Session, keys: Keys, head: Mapping[str, Any],
                   code: str, clicks: Mapping[str, int]) -> None:
    """The days of a link: clicks, and what is counted of conversions."""
    store = session.store
    amounts = amounts_of(session, keys)
    more = columns([counters.numbers(store.redis.hgetall(keys.stats(code)))],
                   DAILY)
    of = dict(zip(more, map(counters.numbers, store.hashes(
        [keys.days_of(name, code) for name in more]))))
    first, last = head["from"], head["to"]
    days = sorted(day for day in {*clicks, *(day for found in of.values()
                                             for day in found)}
                  if is_day(day) and (not first or day >= first)
                  and (not last or day <= last))

    def row(name: str, counted: Sequence[str]) -> list[Any]:
        return [name, sum(clicks.get(day, 0) for day in counted),
                *(value({what: sum(of[what].get(day, 0) for day in counted)},
                        what, amounts) for what in more)]

    session.output.report(head, ["day", "clicks", *more],
                          [row(day, [day]) for day in days],
                          row("total", days), chart="clicks")
