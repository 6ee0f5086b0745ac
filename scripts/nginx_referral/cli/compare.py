"""Two days, side by side."""

from __future__ import annotations

import click

from ..reports.compare import compare_days
from ..reports.days import GivenZone, read_day, zone_of
from ..store.session import Session
from ..text.problem import USAGE, Problem
from .options import Command, zone_options


@click.command("compare", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("first", metavar="DAY")
@click.argument("second", metavar="DAY")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=5,
              show_default=True,
              help="So many of each kind, those that moved most; the rest is"
              " one line.  JSON and CSV have all, unless this is given.")
@zone_options
@click.pass_context
def compare(ctx: click.Context, program: str, first: str, second: str,
            limit: int, given: GivenZone) -> None:
    """Why did yesterday drop?  Two days, side by side.

    What moved: classes of hits, results of people, then the clicks by link
    and by each dimension, then leads and sales likewise, the largest change
    first.  The changes of a section add up to the change of its total.
    Amounts are in the smallest part of their currency.  From counters, so any
    two days can be compared; a day that is not over yet counts so far.
    """
    session = ctx.ensure_object(Session)
    all_of_it = (not session.output.for_people and
                 ctx.get_parameter_source("limit")
                 is click.core.ParameterSource.DEFAULT)
    keys = session.keys(program)
    zone = zone_of(session, keys, given)
    days = [read_day(text, zone) for text in (first, second)]

    if days[0] == days[1]:
        raise Problem(USAGE, "a day is not compared with itself: both are"
                      f" {days[0]}")

    compare_days(session, keys, days, None if all_of_it else limit)
