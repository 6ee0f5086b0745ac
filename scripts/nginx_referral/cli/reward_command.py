"""What the commands about rewards share: they are appended to the stream of
conversions, and the settler does them."""

from __future__ import annotations

import re
import uuid
from functools import wraps
from typing import Any, Callable, Mapping, Sequence

import click

from ..reports.counters import require
from ..store.commands import RewardCommand, append, moved, wait
from ..store.keys import Keys
from ..store.people import People
from ..store.session import Session
from ..text.problem import NEGATIVE, OK, REFUSED, Problem

# ids of events, orders and customers, as the intake takes them
ID = re.compile(r"[!-~]{1,128}")

# words of the ledger's entries that say that it did the command; the rest move
# nothing themselves
DONE = {"reserve": ("reserve",), "commit": ("commit", "once"),
        "release": ("cancel",), "adjust": ("adjust",), "payout": ("payout",),
        "paid": ("paid",), "failed": ("failed",)}

REASONS = {
    "reserve": "the customer has not so much to use, or the item is sold out"
               " or has another price",
    "commit": "the reserve has ended or was committed or released, or less"
              " than that is reserved",
    "release": "the reserve has ended or was committed or released",
    "adjust": "the program has no rules of rewards, or no such cap",
    "payout": "the customer has not so much to use, or less than --min",
    "paid": "the payout was paid or has failed already",
    "failed": "the payout was paid or has failed already",
    "choose": "there is no such reward, or none that still has this choice",
}

COLUMNS = ("id", "reward", "owner", "unit", "amount", "from", "to", "why")


def command_options(*names: str) -> Callable[[Any], Any]:
    """The options of all of them; the command gets them as "how"."""
    def decorate(command: Any) -> Any:
        @wraps(command)
        def wrapped(*args: Any, event_id: str | None, waits: bool,
                    patience: int, **more: Any) -> Any:
            return command(*args, how=How(event_id, waits, patience), **more)

        for option in (
                click.option("--patience", type=click.IntRange(min=0),
                             default=30, show_default=True, metavar="SECONDS",
                             help="How long --wait waits."),
                click.option("--wait", "waits", is_flag=True,
                             help="Until the settler has done it, and say what"
                             " moved."),
                click.option("--event-id", *names, "event_id", metavar="ID",
                             help="Its own id: the same command with the same"
                             " id is done once.  Made if not given.")):
            wrapped = option(wrapped)

        return wrapped

    return decorate


class How:
    """How a command is to be sent."""

    def __init__(self, event_id: str | None, waits: bool, patience: int
                 ) -> None:
        self.made = event_id is None
        self.event_id = checked("--event-id", event_id or str(uuid.uuid4()))
        self.waits = waits
        self.patience = patience


def checked(what: str, text: str) -> str:
    if not ID.fullmatch(text):
        raise Problem(REFUSED, f"{what} {text!r} is none: 1 to 128 letters,"
                      " digits and signs, without spaces")

    return text


def program_of(session: Session, program: str) -> Keys:
    keys = session.keys(program)

    require(session.store, keys)

    return keys


def send(session: Session, keys: Keys, how: How, kind: str,
         fields: Mapping[str, str], told: Mapping[str, Any],
         customer: str = "", role: str = "owner", create: bool = False
         ) -> int:
    """Appends the command; "told" is what the answer says of it besides.
    Exit code 1: the settler refused it."""
    store, output = session.store, session.output

    if customer:
        checked("CUSTOMER", customer)

    done = append(store, keys, RewardCommand(
        kind, how.event_id, {name: text for name, text in fields.items()
                             if text}, role if customer else "", customer,
        create))
    answer: dict[str, Any] = {
        "program": keys.program_name, "type": kind, "event_id": how.event_id,
        "position": done.position, "replayed": done.replayed}

    if customer:
        answer |= {"customer": customer, "number": f"u{done.number}"}

    answer |= told

    if how.waits:
        wait(store, keys, done.position, how.patience)

    rows = entries(session, keys, done.position) if how.waits else []
    did = done_by(session, keys, kind, fields, rows) if how.waits else None

    if output.for_people:
        output.record({**answer, "replayed": "yes" if done.replayed else None})
    else:
        output.record({**answer, "settled": how.waits, "done": did,
                       "entries": [dict(zip(COLUMNS, row)) for row in rows]})

    if output.for_people and rows:
        output.text()
        output.rows(COLUMNS, rows)

    if done.created:
        output.note(f"{customer} was not known, and is number {done.number}"
                    " now")

    if done.replayed:
        output.note("it was there before: nothing is done again")
    elif how.made:
        output.note("its id was made: who sends it again without --event-id"
                    f" {how.event_id} does it again")

    if did is False:
        output.note(f"refused: {REASONS[kind]}")
    elif how.waits and not rows:
        output.note("no reward moved")
    elif not how.waits:
        output.note("it is done when the settler comes to it; --wait tells")

    return NEGATIVE if did is False else OK


def entries(session: Session, keys: Keys, position: int
            ) -> list[Sequence[Any]]:
    """What moved at this entry, also what was due until then."""
    people = People(session.store, keys)

    return [[name, fields.get("reward"),
             people.name(int(fields.get("owner") or 0)), fields.get("unit"),
             int(fields.get("amount") or 0), fields.get("from"),
             fields.get("to"), fields.get("why")]
            for name, fields in moved(session.store, keys, position)]


def done_by(session: Session, keys: Keys, kind: str,
            fields: Mapping[str, str], rows: Sequence[Sequence[Any]]
            ) -> bool | None:
    """Whether the settler did it; None if nothing tells."""
    if kind == "choose":
        return bool(session.store.redis.hget(keys.reward(fields["reward"]),
                                             "prize") == fields["prize"])

    if kind not in DONE:
        return None

    return any(row[-1] in DONE[kind] for row in rows)
