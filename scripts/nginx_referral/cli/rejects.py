"""Events that were rejected after they had been answered."""

from __future__ import annotations

from itertools import islice

import click

from ..reports.counters import require
from ..store.moments import moment
from ..store.rejects import rejects as all_rejects
from ..store.session import Session
from ..store.store import iso
from ..text.problem import are
from .options import Command, Group, pass_session


@click.group(cls=Group)
def rejects() -> None:
    """Events whose id another event had."""


@rejects.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--event", "event_id", metavar="EVENT_ID",
              help="Only with this id.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=100,
              show_default=True, help="The newest so many.")
@pass_session
def list_rejects(session: Session, program: str, event_id: str | None,
                 limit: int) -> None:
    """Events that came with the id of another event and said something else,
    the last first.

    They count for nothing.  The shop was told by 422, but for those that were
    accepted while Redis was away.  If both are right, the shop sends the
    second one again with an id of its own.
    """
    keys = session.keys(program)
    output = session.output
    found = list(islice(
        (one for one in all_rejects(session.store, keys)
         if event_id is None or one.event_id == event_id), limit + 1))
    more = len(found) > limit
    del found[limit:]

    if not found:
        require_program(session, program)

    if output.for_people:
        output.rows(
            ["rejected", "event_id", "why", "entry", "event"],
            [[iso((one.at or 0) // 1000), one.event_id,
              one.fields.get("why"), one.fields.get("position"),
              " ".join(f"{name}={value}" for name, value in one.event.items()
                       if name != "event_id")] for one in found],
            f"program {program} has rejected nothing"
            + (f" with the id {event_id}" if event_id else ""))
    else:
        output.rows(
            ["rejected", "event_id", "why", "position", "event"],
            [[moment(one.at), one.event_id, one.fields.get("why"),
              whole(one.fields.get("position")), one.event]
             for one in found])

    if found and output.for_people:
        output.note("\"entry\" is the number of the event that had the id;"
                    f" \"nginx-referral conversions show {program} EVENT_ID\""
                    " shows it")

    if more:
        output.note(f"only the newest {limit} {are(limit)} shown; -n shows"
                    " more")


def require_program(session: Session, program: str) -> None:
    """Raises "not found" for a program that has neither settings nor
    conversions."""
    keys = session.keys(program)

    if not session.store.redis.exists(keys.conversions):
        require(session.store, keys)


def whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
