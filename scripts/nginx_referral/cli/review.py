"""Reviews: whether what a friend earned is right."""

from __future__ import annotations

from typing import Any

import click

from ..reports.counters import require
from ..reports.reward_why import RewardWhy
from ..store.keys import Keys
from ..store.moments import moment
from ..store.people import People, find_number
from ..store.reviews import Review, review as review_of, reviews
from ..store.rewards import Reward, all_rewards
from ..store.session import Session
from ..text.problem import NEGATIVE, Problem
from .options import Command, Group, pass_session
from .reward_command import How, command_options, program_of, send

COLUMNS = ("friend", "number", "since", "score", "signals", "ends", "then")
WAITING = ("reward", "owner", "side", "rule", "unit", "pending")


@click.group(cls=Group)
def review() -> None:
    """Reviews: friends whose rewards wait for somebody's word."""


@review.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@pass_session
def list_reviews(session: Session, program: str) -> None:
    """Friends in review: what ends by itself first comes first.

    "signals" are the signs of fraud that led to it; at its end ("ends") it is
    approved or, where "then" is wait, only told again.
    """
    keys = session.keys(program)
    found = reviews(session.store, keys)

    if not found:
        require(session.store, keys)

    people = People(session.store, keys)
    people.learn(one.friend for one in found)
    session.output.rows(COLUMNS, [row(one, people) for one in found],
                        f"program {program} has nobody in review")


def row(one: Review, people: People) -> list[Any]:
    return [people.known_name(one.friend), f"u{one.friend}", moment(one.since),
            one.score, " ".join(one.signals), moment(one.ends),
            "approve" if one.approves else "wait"]


@review.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@pass_session
def show_review(session: Session, program: str, customer: str) -> None:
    """Why a friend is in review, and what waits for it on both sides.

    CUSTOMER is the friend's id in the shop; u17 is number 17.  This scans all
    rewards.
    """
    keys = session.keys(program)
    number = find_number(session.store, keys, customer)
    one = review_of(session.store, keys, number)

    if one is None:
        raise Problem(NEGATIVE, f"{customer} is not in review; \"review list"
                      f" {program}\" shows who is")

    why = RewardWhy(session, keys)
    session.output.report(
        dict(zip(COLUMNS, row(one, why.people))), WAITING,
        [waiting(session, why, reward)
         for reward in waits(session, keys, number)])


def waits(session: Session, keys: Keys, number: int) -> list[Reward]:
    return [reward for reward in all_rewards(session.store, keys)
            if reward.number("friend") == number
            and reward.text("state") == "review"]


def waiting(session: Session, why: RewardWhy, reward: Reward) -> list[Any]:
    unit = reward.text("unit")
    pending = reward.sum("pending")

    return [reward.name, why.people.name(reward.number("owner")),
            reward.text("side"), reward.text("rule"), unit,
            why.amount(pending, unit) if session.output.for_people
            else pending]


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
