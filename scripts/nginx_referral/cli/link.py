"""Links: what a customer shares."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import click

from ..store.exporter import export_links
from ..store.importer import import_links
from ..store.keys import Keys
from ..store.keyspace import links_by_hand
from ..store.links import Change, Mode, Outcome, apply, remove
from ..store.session import Session
from ..store.store import count, iso
from ..text.problem import NEGATIVE, REFUSED, USAGE, Problem, are
from .fields import field_options, in_order
from .options import Command, Group, pass_session

LINK_OPTIONS = {
    "referrer": "The customer's id.",
    "name": "Who invites, as the friend shall read it.",
    "landing": "A URL of its own.",
    "landing_args": "Instead of the program's, like src={code}; or off.",
    "rules": "One rule a line; asked before the program's.",
    "state": "active or disabled.",
    "starts": "2026-12-01, or 2026-12-01T10:00, in the program's zone.",
    "ends": "The same; through its last second.",
    "segment": "Like vip.",
    "channel": "Where it is shared, like mail.",
}

TOTALS = ("clicks", "visitors", "raw", "missed")
STATES = ("active", "disabled")

# states that come from the link's dates, not from its own state field
TIMES = {"ended": "ended", "not_started": "not yet"}


@click.group(cls=Group)
def link() -> None:
    """Links: add, change, try, import and export them."""


@link.command("add", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("code", required=False)
@field_options(LINK_OPTIONS)
@pass_session
def add_link(session: Session, program: str, code: str | None,
             fields: dict[str, str]) -> None:
    """Add a link.  Without a code one is made, and printed."""
    write(session, program, code, fields, Mode.ADD)


@link.command("set", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("code")
@field_options(LINK_OPTIONS)
@pass_session
def set_link(session: Session, program: str, code: str,
             fields: dict[str, str]) -> None:
    """Change fields of a link; an empty text removes one."""
    if not fields:
        raise Problem(USAGE, "nothing to change: give at least one field,"
                      " like --landing URL")

    write(session, program, code, fields, Mode.SET)


def write(session: Session, program: str, code: str | None,
          fields: dict[str, str], mode: Mode) -> None:
    """Adds or changes one link and says so."""
    keys = session.keys(program)
    wanted = Change(session.code(code) if code is not None else "", fields)

    if code == "":
        raise Problem(REFUSED, "an empty code; leave it out to have one made")

    session.rules.must("link", wanted.code, fields)
    known = session.store.redis.sismember(session.store.programs, program)
    outcome = apply(session.store, keys, [wanted], mode)[0]

    if outcome is Outcome.EXISTS:
        raise Problem(REFUSED, f"link {wanted.code} exists already;"
                      f" \"nginx-referral link set {program} {wanted.code}\""
                      " changes it")

    if outcome is Outcome.MISSING:
        raise missing(program, wanted.code)

    if code is not None and code != wanted.code:
        session.output.note(f"{code} is kept as {wanted.code}, as the module"
                            " looks it up; --case-sensitive keeps it as it"
                            " is")

    if not known:
        session.output.note(f"program {program} is new and says nothing of its"
                            " own; \"nginx-referral program list\" shows those"
                            " that there are")

    session.output.done(f"link {wanted.code}: {outcome.value}",
                        program=program, code=wanted.code,
                        outcome=outcome.value, generated=wanted.generated)


@link.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("code")
@pass_session
def show_link(session: Session, program: str, code: str) -> None:
    """What a link says, its referrer, and its totals."""
    keys = session.keys(program)
    code = session.code(code)

    with session.store.redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.link(code))
        pipe.zscore(keys.links, code)
        pipe.hmget(keys.stats(code), *TOTALS)
        fields, created, totals = pipe.execute()

    if not fields:
        raise missing(program, code)

    shown: dict[str, Any] = {
        "program": program, "code": code, **in_order(fields, LINK_OPTIONS),
        "created": iso(created) if created is not None else None}

    if fields.get("referrer"):
        person = session.store.redis.hgetall(keys.referrer(fields["referrer"]))
        shown.update({f"referrer_{name}": value
                      for name, value in sorted(person.items())})

    shown.update({name: count(n) for name, n in zip(TOTALS, totals)})
    session.output.record(shown)

    if created is None:
        # the module takes an unknown state for disabled
        state = fields.get("state") or "active"
        session.output.note("this link is not in the program's list;"
                            f" \"nginx-referral link set {program} {code}"
                            " --state"
                            f" {state if state in STATES else 'disabled'}\""
                            " puts it there")

    session.rules.warn(session.output, "link", code, fields)


@link.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--referrer", metavar="ID", help="Only this customer's.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=100,
              show_default=True, help="The newest so many.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--scan", is_flag=True,
              help="Only links that stand in no list, as a hand makes them;"
              " all of Redis is looked through.")
@pass_session
def list_links(session: Session, program: str, referrer: str | None,
               limit: int, everything: bool, scan: bool) -> None:
    """Links, newest first.

    State says what becomes of a click now, as far as the link itself tells:
    active, disabled, ended, not yet (not_started in JSON and CSV), or gone,
    of which only the list is left.
    """
    keys = session.keys(program)
    redis = session.store.redis
    found: list[tuple[str, float | None]]

    if scan:
        if referrer is not None:
            raise Problem(USAGE, "--scan or --referrer, one of them")

        listed = {code for code, _ in session.store.codes(keys)}
        found = [(code, None)
                 for code in links_by_hand(session.store, keys, listed)]
        total = len(found)
    elif referrer is not None:
        codes = sorted(redis.smembers(keys.referrer_links(referrer)))
        total = len(codes)
        with redis.pipeline(transaction=False) as pipe:
            for code in codes:
                pipe.zscore(keys.links, code)
            found = [*zip(codes, pipe.execute())]
        found.sort(key=lambda item: item[1] or 0, reverse=True)
    elif everything:
        found = [*session.store.codes(keys)[::-1]]
        total = len(found)
    else:
        found = [*redis.zrevrange(keys.links, 0, limit - 1, withscores=True)]
        total = redis.zcard(keys.links)

    if not everything:
        found = found[:limit]

    session.output.rows(
        ["code", "referrer", "name", "state", "clicks", "created", "landing",
         "ends"],
        link_rows(session, keys, found),
        f"all links of program {program} stand in its list" if scan else
        f"program {program} has no links"
        + (f" of {referrer}" if referrer else "")
        + f"; \"nginx-referral link add {program}\" makes one")

    if total > len(found):
        session.output.note(f"only {'' if scan else 'the newest '}"
                            f"{len(found)} of {total} {are(len(found))} shown;"
                            " --all shows all")

    if scan and found:
        session.output.note(f"\"nginx-referral link set {program} CODE --state"
                            " active\" puts one into the list")


def link_rows(session: Session, keys: Keys,
              found: Sequence[tuple[str, float | None]]) -> list[list[Any]]:
    store = session.store
    codes = [code for code, _ in found]
    hashes = list(store.hashes([keys.link(code) for code in codes]))
    clicks = store.fields([keys.stats(code) for code in codes], "clicks")
    states = states_of(session, keys, hashes)

    return [[code, fields.get("referrer"), fields.get("name"), state,
             count(number), iso(created) if created is not None else None,
             fields.get("landing"), fields.get("ends")]
            for (code, created), fields, number, state
            in zip(found, hashes, clicks, states)]


def states_of(session: Session, keys: Keys,
              links: Sequence[Mapping[str, str]]) -> list[str]:
    """The state of each link now; an active one may have ended, or not
    begun."""
    states = [(fields.get("state") or "active") if fields else "gone"
              for fields in links]
    dated = [i for i, fields in enumerate(links) if states[i] == "active"
             and (fields.get("starts") or fields.get("ends"))]

    if not dated:
        return states

    program = session.store.redis.hgetall(keys.program)

    try:
        found = session.rules.states(program, [links[i] for i in dated])
    except Problem as problem:
        session.output.note("which links have ended, and which have not begun,"
                            f" is not known: {problem}")
        return states

    for i, result in zip(dated, found):
        if result in TIMES:
            states[i] = (TIMES[result] if session.output.for_people
                         else result)

    return states


@link.command("disable", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
@pass_session
def disable_links(session: Session, program: str,
                  codes: tuple[str, ...]) -> None:
    """Visitors of these links go to the fallback from now on."""
    switch(session, program, codes, "disabled")


@link.command("enable", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
@pass_session
def enable_links(session: Session, program: str,
                 codes: tuple[str, ...]) -> None:
    """These links lead to their landings again."""
    switch(session, program, codes, "active")


def switch(session: Session, program: str, codes: Sequence[str],
           state: str) -> None:
    keys = session.keys(program)
    names = distinct(session, codes)
    outcomes = apply(session.store, keys,
                     [Change(code, {"state": state}) for code in names],
                     Mode.SET)

    report(session, program, names,
           [outcome is Outcome.CHANGED for outcome in outcomes], state)


@link.command("rm", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
@pass_session
def remove_link(session: Session, program: str,
                codes: tuple[str, ...]) -> None:
    """Forget links.  Their counts stay."""
    names = distinct(session, codes)
    there = remove(session.store, session.keys(program), names)

    report(session, program, names, there, "removed")


def report(session: Session, program: str, codes: Sequence[str],
           done: Sequence[bool], outcome: str) -> None:
    """Answers for each of several links; the exit code is 1 if one is
    missing."""
    output = session.output
    words = [outcome if ok else "missing" for ok in done]

    if output.for_people:
        for code, word in zip(codes, words):
            if word != "missing":
                output.text(f"link {code}: {word}")
    else:
        output.rows(["program", "code", "outcome"],
                    [[program, code, word]
                     for code, word in zip(codes, words)])

    lacking = [code for code, ok in zip(codes, done) if not ok]

    if lacking:
        raise missing(program, ", ".join(lacking))


def distinct(session: Session, codes: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(map(session.code, codes)))


def missing(program: str, code: str) -> Problem:
    return Problem(NEGATIVE, f"program {program} has no link {code};"
                   f" \"nginx-referral link list {program}\" shows what there"
                   " is")


@link.command("import", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("file", metavar="FILE")
@click.option("--update", is_flag=True,
              help="Links that exist are changed; an empty value removes"
              " their field.")
@click.option("--strict", is_flag=True,
              help="Stop at the first bad line; what stands before it is"
              " written.")
@click.option("--dry-run", is_flag=True, help="Check all, write nothing.")
@pass_session
def import_command(session: Session, program: str, file: str, update: bool,
                   strict: bool, dry_run: bool) -> None:
    """Add links from a file, or from - the standard input.

    CSV with a first line that names the columns, or JSON lines with the same
    names: code referrer name landing landing_args rules state starts ends
    segment channel created.  A line without a code gets one.  A bad line is
    told and left out; empty lines are none.  The text is UTF-8.

    Interrupted, it says how many lines are written; --update goes on.
    """
    import_links(session, program, file, update, strict, dry_run)


@link.command("export", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("-o", "--output", "path", metavar="FILE",
              help="Instead of the standard output.")
@pass_session
def export_command(session: Session, program: str, path: str | None) -> None:
    """All links of a program, as import takes them: CSV, with --json JSON
    lines.

    Those that stand in no list, as a hand makes them, go along, without the
    time when they were made.
    """
    export_links(session, program, path)
