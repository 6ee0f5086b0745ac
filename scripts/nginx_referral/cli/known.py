"""Customers who were there before the program."""

from __future__ import annotations

import click

from ..reports.counters import require
from ..store.facts import place_of
from ..store.known import KEPT_COMPLAINTS, Row, read_ids, write
from ..store.session import Session
from ..text.input import check_encoding, open_input, progress
from ..text.problem import (INTERRUPTED, NEGATIVE, REFUSED, Problem, are,
                            several)
from .options import Command, Group, pass_session

SHOWN_COMPLAINTS = 50


@click.group(cls=Group)
def known() -> None:
    """Customers who were there before the program: they are nobody's new
    friends."""


@known.command("import", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("file", metavar="FILE")
@pass_session
def import_known(session: Session, program: str, file: str) -> None:
    """Import ids of customers from a file, or from - the standard input.

    An id a line, or CSV whose first line names a column "customer".  Only digests are kept, 12
    bytes each.  An event of such a customer that is appended later is noted
    as "known"; what stands there already does not change.  Do this before
    the first sale is sent.
    """
    run(session, program, file, False)


@known.command("remove", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("file", metavar="FILE")
@pass_session
def remove_known(session: Session, program: str, file: str) -> None:
    """Undo an import: the ids in the file are not known any more."""
    run(session, program, file, True)


@known.command("test", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@pass_session
def test_known(session: Session, program: str, customer: str) -> None:
    """Was this id imported?  Exit code 1: no."""
    keys = session.keys(program)
    require(session.store, keys)
    bucket, member = place_of(customer)
    found = bool(session.store.redis.sismember(keys.known(bucket), member))

    if not session.output.for_people:
        session.output.record({"program": program, "customer": customer,
                               "known": found})

    if not found:
        raise Problem(NEGATIVE, f"{customer} was not imported into program"
                      f" {program}")

    if session.output.for_people:
        session.output.text(f"{customer} was there before program {program}")


def run(session: Session, program: str, path: str, remove: bool) -> None:
    keys = session.keys(program)
    require(session.store, keys)
    complaints: list[Row] = []
    read = done = refused = 0

    def told(row: Row) -> None:
        nonlocal refused
        refused += 1

        if len(complaints) < KEPT_COMPLAINTS:
            complaints.append(row)

    try:
        with open_input(path) as file, progress(file.raw) as show:
            check_encoding(path, file)

            for lines, new in write(session.store, keys, read_ids(file),
                                    remove, told):
                read += lines
                done += new
                show(read)
    except KeyboardInterrupt:
        raise Problem(INTERRUPTED, f"interrupted: {several(read, 'line')}"
                      f" {are(read)} done; the same command goes on") from None

    tell(session, program, remove, complaints,
         {"read": read, "removed" if remove else "added": done,
          "unchanged": read - refused - done, "refused": refused})

    if refused:
        raise Problem(REFUSED, f"{refused} of {several(read, 'line')}"
                      f" {'was' if refused == 1 else 'were'} refused")


def tell(session: Session, program: str, remove: bool, complaints: list[Row],
         numbers: dict[str, int]) -> None:
    output = session.output
    rows = [[row.line, row.name, row.reason] for row in complaints]

    if not output.for_people:
        output.record({"program": program, **numbers, "complaints": [
            dict(zip(("line", "customer", "reason"), row)) for row in rows]})
        return

    if rows:
        output.rows(["line", "customer", "reason"], rows[:SHOWN_COMPLAINTS])

    output.text(", ".join(f"{number} {name}"
                          for name, number in numbers.items()))

    if numbers["refused"] > SHOWN_COMPLAINTS and rows:
        output.note(f"only {SHOWN_COMPLAINTS} of {numbers['refused']} refused"
                    " lines are shown; --json tells more")

    if not remove and session.store.redis.exists(
            session.keys(program).conversions):
        output.note("conversions that are there already stay as they are")
