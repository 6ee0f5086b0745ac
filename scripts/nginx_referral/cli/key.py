"""Keys of the API: made, listed, taken away."""

from __future__ import annotations

import re
from typing import Sequence

import click

from ..store.api_keys import SCOPES, add_key, all_keys, remove_key
from ..store.session import Session
from ..store.store import iso
from ..text.problem import NEGATIVE, REFUSED, Problem
from .options import Choice, Command, Group, pass_session

COLUMNS = ("id", "scopes", "programs", "note", "made")


@click.group(cls=Group)
def key() -> None:
    """Keys of the HTTP API."""


@key.command("add", cls=Command)
@click.option("--scope", "scopes", type=Choice(tuple(SCOPES)), multiple=True,
              required=True, help="What it may do; may be given again.")
@click.option("--program", "programs", metavar="PROGRAM", multiple=True,
              help="Only this program; may be given again.  Else all.")
@click.option("--note", metavar="TEXT", default="",
              help="What it is for, for \"key list\".")
@pass_session
def add(session: Session, scopes: Sequence[str], programs: Sequence[str],
        note: str) -> None:
    """Make a key.  It is shown this once: Redis has only its hash.

    Two keys at a time let a client change from one to the other.
    """
    if len(note) > 200 or re.search(r"[\x00-\x1f\x7f]", note):
        raise Problem(REFUSED, "--note is longer than 200 characters, or has"
                      " control characters")

    for program in programs:
        session.keys(program)

    given = add_key(session.store, list(dict.fromkeys(scopes)),
                    list(dict.fromkeys(programs)), note)
    session.output.done(given, key=given)


@key.command("list", cls=Command)
@pass_session
def list_keys(session: Session) -> None:
    """All keys, the oldest first, without their secrets."""
    session.output.rows(COLUMNS, [
        [one.name, list(one.scopes), list(one.programs), one.note,
         iso(one.made)] for one in all_keys(session.store)],
        "there are no keys; \"key add\" makes one")


@key.command("remove", cls=Command)
@click.argument("name", metavar="ID")
@pass_session
def remove(session: Session, name: str) -> None:
    """Take a key away; the next request with it is refused.  ID is the part
    between nrk_ and the secret."""
    if not remove_key(session.store, name):
        raise Problem(NEGATIVE, f"there is no key {name}; \"key list\" shows"
                      " all")

    session.output.done(f"key {name} is removed", id=name)
