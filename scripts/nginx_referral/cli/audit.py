"""Do the counters agree with the events?"""

from __future__ import annotations

import click

from ..reports.audit import audit_program
from ..reports.days import GivenZone, read_day, zone_of
from ..store.session import Session
from ..text.problem import NEGATIVE, OK
from .options import Command, pass_session, zone_options


@click.command("audit", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--from", "start", metavar="DATE",
              help="Only days from this one on, and no totals.")
@zone_options
@pass_session
def audit(session: Session, program: str, start: str | None,
          given: GivenZone) -> int:
    """Recompute every counter from the events: 0 they agree, 1 they do not.

    Days are checked that the stream of events holds whole, today so far:
    statistics, clicks by day and hour, of the program and of each link, and
    the boards.  Totals of all time are checked if nothing was ever cut from
    the stream.  The answer says which days, how many numbers, and what could
    not be checked.  Clicks may come in meanwhile.

    A difference is not always a wrong count: the events may have been off or
    deleted for a while, the program's day may have been another (then give
    --timezone or --utc-offset), Redis refused an operation (see
    ref:errors:{p}), or a browser sent the cookie of an earlier day twice, and
    was new to this day each time.
    """
    keys = session.keys(program)
    zone = zone_of(session, keys, given)
    first = read_day(start, zone) if start else None

    agree = audit_program(session, keys, zone, first)

    return OK if agree else NEGATIVE
