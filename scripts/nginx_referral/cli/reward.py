"""Rewards: what was given to whom, and what is done with one."""

from __future__ import annotations

import re
import unicodedata

import click

from ..store.reward_units import RewardUnits
from ..store.session import Session
from ..text.output import UNSAFE
from ..text.problem import REFUSED, Problem
from .options import Choice, Command, Group, pass_session
from .reward_command import How, command_options, program_of, send
from .wallet import paid

REWARD = re.compile(r"[0-9a-f]{16}")
WORD = re.compile(r"[a-z0-9_.-]{1,32}")

REASON_MAX = 256


@click.group(cls=Group)
def reward() -> None:
    """Rewards: what was given to whom, and what became of it."""


@reward.command("adjust", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@click.argument("amount", metavar="AMOUNT")
@click.argument("unit", metavar="UNIT")
@click.option("--state", type=Choice(("available", "spent")), required=True,
              help="available: they can use it; spent: they have had it"
              " already.")
@click.option("--reason", metavar="TEXT", required=True,
              help="Why, for who reads the books.")
@click.option("--cap", metavar="NAME",
              help="It counts in this cap of the rules.")
@click.option("--new", "create", is_flag=True,
              help="The customer may be one of whom the program knows nothing"
              " yet.")
@command_options()
@pass_session
def adjust(session: Session, program: str, customer: str, amount: str,
           unit: str, state: str, reason: str, cap: str | None, create: bool,
           how: How) -> int:
    """Give somebody an amount by hand, such as 12.50 EUR: a reward of its
    own, beside those of the rules.

    CUSTOMER is the shop's id, of a referrer the same; u17 is number 17.  An
    unknown one is refused, in case it is mistyped, but with --new.
    """
    keys = program_of(session, program)
    units = RewardUnits(session, keys)
    number = units.read(amount, unit)

    if cap is not None:
        units.known("cap", cap)

    return send(
        session, keys, how, "adjust", {
            "amount": str(number), "unit": unit, "state": state,
            "cap": cap or "", "reason": read_reason(reason)},
        {**paid(session, units, number, unit), "state": state, "cap": cap,
         "reason": reason.strip()}, customer, create=create)


def read_reason(text: str, option: str = "--reason") -> str:
    text = text.strip()

    if not text or len(text.encode("utf-8", "surrogateescape")) > REASON_MAX \
            or any(unicodedata.category(char) in UNSAFE for char in text):
        raise Problem(REFUSED, f"{option} is a line of 1 to {REASON_MAX}"
                      " bytes")

    return text


@reward.command("choose", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("reward_id", metavar="REWARD")
@click.argument("prize", metavar="PRIZE")
@command_options()
@pass_session
def choose(session: Session, program: str, reward_id: str, prize: str,
           how: How) -> int:
    """Choose one of the prizes that a reward offers, for its owner.

    REWARD is its id, 16 digits; PRIZE is a name from the rule, without
    "prize:".
    """
    keys = program_of(session, program)

    if not REWARD.fullmatch(reward_id):
        raise Problem(REFUSED, f"REWARD {reward_id!r} is none: an id is 16 of"
                      " 0-9 a-f")

    if not WORD.fullmatch(prize):
        raise Problem(REFUSED, f"PRIZE {prize!r} is none: a name is 1 to 32 of"
                      " a-z 0-9 _ . -")

    return send(session, keys, how, "choose",
                {"reward": reward_id, "prize": prize},
                {"reward": reward_id, "prize": prize})
