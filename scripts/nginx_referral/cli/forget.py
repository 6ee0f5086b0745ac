"""Forgetting a person."""

from __future__ import annotations

import click

from ..store.forget import forget_person, look_up, read_name
from ..store.session import Session
from ..text.problem import NEGATIVE, Problem, several
from .options import Command, pass_session


@click.command("forget", cls=Command,
               context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="VISITOR|CLICK_ID")
@click.option("--program", metavar="PROGRAM",
              help="Where to look; else in all programs.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@pass_session
def forget(session: Session, name: str, program: str | None,
           dry_run: bool) -> None:
    """Forget a person, for good: a visitor id, as the cookie and the events
    name it, or the id of a click, which stands for the visitor who made it.

    Their clicks can no longer be looked up, and their events lose visitor,
    click id, first link, region and city.  The counts stay: they name nobody.
    What the journals still hold, or send again, loses its name on the way,
    for 90 days: ref:forgotten:{p} keeps a hash of the id and the time.
    Clicks of more than five minutes from now on are new ones.

    Exit code 1: nothing was found; what may still come is forgotten as well.
    """
    name = read_name(name)
    all_keys = look_up(session, program)
    found = forget_person(session.store, all_keys, name, dry_run)
    touches = sum(len(of.touches) for of in found.values())
    events = sum(len(of.events) for of in found.values())
    programs = [keys.program_name for keys, of in found.items()
                if of.touches or of.events]

    if not programs:
        raise Problem(NEGATIVE, f"nothing is known of {name}"
                      + (f" in program {program}" if program else "")
                      + ("" if dry_run else
                         "; what may still come of it will have no name"))

    session.output.done(
        f"{'would be ' if dry_run else ''}forgotten in"
        f" {' '.join(programs)}: {several(touches, 'click')} that could be"
        f" looked up, {several(events, 'event')}",
        outcome="would forget" if dry_run else "forgotten",
        programs=programs, clicks=touches, events=events)
