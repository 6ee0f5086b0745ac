"""Forgetting a person."""

from __future__ import annotations

import click

from ..store import forget_customer
from ..store.forget import forget_person, look_up, read_name
from ..store.session import Session
from ..text.problem import NEGATIVE, USAGE, Problem, several
from .options import Command, pass_session


@click.command("forget", cls=Command,
               context_settings={"ignore_unknown_options": True})
@click.argument("name", metavar="[VISITOR|CLICK_ID]", required=False)
@click.option("--customer", metavar="ID",
              help="Forget a customer or referrer of conversions instead.")
@click.option("--program", metavar="PROGRAM",
              help="Where to look; else in all programs.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@pass_session
def forget(session: Session, name: str | None, customer: str | None,
           program: str | None, dry_run: bool) -> None:
    """Forget a person, for good: a visitor id, as the cookie and the events
    name it, or the id of a click, which stands for the visitor who made it;
    or with --customer the shop's id of a customer.

    Their clicks can no longer be looked up, and their events lose visitor,
    click id, first link, region and city.  The counts stay: they name nobody.
    What the journals still hold, or send again, loses its name on the way,
    for 90 days: ref:forgotten:{p} keeps a hash of the id and the time.
    Clicks of more than five minutes from now on are new ones.

    Of a customer the id goes, and what rejected events say of them.  Their
    conversions stay, of a number that is nobody's any more, and so do all
    sums, but what they have to use is cancelled: nobody could use it.  What
    others earned by them stays.  A journal that is sent again does not bring the id back; a new
    event of the same id is a new person's.

    Exit code 1: nothing was found; what may still come of a visitor is
    forgotten as well.
    """
    if (name is None) == (customer is None):
        raise Problem(USAGE, "whom? a VISITOR or CLICK_ID, or a customer of"
                      " the shop with --customer ID")

    if customer is not None:
        forget_of_shop(session, customer, program, dry_run)
        return

    name = read_name(name or "")
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


def forget_of_shop(session: Session, name: str, program: str | None,
                   dry_run: bool) -> None:
    store = session.store
    output = session.output
    all_keys = forget_customer.programs_of(session, program)
    found = {keys: forget_customer.look_for(store, keys, name)
             for keys in all_keys}
    found = {keys: of for keys, of in found.items() if of}

    if not found:
        raise Problem(NEGATIVE, f"no customer {name} is known"
                      + (f" in program {program}" if program else "")
                      + "; ids are exact")

    if not dry_run:
        for keys, of in found.items():
            forget_customer.forget(store, keys, name, of)

    programs = [keys.program_name for keys in found]
    rejected = sum(len(of.rejected) for of in found.values())
    output.done(
        f"{'would be ' if dry_run else ''}forgotten in {' '.join(programs)}:"
        f" the id of {several(len(programs), 'customer')}, and what"
        f" {several(rejected, 'rejected event')} said",
        outcome="would forget" if dry_run else "forgotten",
        programs=programs,
        numbers={keys.program_name: f"u{of.number}"
                 for keys, of in found.items() if of.number is not None},
        rejected=rejected)

    for owned in forget_customer.owns(store, all_keys, name):
        output.note(f"in program {owned} they have links or a name of their"
                    f" own: \"nginx-referral referrer show {owned} {name}\""
                    " shows them, and \"link rm\" and \"referrer set\" remove"
                    " them")

    output.note("events that still wait on the disk of an nginx bring the id"
                " back as that of a new person; \"nginx-referral journal\""
                " shows whether any do")
