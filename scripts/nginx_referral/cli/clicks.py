"""Looking at single clicks."""

from __future__ import annotations

import click

from ..reports.counters import require
from ..store.clicks import in_each, made_at, read_click_id, words_of
from ..store.events import follow
from ..store.session import Session
from ..store.store import iso
from ..text.event_lines import EventPrinter
from ..text.problem import NEGATIVE, Problem
from .options import Command, pass_session


@click.command("click", cls=Command)
@click.argument("click_id", metavar="CLICK_ID")
@click.option("--program", metavar="PROGRAM",
              help="Where to look; else in all programs.")
@pass_session
def show_click(session: Session, click_id: str, program: str | None) -> None:
    """What is known of a click: its link and the visitor's first one."""
    click_id = read_click_id(click_id)
    store = session.store
    names = ([session.keys(program).program_name] if program is not None
             else store.program_names())

    found = [(name, text) for name, text
             in zip(names, in_each(store, names, click_id)) if text]

    if not found:
        raise Problem(NEGATIVE, f"no click {click_id}"
                      + (f" in program {program}" if program else "")
                      + "; it would have been made at"
                      f" {iso(made_at(click_id))}, and a click is kept as"
                      " long as its program's window and late")

    name, text = found[0]
    session.output.record({"click_id": click_id, "program": name,
                           **words_of(click_id, text)})


@click.command("tail", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=10,
              show_default=True, help="Begin with the last so many.")
@click.option("--follow/--no-follow", "wait", default=True,
              help="Wait for more, or end.")
@pass_session
def tail(session: Session, program: str, lines: int, wait: bool) -> None:
    """Events as they come, until Ctrl-C; with --json one a line."""
    keys = session.keys(program)
    require(session.store, keys)
    printer = EventPrinter(session.output)

    for event in follow(session.store.redis, keys.events, lines, wait):
        printer.show(event)
