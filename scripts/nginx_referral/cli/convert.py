"""Telling nginx of leads, sales and refunds, as a shop does."""

from __future__ import annotations

import json
from typing import Any

import click

from ..store.event_import import EventImporter, Refused, Summary, reason_of
from ..store.event_rows import EXTRA, FIELDS, name_event, of_texts, read_rows
from ..store.sender import JSON_TYPE, Sender, read_key
from ..store.session import Session
from ..text.input import check_encoding, open_input, progress
from ..text.output import CSV
from ..text.problem import (INTERRUPTED, REFUSED, USAGE, Problem, are,
                            several)
from .options import Command, pass_session

SHOWN_COMPLAINTS = 50

HELP = {
    "type": "lead, sale, refund, update, cancel, or a word of your own.",
    "event_id": "Its own id; made of type and order if not given.",
    "customer": "The friend's id in the shop.",
    "order_id": "The order's.",
    "click_id": "The click that led to it.",
    "code": "The link's code, typed by the friend.",
    "amount": "In the smallest part of the currency: 12.34 EUR is 1234.",
    "currency": "ISO 4217, like EUR.",
    "total_refunded": "Of a refund: all of the order up to now.",
    "at": "When it happened, like 2026-11-27T10:30:00Z; else now.",
}


def event_options(command: Any) -> Any:
    """An option for each field of an event."""
    for name in reversed(FIELDS):
        command = click.option(f"--{name.replace('_', '-')}", name,
                               metavar="TEXT", help=HELP.get(name))(command)

    return command


@click.command("convert", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--url", envvar="REFERRAL_CONVERT_URL", show_envvar=True,
              metavar="URL", help="Of nginx's referral_convert.")
@click.option("--key-file", envvar="REFERRAL_CONVERT_KEY_FILE",
              show_envvar=True, metavar="FILE",
              help="The key that signs: nginx's referral_convert_keys, or a"
              " line whsec_… alone.  Without it nothing is signed.")
@click.option("--file", "path", metavar="FILE",
              help="Many events: CSV or JSON lines; - is the standard input.")
@click.option("--refused", "refused_path", metavar="FILE",
              help="Where refused events go; FILE.refused if not said.")
@click.option("--patience", type=click.IntRange(min=0), default=300,
              show_default=True, metavar="SECONDS",
              help="How long to try while nginx cannot take events.")
@event_options
@click.option("-x", "extras", multiple=True, metavar="KEY=VALUE",
              help="A field of your own; may be given several times.")
@pass_session
def convert(session: Session, program: str, url: str | None,
            key_file: str | None, path: str | None, refused_path: str | None,
            patience: int, extras: tuple[str, ...], **fields: str | None
            ) -> None:
    """Tell nginx of a lead, a sale, a refund, as the shop would: one, or all
    of a file.

    A file is CSV whose first line names the fields (event_id type customer
    order_id amount currency …, x.KEY for your own), or JSON lines with the
    same names.  The options say what its lines leave out.

    An event without an event_id gets one that is made of its type and its
    order, or customer.  So the same file can be sent again: what is there
    already counts once.  Of events that may happen several times (a refund
    with amount, an update, words of your own) the file says the ids.
    """
    keys = session.keys(program)
    given = of_texts({name: text for name, text in fields.items()
                      if text is not None}
                     | {f"x.{name}": text for name, text
                        in map(read_extra, extras)})

    if not url:
        raise Problem(USAGE, "where to? give the URL of nginx's"
                      " referral_convert with --url, or in"
                      " REFERRAL_CONVERT_URL")

    sender = Sender(url, read_key(key_file, keys.program_name)
                    if key_file else None, patience, session.output.note)

    if path is None:
        if refused_path:
            raise Problem(USAGE, "--refused is for --file")

        send_one(session, sender, program, given)
        return

    if "event_id" in given:
        raise Problem(USAGE, "--event-id is of one event; in a file each line"
                      " has its own")

    send_file(session, sender, program, given, path, refused_path)


