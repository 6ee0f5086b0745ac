"""Forgetting a program's counts, on purpose."""

from __future__ import annotations

import sys
import time
from typing import Mapping

import click

from ..reports.conversion_counts import CONVERTED
from ..reports.counters import require
from ..store.journal import unsent_of
from ..store.keyspace import search
from ..store.session import Session
from ..store.store import BATCH, Store, batches, iso
from ..text.problem import NEGATIVE, USAGE, Problem, are, several
from .journal import dir_option
from .options import Command, pass_session

# kinds of keys in which conversions are counted beside clicks
SHARED = ("stats", "day", "links")

# takes all other fields away; 0: nothing of clicks was there, 1: the key is
# gone, 2: conversions are left
UNCOUNT = """
local keep, gone, left = {}, 0, 0

if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
    return redis.call('DEL', KEYS[1])
end

for i = 1, #ARGV do
    keep[ARGV[i]] = true
end

for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if keep[string.match(field, '^[^:]*')] then
        left = left + 1

    else
        redis.call('HDEL', KEYS[1], field)
        gone = gone + 1
    end
end

return gone == 0 and 0 or left == 0 and 1 or 2
"""


@click.command("reset", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@dir_option
@pass_session
def reset(session: Session, program: str, yes: bool, dry_run: bool,
          directory: str | None) -> None:
    """Forget a program's counts, for good; they start again from zero.

    Gone are totals, days, hours, visitors, addresses, boards, click ids,
    events and errors.  The program, its links, referrers and lists stay, and
    so do the marks of the journals, so that nothing is counted again.  Clicks
    that come in meanwhile may stand in some counts and not in others.

    Conversions are never reset: they are money.  What is counted of leads and
    sales stays, also where it stands beside the clicks.
    """
    keys = session.keys(program)
    output = session.output
    found = search(session.store, keys)
    total = sum(map(len, found.values()))

    if not total:
        require(session.store, keys)

    if dry_run:
        output.rows(["kind", "keys"],
                    [[kind, len(names)] for kind, names in found.items()],
                    f"program {program} has no counts")
        tell_unsent(session, directory, program)
        return

    unsent = tell_unsent(session, directory, program)

    if total and not yes:
        confirm(program, total)

    removed, kept = remove(session.store, found)

    # a cookie from before the reset is not counted as a new visitor; the audit
    # allows for that after this time
    session.store.redis.set(keys.reset, iso(time.time()))

    output.done(f"program {program}: counts forgotten,"
                f" {several(removed, 'key')}",
                program=program, outcome="reset", keys=removed,
                unsent=unsent)

    if kept:
        output.note(f"{several(kept, 'key')} {are(kept)} still there, with"
                    " what is counted of conversions")


def tell_unsent(session: Session, directory: str | None,
                program: str) -> int | None:
    """Warns that clicks which are not in Redis yet will count after the
    reset."""
    try:
        unsent = unsent_of(session, directory, program)
    except Problem as problem:
        session.output.note("whether clicks of this machine are unsent is not"
                            f" known: {problem}")
        return None

    if unsent:
        session.output.note(f"{several(unsent, 'click')} of this machine"
                            f" {are(unsent)} unsent, and will count after the"
                            " reset")

    return unsent


def confirm(program: str, total: int) -> None:
    if not sys.stdin.isatty():
        raise Problem(USAGE, f"this forgets the counts of program {program}"
                      f" in {several(total, 'key')}, for good; say --yes if it"
                      " shall, or --dry-run to see what would go")

    if not click.confirm(f"Forget the counts of program {program} in"
                         f" {several(total, 'key')}, for good?", err=True):
        raise Problem(NEGATIVE, "nothing was forgotten")


def remove(store: Store, found: Mapping[str, list[str]]) -> tuple[int, int]:
    """Removes what is counted of clicks; returns how many keys had some of
    that, and how many of these are left because of conversions."""
    removed = kept = 0
    shared = store.redis.register_script(UNCOUNT)

    for kind, names in found.items():
        for part in batches(names, BATCH):
            if kind not in SHARED:
                removed += store.redis.unlink(*part)
                continue

            with store.redis.pipeline(transaction=False) as pipe:
                for name in part:
                    shared(keys=[name], args=CONVERTED, client=pipe)

                answers = pipe.execute()

            removed += sum(answer > 0 for answer in answers)
            kept += sum(answer > 1 for answer in answers)

    return removed, kept
