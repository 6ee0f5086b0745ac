"""How many: totals, and divided by what is known of a hit."""

from __future__ import annotations

from typing import Sequence

import click

from ..reports.days import GivenZone, read_range, zone_of
from ..reports.filters import EXTRA, make_cut, read_where
from ..reports.stats import (DIVISIONS, all_stats, counted, show_cut,
                             show_daily, show_days, show_hours, show_parts,
                             show_totals)
from ..store.session import Session
from ..text.problem import USAGE, Problem
from .options import Choice, Command, pass_session, zone_options

BY = ("day", "hour", *DIVISIONS, *EXTRA)


@click.command("stats", cls=Command)
@click.argument("program", metavar="[PROGRAM", required=False)
@click.argument("code", metavar="[CODE]]", required=False)
@click.option("--by", type=Choice(BY), multiple=True,
              help="Divide the clicks; of \"class\" all hits, of \"result\""
              " all people.  Given twice: by both.")
@click.option("--where", metavar="NAME=VALUE", multiple=True,
              help="Only these, such as country=JP, channel=mail or"
              " class=bot; a value may be empty.")
@click.option("--from", "start", metavar="DATE",
              help="The first day, like 2026-11-22, today or yesterday; of"
              " hours (UTC) also like 2026-11-22T13.")
@click.option("--to", "end", metavar="DATE", help="The last.")
@zone_options
@pass_session
def stats(session: Session, program: str | None, code: str | None,
          by: Sequence[str], where: Sequence[str], start: str | None,
          end: str | None, given: GivenZone) -> None:
    """Totals of all programs, of one, or of a link; or divided.

    Without --by and dates the totals are of all time.  Days are the
    program's, hours are of UTC.  What stands in counters comes from them: of
    a program each division by day, of a link its divisions of all time and
    its days.  Any other cut, such as a link's countries in one week, two
    divisions at once, or --where, comes from the stream of events, which
    reaches back only so far: the answer says since when, and a range that
    begins earlier is refused (exit code 1).
    """
    if program is None:
        if by or where or start or end:
            raise Problem(USAGE, "--by, --where, --from and --to need a"
                          " program")
        all_stats(session)
        return

    by = tuple(dict.fromkeys(by))
    keys = session.keys(program)
    code = session.code(code) if code else ""
    zone = zone_of(session, keys, given)

    if by == ("hour",) and not code and not where:
        show_hours(session, keys, zone, start, end)
        return

    first, last = read_range(start, end, zone)

    if where or not counted(by, code, bool(first or last)):
        show_cut(session, keys, zone, make_cut(
            by, read_where(session, where), code, first, last))

    elif not by:
        show_totals(session, keys, zone, code, first, last)

    elif by == ("day",):
        show_days(session, keys, zone, code, first, last)

    elif len(by) > 1:
        show_daily(session, keys, zone, by, first, last)

    else:
        show_parts(session, keys, zone, code, by[0], first, last)
