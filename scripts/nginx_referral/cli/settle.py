"""How far the settler is with a program."""

from __future__ import annotations

from typing import Any

import click

from ..reports.counters import require
from ..store.facts import at_position, last_number
from ..store.moments import moment, span
from ..store.session import Session
from ..store.store import count
from ..text.problem import NEGATIVE, OK
from .options import Command, Group, pass_session


@click.group(cls=Group)
def settle() -> None:
    """The settler: the program that counts conversions and rewards."""


@settle.command("status", cls=Command)
@click.argument("program", metavar="PROGRAM")
@pass_session
def status(session: Session, program: str) -> int:
    """How far the settler is with a program: 0 well, 1 it is in trouble.

    All that was told is counted when "lag" is 0, and all that is due has
    happened when "due_lag_ms" is 0.  Times in JSON are in milliseconds.
    """
    keys = session.keys(program)
    store = session.store
    fields = store.redis.hgetall(keys.settled)
    end = last_number(store, keys)

    if not fields and not end:
        require(store, keys)

    seconds, micro = store.redis.time()
    now = int(seconds) * 1000 + int(micro) // 1000
    position = count(fields.get("position"))
    due = count(fields.get("next_due")) or None
    lease = fields.get("lease") if count(fields.get("lease_until")) > now \
        else None
    trouble = fields.get("trouble") or None
    writing = fields.get("writing") or ""

    if position > end:
        trouble = trouble or (f"the stream ends at entry {end}, but entry"
                              f" {position} was settled: it was replaced")

    first = at_position(store, keys, position + 1) if position < end else None
    began = first.number("time") if first else None
    answer: dict[str, Any] = {
        "program": program, "position": position, "end": end,
        "lag": max(0, end - position),
        "waiting_ms": max(0, now - began) if began is not None else 0,
        "settled_at": count(fields.get("settled_at")) or None,
        "newest_at": count(fields.get("newest_at")) or None, "now": now,
        "next_due": due, "due_lag_ms": max(0, now - due) if due else 0,
        "engine": fields.get("engine"), "chain": fields.get("chain"),
        "rewards_chain": fields.get("rewards_chain"), "lease": lease,
        "stopped": fields.get("stopped") or None, "trouble": trouble,
        "rewards_refused": fields.get("rewards_refused") or None,
        "writing": writing if "/" in writing else None}
    well = not answer["stopped"] and not trouble

    if not session.output.for_people:
        session.output.record(answer)
        return OK if well else NEGATIVE

    for name in ("settled_at", "newest_at", "now", "next_due"):
        answer[name] = moment(answer[name])

    for name in ("waiting_ms", "due_lag_ms"):
        answer[name.removesuffix("_ms")] = span(answer.pop(name))

    session.output.record(answer)

    if lease is None:
        session.output.note("no nginx-referral-settle is at work on it")

    if answer["rewards_refused"]:
        session.output.note("the text of rewards that the program has now was"
                            " refused; the one before it holds")

    return OK if well else NEGATIVE
