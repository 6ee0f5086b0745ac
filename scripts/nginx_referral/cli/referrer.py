"""Referrers: the customers that links belong to."""

from __future__ import annotations

from typing import Any

import click

from ..store.session import Session
from ..store.store import count
from ..text.problem import NEGATIVE, USAGE, Problem
from .fields import field_options, in_order
from .options import Command, Group, pass_session

REFERRER_FIELDS = {
    "name": "Who invites; a link's own name wins.",
    "segment": "Like vip; a link's own segment wins.",
}


@click.group(cls=Group)
def referrer() -> None:
    """Referrers: the customers that links belong to."""


@referrer.command("set", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("who", metavar="ID")
@field_options(REFERRER_FIELDS)
@pass_session
def set_referrer(session: Session, program: str, who: str,
                 fields: dict[str, str]) -> None:
    """Say a customer's name or segment; an empty text removes it."""
    if not fields:
        raise Problem(USAGE, "nothing to change: give --name or --segment")

    keys = session.keys(program)
    session.rules.must("referrer", who, fields)
    given: dict[Any, str] = {k: v for k, v in fields.items() if v}
    gone = [k for k, v in fields.items() if not v]

    with session.store.redis.pipeline() as tx:
        if gone:
            tx.hdel(keys.referrer(who), *gone)
        if given:
            tx.hset(keys.referrer(who), mapping=given)
        tx.execute()

    session.output.done(f"referrer {who}: changed", program=program,
                        referrer=who, outcome="changed")


@referrer.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("who", metavar="ID")
@pass_session
def show_referrer(session: Session, program: str, who: str) -> None:
    """What is known of a customer: name, segment, links, clicks."""
    keys = session.keys(program)

    with session.store.redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.referrer(who))
        pipe.smembers(keys.referrer_links(who))
        pipe.zscore(keys.board_referrers(), who)
        fields, codes, clicks = pipe.execute()

    if not fields and not codes and clicks is None:
        raise Problem(NEGATIVE, f"program {program} knows no referrer {who};"
                      f" \"nginx-referral referrer list {program}\" shows"
                      " those with links")

    session.output.record({"program": program, "referrer": who,
                           **in_order(fields, REFERRER_FIELDS),
                           "links": sorted(codes), "clicks": count(clicks)})
    session.rules.warn(session.output, "referrer", who, fields)


@referrer.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@pass_session
def list_referrers(session: Session, program: str) -> None:
    """The customers that have links in a program."""
    keys = session.keys(program)
    store = session.store
    codes = [keys.link(code) for code, _ in store.codes(keys)]
    links: dict[str, int] = {}

    for name in store.fields(codes, "referrer"):
        if name:
            links[name] = links.get(name, 0) + 1

    names = sorted(links)
    hashes = store.hashes([keys.referrer(name) for name in names])

    with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.zscore(keys.board_referrers(), name)
        clicks = pipe.execute()

    session.output.rows(
        ["referrer", "name", "segment", "links", "clicks"],
        [[name, fields.get("name"), fields.get("segment"), links[name],
          count(number)]
         for name, fields, number in zip(names, hashes, clicks)],
        f"no link of program {program} names a referrer; \"nginx-referral link"
        f" set {program} CODE --referrer ID\" does")
