"""Writing a program's links to a file that can be imported."""

from __future__ import annotations

import os

from redis.exceptions import NoPermissionError

from ..text.output import JSON, Output, clean
from ..text.problem import MACHINE, REFUSED, USAGE, Problem, are, has, several
from .keys import Keys
from .keyspace import links_by_hand
from .link_rows import COLUMNS
from .session import Session
from .store import Store, iso


def export_links(session: Session, program: str, path: str | None) -> None:
    """Writes all links to a file, or to the standard output."""
    keys = session.keys(program)
    output = session.output

    if path is None:
        write_links(session.store, keys, output)
        output.out.flush()
        return

    try:
        output.out = open(path, "x", encoding="utf-8")
    except FileExistsError:
        raise Problem(REFUSED, f"{path} exists already; remove it first, or"
                      " name another file") from None
    except OSError as error:
        raise Problem(USAGE, f"{path} cannot be written:"
                      f" {error.strerror}") from None

    output.terminal = False

    # a partial file is removed: it would be taken for a whole backup
    try:
        with output.out:
            write_links(session.store, keys, output)
    except BaseException as error:
        os.unlink(path)

        if isinstance(error, OSError):
            raise Problem(MACHINE, f"{path} cannot be written:"
                          f" {error.strerror}; nothing is left of it"
                          ) from None
        raise


def write_links(store: Store, keys: Keys, output: Output) -> None:
    """Writes all links, in the order in which they were made; links that are
    in no list come last."""
    codes: list[tuple[str, float | None]] = [*store.codes(keys)]
    by_hand = 0
    unreadable = 0

    try:
        found = links_by_hand(store, keys, {code for code, _ in codes})
        by_hand = len(found)
        codes.extend((code, None) for code in found)
    except NoPermissionError:
        output.note("links that stand in no list, as a hand makes them, are"
                    " not among these: this user may not SCAN")

    hashes = store.hashes([keys.link(code) for code, _ in codes])

    if output.form != JSON:
        output.csv_row(COLUMNS)

    for (code, created), fields in zip(codes, hashes):
        if not fields:
            continue

        unreadable += any(clean(v) != v for v in fields.values())
        values = {**fields, "code": code,
                  "created": iso(created) if created is not None else ""}

        if output.form == JSON:
            output.line({name: values[name] for name in COLUMNS
                         if values.get(name)})
        else:
            output.csv_row(values.get(name) for name in COLUMNS)

    if by_hand:
        output.note(f"{several(by_hand, 'link')} of these {are(by_hand)} in no"
                    " list, as a hand makes them: \"nginx-referral link list"
                    f" {keys.program_name} --scan\" shows them")

    if unreadable:
        output.note(f"{several(unreadable, 'link')} {has(unreadable)} bytes"
                    " that are not UTF-8, written as U+FFFD; the module does"
                    " not take them either")
