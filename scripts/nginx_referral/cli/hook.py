"""Endpoints of webhooks: who is told of what becomes of friends and
rewards."""

from __future__ import annotations

import secrets
import time
from typing import Any

import click

from ..reports.counters import require
from ..store import hooks
from ..store.hook_counts import Counts, all_counts, counts_of, groups
from ..store.hooks import Hook
from ..store.keys import Keys
from ..store.moments import length, moment, span
from ..store.session import Session
from ..store.store import count
from ..text.problem import NEGATIVE, REDIS, USAGE, Problem, several
from .options import Command, Group, pass_session

SHOWN = 20
PATIENCE = 30.0

SECRET = ("the secret is shown now and never again; the receiver checks"
          " signatures with it")


@click.group(cls=Group)
def hook() -> None:
    """Webhooks: endpoints that nginx-referral-relay tells what becomes of
    friends and rewards."""


@hook.command("add", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="NAME")
@click.argument("url", metavar="URL")
@click.option("--events", metavar="TYPES", default="*",
              help="Which ones, with commas: reward.available,referral.*; all"
              " if not said.")
@click.option("--from-start", is_flag=True,
              help="Also what is kept of before, not only what comes.")
@pass_session
def add_hook(session: Session, program: str, name: str, url: str, events: str,
             from_start: bool) -> None:
    """Make an endpoint, and show the secret that signs what it gets."""
    keys = session.keys(program)
    require(session.store, keys)
    secret = hooks.add(session.store, keys, name, url,
                       [word.strip() for word in events.split(",")],
                       from_start)
    session.output.record({"program": program, "endpoint": name, "url": url,
                           "secret": secret})
    session.output.note(SECRET)

    if session.store.redis.hget(keys.program, "webhooks") != "on":
        session.output.note(f"program {program} keeps nothing for webhooks"
                            " yet; \"nginx-referral program set"
                            f" {program} --webhooks on\" begins")


@hook.command("list", cls=Command)
@click.argument("program", metavar="PROGRAM")
@pass_session
def list_hooks(session: Session, program: str) -> None:
    """A program's endpoints, and what waits for each."""
    keys = session.keys(program)
    require(session.store, keys)
    rows = [[row.hook.name, row.hook.state, row.hook.url,
             ",".join(row.hook.events), row.hook.number("delivered"),
             row.waiting, row.retrying, row.dead]
            for row in all_counts(session.store, keys)]

    session.output.rows(["endpoint", "state", "url", "events", "delivered",
                         "waiting", "retrying", "dead"], rows,
                        f"program {program} has no endpoints yet;"
                        f" \"nginx-referral hook add {program} NAME URL\""
                        " makes one")


@hook.command("show", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="NAME")
@pass_session
def show_hook(session: Session, program: str, name: str) -> None:
    """An endpoint, and the messages that it did not take."""
    keys = session.keys(program)
    found = hooks.find(session.store, keys, name)
    now = hooks.now_ms(session.store)
    counts = counts_of(session.store, keys, found,
                       groups(session.store, keys), now)
    failing = counts.failing
    people = session.output.for_people
    answer: dict[str, Any] = {
        "program": program, "endpoint": name, "url": found.url,
        "events": ",".join(found.events) if people else found.events,
        "state": found.state, "why": found.fields.get("why"),
        "made_at": moment(found.number("made_at")),
        "delivered": found.number("delivered"),
        "failed_tries": found.number("failed"),
        "lost": found.number("gone"),
        "waiting": counts.waiting, "retrying": counts.retrying,
        "dead": counts.dead,
        "failing": (span(failing) if failing else None) if people
        else failing // 1000,
        "last": (found.fields.get("last") or "").split(" ")[-1] or None,
        "last_at": moment(found.number("last_at") or None)}
    messages = _troubles(session, keys, found)

    if not people:
        session.output.record({**answer, "messages": messages})
        return

    session.output.record(answer)

    if messages:
        session.output.text("")
        session.output.rows(list(messages[0]),
                            [list(row.values()) for row in messages])

    _left_out(session, counts, len(messages))


def _left_out(session: Session, counts: Counts, shown: int) -> None:
    if counts.retrying + counts.dead > shown:
        session.output.note(f"the first {SHOWN} that are tried again and the"
                            f" first {SHOWN} that were given up are shown")


def _troubles(session: Session, keys: Keys, found: Hook
              ) -> list[dict[str, Any]]:
    """Messages that are tried again, and those that were given up."""
    redis = session.store.redis
    rows = []

    for key, state in ((keys.hook_retry(found.name), "retrying"),
                       (keys.hook_dead(found.name), "dead")):
        for name, when in redis.zrange(key, 0, SHOWN - 1, withscores=True):
            tries = (redis.hget(keys.hook_tries(found.name), name)
                     or "0 0 -").split(" ")
            entry: Any = redis.xrange(keys.outbox, name, name)
            fields = entry[0][1] if entry else {}
            rows.append({
                "message": name, "id": f"msg_{fields.get('id', '')}",
                "type": fields.get("type"), "state": state,
                "tries": count(tries[0]), "last": tries[-1],
                "first_at": moment(count(tries[1]) or None),
                "dead_at" if state == "dead" else "next_at":
                    moment(int(when) or None)})

    # the same columns in each row of a table

    return [{**row, "next_at": row.get("next_at"),
             "dead_at": row.get("dead_at")} for row in rows]


