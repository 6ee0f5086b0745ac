"""Payouts: money that leaves to people, until it has arrived."""

from __future__ import annotations

import click

from ..reports.counters import require
from ..store.facts import find
from ..store.keys import Keys
from ..store.moments import moment
from ..store.payouts import payouts
from ..store.people import People
from ..store.reward_units import RewardUnits
from ..store.session import Session
from ..text.problem import NEGATIVE, REFUSED, Problem
from .options import Command, Group, pass_session
from .reward import read_reason
from .reward_command import How, command_options, program_of, send
from .wallet import paid as told

COLUMNS = ("payout", "since", "owner", "number", "unit", "amount")


@click.group(cls=Group)
def payout() -> None:
    """Payouts: money that leaves to people, until it has arrived.

    A payout sets aside what somebody has, so that nothing else uses it.  Send
    the money with the payout's id as your reference, and say "paid" when your
    bank does, or "failed": then it goes back.
    """


@payout.command("start", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@click.argument("unit", metavar="UNIT")
@click.argument("amount", metavar="[AMOUNT]", required=False)
@click.option("--min", "least", metavar="AMOUNT",
              help="Not less than that: otherwise it is refused.")
@command_options("--token")
@pass_session
def start(session: Session, program: str, customer: str, unit: str,
          amount: str | None, least: str | None, how: How) -> int:
    """Set aside what is paid out: AMOUNT, or all that the customer can use.

    The event_id in the answer is the token that "payout paid" and "payout
    failed" take; --token is the same as --event-id.  It does not end by
    itself.  CUSTOMER is the shop's id; u17 is number 17.
    """
    keys = program_of(session, program)
    units = RewardUnits(session, keys)
    units.must(unit)
    number = None if amount is None else units.read(amount, unit)
    at_least = None if least is None else units.read(least, unit, "--min")

    if number is not None and at_least is not None and number < at_least:
        raise Problem(REFUSED, f"{amount} is less than --min {least}")

    return send(
        session, keys, how, "payout", {
            "amount": "" if number is None else str(number), "unit": unit,
            "least": "" if at_least is None else str(at_least)},
        {**(told(session, units, number, unit) if number is not None
            else {"amount": "all", "unit": unit}), "min": least}, customer)


@payout.command("paid", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("token", metavar="TOKEN")
@click.option("--reference", metavar="TEXT", default="",
              help="Of your bank, kept with it.")
@command_options()
@pass_session
def arrived(session: Session, program: str, token: str, reference: str,
            how: How) -> int:
    """The money has arrived: it is spent.  TOKEN is the event_id of the
    payout."""
    return end(session, program, token, "paid", "--reference", reference, how)


@payout.command("failed", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("token", metavar="TOKEN")
@click.option("--reason", metavar="TEXT", default="", help="Why, kept with"
              " it.")
@command_options()
@pass_session
def failed(session: Session, program: str, token: str, reason: str, how: How
           ) -> int:
    """The money has not arrived: it goes back to its owner.  TOKEN is the
    event_id of the payout."""
    return end(session, program, token, "failed", "--reason", reason, how)


def end(session: Session, program: str, token: str, kind: str, option: str,
        text: str, how: How) -> int:
    keys = program_of(session, program)
    of_token(session, keys, token)

    return send(session, keys, how, kind,
                {"token": token, "reason": read_reason(text, option) if text else ""},
                {"token": token, option[2:]: text or None})


def of_token(session: Session, keys: Keys, token: str) -> None:
    fact, _ = find(session.store, keys, token)

    if fact is None or fact.text("type") != "payout" or fact.is_event:
        raise Problem(NEGATIVE, f"program {keys.program_name} has no payout"
                      f" {token}; the token is the event_id of \"payout"
                      " start\"")


@payout.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@pass_session
def list_payouts(session: Session, program: str) -> None:
    """Payouts that have neither arrived nor failed, the oldest first.

    In JSON and CSV an amount is in the smallest part of its unit.
    """
    keys = session.keys(program)
    found = payouts(session.store, keys)

    if not found:
        require(session.store, keys)

    people = People(session.store, keys)
    people.learn(one.owner for one in found)
    units = RewardUnits(session, keys)
    session.output.rows(COLUMNS, [
        [one.token, moment(one.since), people.known_name(one.owner),
         f"u{one.owner}", one.unit,
         units.amounts.show(one.amount, one.unit)
         if session.output.for_people else one.amount] for one in found],
        f"program {program} has no payout on its way")