def read_extra(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")

    if not equals or not EXTRA.fullmatch(f"x.{name}"):
        raise Problem(USAGE, f"-x {text!r}: say KEY=VALUE, and a key is 1 to"
                      " 64 of a-z 0-9 _")

    return name, value


def send_one(session: Session, sender: Sender, program: str,
             event: dict[str, Any]) -> None:
    if not event:
        raise Problem(USAGE, "what happened? give --type, --customer and so"
                      " on, or a file of events with --file")

    made = "event_id" not in event
    why = name_event(program, event)

    if why:
        raise Problem(USAGE, why)

    answer = sender.send(json.dumps(event).encode(), JSON_TYPE)

    if answer.status >= 400:
        raise Problem(REFUSED, f"refused: {reason_of(answer.told)}")

    told = dict(answer.told)
    told.pop("status", None)
    session.output.record({"program": program, **told})

    if made:
        session.output.note("its event_id is made of what it is about: sent"
                            " again it counts once")

    if told.get("result") == "accepted":
        session.output.note("nginx has it on its disk; whom it is credited to"
                            " is known when it reaches Redis")


def send_file(session: Session, sender: Sender, program: str,
              defaults: dict[str, Any], path: str,
              refused_path: str | None) -> None:
    if refused_path is None and path != "-":
        refused_path = f"{path}.refused"

    refused = Refused(refused_path)
    importer = EventImporter(sender, program, defaults, refused)
    summary = importer.summary

    try:
        with open_input(path) as file, progress(file.raw) as show, \
                refused.opened():
            check_encoding(path, file)

            for lines in importer.run(read_rows(file)):
                show(lines)
    except KeyboardInterrupt:
        raise early(session, program, summary, refused,
                    Problem(INTERRUPTED, "interrupted")) from None
    except Problem as problem:
        if not summary.read:
            raise

        raise early(session, program, summary, refused, problem) from None

    tell(session, program, summary, refused, False)

    if summary.refused:
        raise Problem(REFUSED, f"{summary.refused} of"
                      f" {several(summary.read, 'line')}"
                      f" {'was' if summary.refused == 1 else 'were'} refused"
                      + where(refused))


def early(session: Session, program: str, summary: Summary, refused: Refused,
          why: Problem) -> Problem:
    """The problem that ended it before the end of the file."""
    tell(session, program, summary, refused, True)

    return Problem(why.code, f"{why}; {several(summary.read, 'line')}"
                   f" {are(summary.read)} done; the same command goes on: what"
                   " was sent counts once" + where(refused))


def where(refused: Refused) -> str:
    return (f"; {refused.path} has them, to be mended and sent again"
            if refused.file is not None else "")


def tell(session: Session, program: str, summary: Summary, refused: Refused,
         interrupted: bool) -> None:
    """The sums, and each refused event with its reason."""
    output = session.output
    rows = [[row.line, str((row.event or {}).get("event_id") or ""), row.reason]
            for row in summary.complaints]
    columns = ["line", "event_id", "reason"]

    if not output.for_people:
        if output.form == CSV:
            output.rows(columns, rows)
        else:
            output.record({
                "program": program, "read": summary.read,
                "interrupted": interrupted, **summary.numbers(),
                "refused_file": refused.path if refused.file is not None
                else None,
                "complaints": [dict(zip(columns, row)) for row in rows]})
        return

    if rows:
        output.rows(columns, rows[:SHOWN_COMPLAINTS])

    if summary.refused > SHOWN_COMPLAINTS:
        output.note(f"and {summary.refused - SHOWN_COMPLAINTS} more"
                    + where(refused))

    output.text(", ".join(f"{number} {name}" for name, number
                          in summary.numbers().items()))

    if summary.accepted:
        output.note("accepted: nginx has them on its disk, and sends them to"
                    " Redis by itself")