@hook.command("test", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="NAME")
@pass_session
def test_hook(session: Session, program: str, name: str) -> None:
    """Let the relay send an endpoint.test now.  Exit code 1: it was not
    taken."""
    keys = session.keys(program)
    token = secrets.token_hex(16)
    hooks.ask_test(session.store, keys, name, token)
    end = time.monotonic() + PATIENCE

    while True:
        answer = hooks.test_answer(session.store, keys, name, token)

        if answer:
            break

        if time.monotonic() > end:
            raise Problem(REDIS, f"nothing was sent in {PATIENCE:.0f} s: is"
                          " nginx-referral-relay running?")

        time.sleep(0.1)

    result, _, ms = answer.partition(" ")
    taken = result.isdecimal() and 200 <= int(result) <= 299
    session.output.record({"program": program, "endpoint": name,
                           "id": f"msg_{token}", "answer": result,
                           "taken": taken, "ms": count(ms)})

    if not taken:
        raise Problem(NEGATIVE, f"endpoint {name} did not take it: {result}")


@hook.command("pause", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="NAME")
@pass_session
def pause_hook(session: Session, program: str, name: str) -> None:
    """Send nothing more until "resume".  What comes is kept."""
    keys = session.keys(program)
    hooks.pause(session.store, keys, name)
    session.output.done(f"endpoint {name}: paused", program=program,
                        endpoint=name, outcome="paused")


@hook.command("resume", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="NAME")
@pass_session
def resume_hook(session: Session, program: str, name: str) -> None:
    """Go on with an endpoint that was paused or disabled, at once."""
    keys = session.keys(program)
    waits = hooks.resume(session.store, keys, name)
    session.output.done(f"endpoint {name}: active; {several(waits, 'message')}"
                        " that it did not take"
                        f" {'is' if waits == 1 else 'are'} tried now",
                        program=program, endpoint=name, outcome="active",
                        retrying=waits)


@hook.command("replay", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="NAME")
@click.option("--from", "start", metavar="N-I",
              help="From this message of the outbox on.")
@click.option("--since", metavar="TIME",
              help="From the first on that is as young: 2h, 3d.")
@click.option("--dead", is_flag=True, help="What was given up.")
@pass_session
def replay_hook(session: Session, program: str, name: str, start: str | None,
                since: str | None, dead: bool) -> None:
    """Send messages once more, under the ids that they had.

    A receiver that keeps ids takes each once.  Where it goes on from, all
    that is behind that place comes again.
    """
    keys = session.keys(program)

    if (start is not None) + (since is not None) + dead != 1:
        raise Problem(USAGE, "give one of --from, --since and --dead")

    if dead:
        number = hooks.replay_dead(session.store, keys, name)
    else:
        number = hooks.replay(session.store, keys, name,
                              _start(session, keys, start, since))

    session.output.done(f"endpoint {name}: {several(number, 'message')}"
                        f" {'comes' if number == 1 else 'come'} again",
                        program=program, endpoint=name, outcome="replayed",
                        messages=number)


def _start(session: Session, keys: Keys, start: str | None, since: str | None
           ) -> hooks.Place:
    if start is not None:
        try:
            return hooks.place(start)
        except ValueError:
            raise Problem(USAGE, "a message is N-I, such as 17-0") from None

    back = length(since or "", 0)

    if not back:
        raise Problem(USAGE, "a time is like 90m, 2h or 3d")

    found = hooks.first_since(session.store, keys,
                              hooks.now_ms(session.store) - back)

    if found is None:
        raise Problem(NEGATIVE, "the outbox has nothing that is as young")

    return found


@hook.command("rotate", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="NAME")
@click.option("--overlap", metavar="TIME", default="24h", show_default=True,
              help="How long the former secret signs too; 0 ends it now.")
@pass_session
def rotate_hook(session: Session, program: str, name: str, overlap: str
                ) -> None:
    """Show a new secret, with which everything is signed from now on."""
    keys = session.keys(program)
    ms = length(overlap, 0)

    if ms is None:
        raise Problem(USAGE, "a time is like 90m, 2h or 3d")

    secret = hooks.rotate(session.store, keys, name, ms)
    session.output.record({"program": program, "endpoint": name,
                           "secret": secret})
    session.output.note(SECRET)


@hook.command("remove", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("name", metavar="NAME")
@pass_session
def remove_hook(session: Session, program: str, name: str) -> None:
    """Remove an endpoint, its secret, and what waits for it alone."""
    keys = session.keys(program)
    hooks.remove(session.store, keys, name)
    session.output.done(f"endpoint {name}: removed", program=program,
                        endpoint=name, outcome="removed")
