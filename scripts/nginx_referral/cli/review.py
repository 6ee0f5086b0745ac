"""Reviews: whether what a friend earned is right."""

from __future__ import annotations

import click

from ..store.session import Session
from .options import Command, Group, pass_session
from .reward_command import How, command_options, program_of, send


@click.group(cls=Group)
def review() -> None:
    """Reviews: friends whose rewards wait for somebody's word."""


@review.command("approve", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@command_options()
@pass_session
def approve(session: Session, program: str, customer: str, how: How) -> int:
    """A friend is right: what is in review goes on, on both sides.

    CUSTOMER is the friend's id in the shop; u17 is number 17.
    """
    return judge(session, program, customer, "approve", how)


@review.command("reject", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@command_options()
@pass_session
def reject(session: Session, program: str, customer: str, how: How) -> int:
    """A friend is wrong, for good: what is in review, pending or available by
    them is cancelled on both sides; what is spent stays.

    CUSTOMER is the friend's id in the shop; u17 is number 17.
    """
    return judge(session, program, customer, "reject", how)


def judge(session: Session, program: str, customer: str, word: str, how: How
          ) -> int:
    keys = program_of(session, program)

    return send(session, keys, how, word, {}, {}, customer, "friend")
