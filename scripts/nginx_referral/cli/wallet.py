"""Wallets: what people have, and what is done with it."""

from __future__ import annotations

from typing import Any

import click

from ..store.facts import find
from ..store.moments import length
from ..store.reward_units import RewardUnits
from ..store.session import Session
from ..text.problem import NEGATIVE, REFUSED, Problem
from .options import Command, Group, pass_session
from .reward_command import (How, checked, command_options, program_of, send)

# milliseconds
RESERVE_MAX = 400 * 86400 * 1000


@click.group(cls=Group)
def wallet() -> None:
    """Wallets: what people have, and what became of it."""


@wallet.command("reserve", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("customer", metavar="CUSTOMER")
@click.argument("amount", metavar="AMOUNT")
@click.argument("unit", metavar="UNIT")
@click.option("--order", metavar="ORDER_ID",
              help="The order that it is for.")
@click.option("--order-amount", metavar="AMOUNT",
              help="What the order costs: rewards with a least order are used"
              " only with it.")
@click.option("--item", metavar="NAME",
              help="For this item of the rewards; AMOUNT is its price.")
@click.option("--ttl", metavar="TIME", default="30m", show_default=True,
              help="It ends after that, unless it is committed: 90s, 30m, 2h,"
              " 7d.")
@command_options("--token")
@pass_session
def reserve(session: Session, program: str, customer: str, amount: str,
            unit: str, order: str | None, order_amount: str | None,
            item: str | None, ttl: str, how: How) -> int:
    """Set aside what a customer has, such as 12.50 EUR, while they pay.

    The event_id in the answer is the token that "wallet commit" and "wallet
    release" take; --token is the same as --event-id.  What ends first is used
    first.  CUSTOMER is the shop's id; u17 is number 17.
    """
    keys = program_of(session, program)
    units = RewardUnits(session, keys)
    number = units.read(amount, unit)
    life = length(ttl, 0)

    if not life or life > RESERVE_MAX:
        raise Problem(REFUSED, f"--ttl {ttl!r} is no time from 1s to 400d;"
                      " right is 90s, 30m, 2h or 7d")

    if item is not None:
        units.known("item", item)

    of_order = None if order_amount is None else units.read(
        order_amount, unit, "--order-amount", 0)

    return send(
        session, keys, how, "reserve", {
            "amount": str(number), "unit": unit,
            "order": "" if order is None else checked("--order", order),
            "order_amount": "" if of_order is None else str(of_order),
            "ttl": str(life), "item": item or ""},
        {**paid(session, units, number, unit), "order_id": order,
         "item": item, "ttl": ttl}, customer)


@wallet.command("commit", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("token", metavar="TOKEN")
@click.argument("amount", metavar="[AMOUNT]", required=False)
@click.option("--order", metavar="ORDER_ID", help="The order that it paid.")
@command_options()
@pass_session
def commit(session: Session, program: str, token: str, amount: str | None,
           order: str | None, how: How) -> int:
    """Spend what was reserved: all, or AMOUNT in the reserve's unit; the rest
    goes back.  TOKEN is the event_id of the reserve."""
    keys = program_of(session, program)
    units = RewardUnits(session, keys)
    reserved, unit = of_token(session, keys, token)
    number = (reserved if amount is None
              else units.read(amount, unit, least=0))

    if number > reserved:
        raise Problem(REFUSED, f"{units.amounts.show(number, unit)} is more"
                      f" than {token} reserved:"
                      f" {units.amounts.show(reserved, unit)}")

    return send(
        session, keys, how, "commit", {
            "token": token, "amount": str(number), "unit": unit,
            "order": "" if order is None else checked("--order", order)},
        {"token": token, **paid(session, units, number, unit),
         "order_id": order})


@wallet.command("release", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("token", metavar="TOKEN")
@command_options()
@pass_session
def release(session: Session, program: str, token: str, how: How) -> int:
    """Give back what was reserved: the order did not come about.  TOKEN is
    the event_id of the reserve."""
    keys = program_of(session, program)
    of_token(session, keys, token)

    return send(session, keys, how, "release", {"token": token},
                {"token": token})


def of_token(session: Session, keys: Any, token: str) -> tuple[int, str]:
    """What was to be reserved, and its unit."""
    fact, _ = find(session.store, keys, token)

    if fact is None or fact.text("type") != "reserve" or fact.is_event:
        raise Problem(NEGATIVE, f"program {keys.program_name} has no reserve"
                      f" {token}; the token is the event_id of \"wallet"
                      " reserve\"")

    return fact.number("amount") or 0, fact.text("unit")


def paid(session: Session, units: RewardUnits, amount: int, unit: str
         ) -> dict[str, Any]:
    """An amount as the answer has it."""
    if session.output.for_people:
        return {"amount": units.amounts.show(amount, unit)}

    return {"amount": amount, "unit": unit}
