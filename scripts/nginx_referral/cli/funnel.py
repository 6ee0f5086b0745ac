"""From the click to the sale."""

from __future__ import annotations

import click

from ..reports.conversion_counts import DIVIDED
from ..reports.days import GivenZone, read_range, zone_of
from ..reports.funnel import show_all_time, show_funnel
from ..store.session import Session
from ..text.problem import USAGE, Problem
from .options import Choice, Command, pass_session, zone_options

ALL_TIME = ("link", "referrer")


@click.command("funnel", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--by", type=Choice(["day", *DIVIDED, *ALL_TIME]),
              default="day", show_default=True,
              help="Of the click; link and referrer of all time.")
@click.option("--from", "start", metavar="DATE",
              help="The first day of clicks; 30 days if not said.")
@click.option("--to", "end", metavar="DATE", help="The last; else today.")
@zone_options
@pass_session
def funnel(session: Session, program: str, by: str, start: str | None,
           end: str | None, given: GivenZone) -> None:
    """What became of the clicks of each day: leads, sales, amounts, rates.

    A lead or sale stands at the day of the click that it is credited to,
    whenever it came itself; one by a code that was typed, at the day when it
    bound the friend.  All orders of a friend stand at the click that brought
    the friend.  Amounts are net of refunds.

    A day is open until its clicks count no more and what they led to cannot
    be told any more: the program's window and "late" after its end.  Until
    then new friends may still come of it.
    """
    keys = session.keys(program)

    if by in ALL_TIME:
        if start or end:
            raise Problem(USAGE, f"what clicks of a {by} led to is counted of"
                          " all time: leave out --from and --to")

        show_all_time(session, keys, by)
        return

    zone = zone_of(session, keys, given)
    first, last = read_range(start, end, zone)

    show_funnel(session, keys, zone, by, first, last)
