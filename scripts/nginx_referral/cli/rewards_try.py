"""What a list of events would give by a text of reward rules."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any, Mapping, Sequence

import click

from ..reports.days import GivenZone
from ..store.ctool import broken, find_tool
from ..store.entries import ACCOUNTS
from ..store.session import Session
from ..store.try_events import Facts, dump, read_events
from ..store.zone import Zone, offset_zone
from ..text.input import open_input
from ..text.problem import NEGATIVE, REFUSED, Problem
from .options import Command, pass_session, zone_options
from .rewards import ask, read, rewards, signals

TOOL = "referral_ledger_test"
TIMEOUT = 600
PROGRAM = "try"

COLUMNS = ("at", "event", "who", "amount", "from", "to", "rule", "why",
           "until", "reward")

BY_TIME = ("ripe", "expired", "ended", "missed")

# what facts call otherwise than the fields of an event
FIELDS = {"friend": "customer", "order": "order_id", "unit": "currency",
          "refunded": "total_refunded", "place": "country"}


@rewards.command("try", cls=Command)
@click.argument("path", metavar="FILE")
@click.argument("events", metavar="EVENTS")
@click.option("--until", metavar="DATE",
              help="Let time pass up to then: holds end, credit expires.")
@click.option("--ids", is_flag=True,
              help="Show each reward's id, which \"choose\" names.")
@zone_options
@pass_session
def attempt(session: Session, path: str, events: str, until: str | None,
            ids: bool, given: GivenZone) -> int:
    """Show what a list of events would give by a file of reward rules.

    The engine's own code decides, with nothing written anywhere.  EVENTS is
    CSV whose first line names the fields, or JSON lines with the same names:
    those of "convert", with "at" in each line, and "referrer", who brought the
    customer.  "arrives" says when an event that is late comes in.  Types that
    are no events: reserve, commit, release, adjust, choose, payout, paid,
    failed, forget, approve, reject.
    """
    given_text = read(path)
    _, end = ask(given_text)

    if end["mistakes"]:
        raise Problem(NEGATIVE, f"{path} has mistakes: see \"rewards check"
                      f" {path}\"")

    try:
        text = given_text.decode()
    except UnicodeDecodeError as error:
        raise Problem(REFUSED, f"{path}: byte {error.start + 1} is not UTF-8"
                      ) from None

    zone = given.read() or offset_zone(0)
    facts = Facts(text, zone, signals())

    with open_input(events) as file:
        stream = facts.all(read_events(file), until)

    decided = decide(dump(stream), facts.events)
    names = facts.people.names()
    shown = Shown(text, zone, names, facts.events,
                  [int(fact["time"]) for fact in stream])
    rows = [shown.entry(one) for one in decided if "id" in one]
    notes = [shown.notice(one) for one in decided if "notice" in one]
    notes += [f"{facts.events[one['position'] - 2]}: {one['flag']}"
              for one in decided if "flag" in one and one["position"] > 1]
    balances = shown.balances(decided[-1]["balances"])

    # a table with ids is wide

    last = None if ids or not session.output.for_people else -1

    session.output.report(
        {"file": path, "events": len(facts.events), "entries": len(rows)},
        COLUMNS[:last], [row[:last] for row in rows],
        notes=notes if session.output.for_people else ())

    if session.output.for_people and balances:
        session.output.text()
        # hardly ever is something written off
        last = None if any(row[-1] for row in balances) else -1
        session.output.rows(("who", "unit", *ACCOUNTS)[:last],
                            [row[:last] for row in balances])

    return 0


def decide(stream: bytes, events: Sequence[str]) -> list[dict[str, Any]]:
    """What the C program makes of the facts, of which the first is the text
    of rules."""
    try:
        done = subprocess.run([str(find_tool(TOOL)), PROGRAM], input=stream,
                              timeout=TIMEOUT, capture_output=True,
                              check=False)
    except subprocess.TimeoutExpired:
        raise broken(TOOL, f"it gave no answer in {TIMEOUT} s") from None
    except OSError as error:
        raise broken(TOOL, f"it does not run: {error.strerror}") from None

    if done.returncode == 1:
        found = re.match(rb"line (\d+): (.*)", done.stderr)

        if found and 2 <= int(found[1]) < len(events) + 2:
            why = re.sub(r'"(\w+)"', lambda name:
                         f'"{FIELDS.get(name[1], name[1])}"',
                         found[2].decode())

            raise Problem(REFUSED, f"{events[int(found[1]) - 2]}: {why}")

    try:
        decided = [json.loads(line) for line in done.stdout.splitlines()]
        decided[-1]["balances"]
    except (ValueError, LookupError, TypeError):
        raise broken(TOOL, "its answer is not understood") from None

    return decided


class Shown:
    """Entries and sums as people read them."""

    def __init__(self, text: str, zone: Zone, names: Mapping[str, str],
                 events: Sequence[str], times: Sequence[int]) -> None:
        self.zone = zone
        self.names = names
        self.events = events
        self.times = times
        self.decimals = {name: int(number) for name, number in
                         re.findall(r"(\w+)/(\d)", " ".join(
                             line.partition("#")[0]
                             for line in text.splitlines()
                             if line.lstrip(" \t").startswith("unit=")))}

    def amount(self, number: int, unit: str) -> str:
        decimals = self.decimals.get(unit, 0)
        digits = str(abs(number)).rjust(decimals + 1, "0")
        sign = "-" if number < 0 else ""

        return sign + (f"{digits[:-decimals]}.{digits[-decimals:]}"
                       if decimals else digits) + f" {unit}"

    def moment(self, ms: int | None) -> str | None:
        if ms is None:
            return None

        return self.zone.minute_of(ms / 1000)

    def entry(self, one: Mapping[str, Any]) -> list[Any]:
        position = int(one["id"].partition("-")[0]) - 2
        event = None

        # what came by time shows with the next fact, as of its own moment

        if 0 <= position < len(self.events) and one["why"] not in BY_TIME \
                and one["at"] == self.times[position + 1]:
            event = self.events[position]

        until = one["due"] if one["to"] == "pending" \
            else one["expires"] if one["to"] == "available" else None

        # due at once: the next line has it, or a choice is open

        if until == one["at"]:
            until = None

        return [self.moment(one["at"]), event, self.names.get(one["owner"]),
                self.amount(one["amount"], one["unit"]), one["from"],
                one["to"], one["rule"], one["why"], self.moment(until),
                one["reward"]]

    def notice(self, one: Mapping[str, Any]) -> str:
        who = self.names.get(one["who"], "")
        words = [str(self.moment(one["at"])), one["notice"], who, one["name"],
                 one["detail"]]

        return " ".join(word for word in words if word)

    def balances(self, found: Sequence[Sequence[Any]]) -> list[list[Any]]:
        sums: dict[tuple[str, str], dict[str, int]] = {}

        for owner, unit, account, number in found:
            name = self.names.get(owner, owner)
            sums.setdefault((name, unit), {})[account] = number

        return [[who, unit, *(self.amount(mine[account], unit)
                              if account in mine else None
                              for account in ACCOUNTS)]
                for (who, unit), mine in sorted(sums.items())]
