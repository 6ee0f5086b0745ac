"""Programs: what holds for all links that have nothing of their own."""

from __future__ import annotations

import click

from ..store import programs
from ..store.session import Session
from ..store.store import count
from ..text.problem import NEGATIVE, Problem, several
from .fields import field_options, in_order
from .options import Command, Group, pass_session

PROGRAM_FIELDS = {
    "landing": "Where visitors go: a URL with {lang}, {country|us}…",
    "landing_args": "Added to every landing, like ref={code}; or off.",
    "fallback": "Where they go when the link does not hold.",
    "rules": "One rule a line; the first that matches wins.",
    "languages": "Like en,ja; the first is the default.",
    "state": "active or paused.",
    "starts": "2026-12-01, or 2026-12-01T10:00, in the program's zone.",
    "ends": "The same; through its last second.",
    "timezone": "Whose midnight ends a day, like Europe/Berlin.",
    "utc_offset": "The same without summer time, like +09:00.",
    "window": "How long a click counts, like 30d.",
    "late": "How late a sale may be told, like 60d.",
    "attribution": "last or first.",
    "attribution_order": "Who gets the credit: bound,click,cookie,code.",
    "bind": "ever, or window: a friend is free when it is over.",
    "webhooks": "on: what becomes of rewards is kept for others; or off.",
    "offer": "What a friend gets, in words, for $referral_offer.",
}

BOTH_ZONES = ("its timezone wins: utc_offset has no effect beside it;"
              " --utc-offset '' removes that")


@click.group(cls=Group)
def program() -> None:
    """Programs: campaigns or brands, what holds for all their links."""


@program.command("set", cls=Command)
@click.argument("name", metavar="PROGRAM")
@field_options(PROGRAM_FIELDS)
@click.option("--offer-in", "offers", metavar="LANG TEXT", nargs=2,
              multiple=True, help="The offer in a language, like de.")
@pass_session
def set_program(session: Session, name: str, fields: dict[str, str],
                offers: tuple[tuple[str, str], ...]) -> None:
    """Make a program, or change fields of it; an empty text removes one."""
    keys = session.keys(name)
    fields.update((f"offer:{language.lower()}", text)
                  for language, text in offers)
    session.rules.must("program", name, fields)

    there = programs.write(session.store, keys, fields)

    session.output.done(f"program {name}: {'changed' if there else 'made'}",
                        program=name,
                        outcome="changed" if there else "added")

    if programs.has_both_zones(session.store, keys):
        session.output.note(BOTH_ZONES)

    for field in ("window", "late"):
        if fields.get(field, "").isdecimal():
            session.output.note(f"a {field} of {fields[field]} is seconds;"
                                f" {fields[field]}d is days")


@program.command("show", cls=Command)
@click.argument("name", metavar="PROGRAM")
@pass_session
def show_program(session: Session, name: str) -> None:
    """What a program says, and how many links and clicks it has."""
    keys = session.keys(name)
    store = session.store

    with store.redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.program)
        pipe.sismember(store.programs, name)
        pipe.zcard(keys.links)
        pipe.hget(keys.stats(), "clicks")
        fields, listed, links, clicks = pipe.execute()

    if not fields and not listed and not links:
        raise Problem(NEGATIVE, f"there is no program {name};"
                      f" \"nginx-referral program set {name}\" makes it,"
                      " \"nginx-referral program list\" shows those that there"
                      " are")

    session.output.record({"program": name,
                           **in_order(fields, PROGRAM_FIELDS),
                           "links": links, "clicks": count(clicks)})
    session.rules.warn(session.output, "program", name, fields)

    if fields.get("timezone") and fields.get("utc_offset"):
        session.output.note(BOTH_ZONES)


@program.command("list", cls=Command)
@pass_session
def list_programs(session: Session) -> None:
    """All programs."""
    store = session.store
    names = store.program_names()
    rows = []

    with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            keys = store.keys(name)
            pipe.hmget(keys.program, "state", "landing")
            pipe.zcard(keys.links)
            pipe.hget(keys.stats(), "clicks")

        found = iter(pipe.execute())

    for name in names:
        (state, landing), links, clicks = next(found), next(found), next(found)
        rows.append([name, state or "active", links, count(clicks), landing])

    session.output.rows(["program", "state", "links", "clicks", "landing"],
                        rows, "there are no programs yet; \"nginx-referral"
                        " program set NAME --landing URL\" makes one")


@program.command("rm", cls=Command)
@click.argument("name", metavar="PROGRAM")
@click.option("--links", is_flag=True,
              help="Remove its links and referrers too.")
@pass_session
def remove_program(session: Session, name: str, links: bool) -> None:
    """Forget a program's settings.  Its counts stay."""
    keys = session.keys(name)
    store = session.store
    removed = programs.remove_links(store, keys) if links else 0
    there = programs.remove(store, keys)

    if not there:
        raise Problem(NEGATIVE, f"there is no program {name};"
                      " \"nginx-referral program list\" shows those that there"
                      " are")

    session.output.done(f"program {name}: removed"
                        + (f", with {several(removed, 'link')}" if links
                           else ""),
                        program=name, outcome="removed", links=removed)
