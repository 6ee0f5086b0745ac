"""Leaderboards."""

from __future__ import annotations

import click

from ..reports.days import GivenZone, read_day, read_month, read_week, zone_of
from ..reports.money_top import show_money
from ..reports.top import links, referrers, show_board
from ..store.session import Session
from ..store.zone import Zone
from ..text.problem import USAGE, Problem
from .options import Choice, Command, pass_session, zone_options


@click.command("top", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--by", type=Choice(["links", "referrers"]),
              default="links", show_default=True)
@click.option("--of", "what", metavar="MEASURE", default="clicks",
              show_default=True,
              help="clicks, leads, sales or amount:EUR.")
@click.option("--day", metavar="DATE",
              help="Like 2026-11-22, today or yesterday.")
@click.option("--week", metavar="WEEK",
              help="Monday to Sunday: 2026-W47, a day of it, this or last.")
@click.option("--month", metavar="MONTH", help="2026-11, this or last.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=10,
              show_default=True)
@zone_options
@pass_session
def top(session: Session, program: str, by: str, what: str, day: str | None,
        week: str | None, month: str | None, limit: int,
        given: GivenZone) -> None:
    """Leaderboards: links or referrers by clicks, leads, sales or amounts, of
    all time or of a day, a week, a month.

    Share is of all the program's clicks in that time, in percent; who has as
    many shares the rank.  Boards of days are kept nine days; links of an
    older day, of a week or a month are added up from each link's own days.
    Referrers of a day or a week come from the events, and are refused where
    these do not reach back that far (exit code 1).

    Leads, sales and amounts are those of credited conversions, an amount net
    of refunds.  Of links they are kept of all time and by day, of referrers
    of all time and by month.
    """
    if sum(given is not None for given in (day, week, month)) > 1:
        raise Problem(USAGE, "--day, --week or --month, one of them")

    keys = session.keys(program)
    zone = zone_of(session, keys, given)
    first, last = period(zone, day, week, month)

    if what != "clicks":
        show_money(session, keys, by, what, limit, first, last,
                   month is not None)
        return

    found, source = (links(session, keys, first, last) if by == "links"
                     else referrers(session, keys, zone, first, last, month))

    show_board(session, keys, by, found, source, limit, first, last)


def period(zone: Zone, day: str | None, week: str | None, month: str | None
           ) -> tuple[str | None, str | None]:
    if day is not None:
        return (read_day(day, zone),) * 2

    if week is not None:
        return read_week(week, zone)

    return read_month(month, zone) if month is not None else (None, None)
