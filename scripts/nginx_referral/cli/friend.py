"""Friends: who came by somebody's link."""

from __future__ import annotations

from typing import Any

import click

from ..store.keys import Keys
from ..store.moments import moment
from ..store.people import NUMBER, People, Person, person_of
from ..store.session import Session
from ..text.problem import NEGATIVE, Problem
from .options import Command, Group, pass_session


@click.group(cls=Group)
def friend() -> None:
    """Friends: customers who came by somebody's link."""


@friend.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@pass_session
def show_friend(session: Session, program: str, customer: str) -> None:
    """Whose friend a customer is, since when and by what, and how far.

    CUSTOMER is the shop's id.  u17 is number 17, also of somebody who was
    forgotten: of these only the number is left.
    """
    keys = session.keys(program)
    store = session.store
    person = person_of(store, keys, customer) or by_number(session, keys,
                                                           customer)
    people = People(store, keys)
    progress = store.redis.hgetall(keys.friend(person.number))

    if not person.name and not progress:
        raise Problem(NEGATIVE, f"of number {person.number} nothing is kept"
                      f" but the entries; \"nginx-referral conversions list"
                      f" {program} --friend u{person.number}\" shows them")

    answer: dict[str, Any] = {
        "program": program, "customer": person.name or None,
        "friend": f"u{person.number}"}

    if person.referrer is not None:
        answer.update({
            "referrer": people.name(person.referrer),
            "referrer_number": f"u{person.referrer}", "code": person.code,
            "bound_at": moment(person.bound_at), "via": person.via})

    if progress:
        answer["progress"] = dict(sorted(progress.items()))

    session.output.record(answer)

    if person.referrer is None and person.name:
        session.output.note(f"{customer} is nobody's friend: no event of"
                            " theirs came with a click, a cookie or a code"
                            " that counted")

    session.output.note(f"\"nginx-referral conversions list {program} --friend"
                        f" {person.name or f'u{person.number}'}\" shows what"
                        " they did")


def by_number(session: Session, keys: Keys, text: str) -> Person:
    found = NUMBER.fullmatch(text)
    number = int(found[1]) if found else 0
    last = session.store.redis.hget(keys.names, "next") or ""

    if not number or not last.isdecimal() or number > int(last):
        raise Problem(NEGATIVE, f"program {keys.program_name} knows no"
                      f" customer {text}; ids are exact, and \"nginx-referral"
                      f" conversions list {keys.program_name}\" shows those of"
                      " the newest conversions")

    name = session.store.redis.hget(keys.names, str(number))

    return (person_of(session.store, keys, name) if name else None) or Person(
        number)
