"""Are the sums of conversions what the conversions add up to?"""

from __future__ import annotations

import click

from ..reports.counters import require
from ..reports.days import GivenZone, zone_of
from ..reports.ledger_audit import audit_ledger
from ..reports.ledger_export import export_entries, show_sheet
from ..reports.ledger_replay import replay_ledger
from ..store.session import Session
from ..text.output import JSON
from ..text.problem import NEGATIVE, OK
from .options import Choice, Command, Group, pass_session, zone_options


@click.group(cls=Group)
def ledger() -> None:
    """What conversions count, computed again from all of them."""


@ledger.command("audit", cls=Command)
@click.argument("program", metavar="PROGRAM")
@pass_session
def audit(session: Session, program: str) -> int:
    """Check conversions and all that is counted of them: 0 right, 1 not.

    Reads the whole stream: are its numbers without a gap, does each event
    stand there once under its id, is each id in the stream, are people's
    numbers and whose friends they are what the events say?  Then friends,
    orders, and every count and board are computed again, by a plain program
    of its own, and compared with what the settler wrote.  Each difference is
    named.  Events may come in meanwhile.
    """
    keys = session.keys(program)

    require(session.store, keys)

    return OK if audit_ledger(session, keys) else NEGATIVE


@ledger.command("replay", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--file", "path", metavar="DUMP",
              help="A dump of the stream instead of it, such as a backup, as"
              " nginx-referral-settle --dump writes it.")
@pass_session
def replay(session: Session, program: str, path: str | None) -> int:
    """Let the settler count all conversions again: 0 the same, 1 not.

    It counts in memory and compares all keys with Redis, and the chain, a
    digest over each entry and what was decided of it.  If the chain is the
    same and a key differs, that key was changed.  If the chain differs, these
    are not the entries that were settled.
    """
    keys = session.keys(program)

    require(session.store, keys)

    return OK if replay_ledger(session, keys, path) else NEGATIVE


@ledger.command("export", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--format", "form", type=Choice(("csv", "jsonl")),
              default="csv", show_default=True,
              help="CSV, or a line of JSON each.")
@click.option("--balance-sheet", "sheet", is_flag=True,
              help="Instead of entries a row a day and unit: what was owed,"
              " granted, spent, expired, cancelled, written off, and is"
              " owed then.")
@zone_options
@pass_session
def export(session: Session, program: str, form: str, sheet: bool,
           given: GivenZone) -> None:
    """Write all entries of rewards, for the books.

    Amounts are in the smallest part of their unit.  Days of the balance sheet
    are those of the program's zone; one on which nothing moved has no row.
    """
    keys = session.keys(program)

    as_lines = form == "jsonl" or session.output.form == JSON

    require(session.store, keys)

    if sheet:
        show_sheet(session, keys, zone_of(session, keys, given), as_lines)
    else:
        export_entries(session, keys, as_lines)
