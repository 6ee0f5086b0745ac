"""The journal on this machine's disk, as a table."""

from __future__ import annotations

import os
import time
from typing import Any, Sequence

import click

from ..store.journal import (DEFAULT_DIR, EVENTS, Journal, ask, events_of,
                             journals_of, path_argument, read_journals,
                             set_unsent)
from ..store.session import Session
from ..text.problem import NEGATIVE, OK, USAGE, Problem, are, several
from .options import Command, Group

DIR_HELP = "The journal's directory; " + DEFAULT_DIR + " if not said."

PEOPLE = ("slot", "owner", "journal", "segments", "bytes", "records", "age",
          "unsent", "waiting")
PROGRAMS = ("slot", "held", "owner", "journal", "segments", "bytes", "first",
            "last", "records", "age", "unsent", "waiting", "damaged",
            "foreign", "programs", "holds")


class JournalGroup(Group):
    """Takes a first word that is not a command as the directory to list."""

    def resolve_command(self, ctx: click.Context, args: list[str]
                        ) -> tuple[Any, Any, list[str]]:
        if args and args[0] not in self.commands:
            args = ["list", *args]

        return super().resolve_command(ctx, args)


def dir_option(command: Any) -> Any:
    return click.option("--dir", "directory", metavar="DIR",
                        envvar="REFERRAL_JOURNAL", show_envvar=True,
                        help=DIR_HELP)(command)


@click.group("journal", cls=JournalGroup, invoke_without_command=True,
             subcommand_metavar="[DIR | COMMAND ...]")
@dir_option
@click.pass_context
def journal(ctx: click.Context, directory: str | None) -> int | None:
    """What waits on the disk: slots, owners, unsent clicks and events.

    Nothing here writes to a journal.
    """
    ctx.meta["directory"] = directory

    if ctx.invoked_subcommand is None:
        return show(ctx.ensure_object(Session), directory)

    return None


@journal.command("list", cls=Command)
@click.argument("place", metavar="[DIR]", required=False)
@dir_option
@click.pass_context
def list_journals(ctx: click.Context, place: str | None,
                  directory: str | None) -> int:
    """List them: a line each, those of events with events/ before the slot.

    Age is that of the last click or event, waiting that of the oldest one that Redis
    does not have, in seconds.  An owner is a worker that is alive.  What a
    worker keeps in its memory, because the disk is full, is not seen here.
    """
    return show(ctx.ensure_object(Session),
                place or directory or ctx.meta.get("directory"))


@journal.command("check", cls=Command)
@click.argument("path", metavar="FILE|DIR", required=False)
@dir_option
@click.option("--id", "name", metavar="JOURNAL",
              help="Whose FILE it is, if its header is damaged and it does"
              " not lie in its directory.")
@click.pass_context
def check_journal(ctx: click.Context, path: str | None,
                  directory: str | None, name: str | None) -> int:
    """Verify one segment, or all of a directory: 0 good, 1 damaged.

    A worker that was killed may leave a torn record at the end, which nobody
    had an answer for; it counts as damage too.
    """
    session = ctx.ensure_object(Session)
    path = path or directory or ctx.meta.get("directory") or DEFAULT_DIR
    code, told = ask([*path_argument(path), *([name] if name else [])])

    if "slots" in told:
        found = journals_of(told)
        events = events_of(path)

        if events:
            bad, told = ask(path_argument(events))
            code = max(code, bad)
            found += named_events(journals_of(told))

        return verdict_of_all(session, path, code, found)

    return verdict(session, code, told)


def verdict(session: Session, code: int, told: dict[str, Any]) -> int:
    answer = {name: value for name, value in told.items() if name != "damage"}
    answer["damage"] = [f"{several(part['bytes'], 'byte')} at"
                        f" {part['offset']}"
                        if session.output.for_people else part
                        for part in told.get("damage", [])]

    for name in ("created", "first_at", "last_at"):
        if name in answer:
            answer[name] = moment(answer[name])

    session.output.record({"verdict": "damaged" if code else "good",
                           **answer})

    return NEGATIVE if code else OK


def verdict_of_all(session: Session, path: str, code: int,
                   found: Sequence[Journal]) -> int:
    if not found:
        raise Problem(USAGE, f"there is no journal in {path}; it is the"
                      " directory that referral_journal names, or one"
                      " segment's file")

    rows = []

    for one in found:
        for segment in one.told["segments"]:
            lost = segment.get("lost_bytes")
            good = (segment["header"] != "damaged" and not lost
                    and not segment.get("missing")
                    and not segment.get("repeated"))
            rows.append([one.slot, one.name, segment["file"],
                         "foreign" if segment["header"] == "foreign"
                         else "good" if good else "damaged",
                         segment["header"],
                         segment["bytes"], segment.get("records"),
                         segment.get("missing"), lost])

    session.output.rows(["slot", "journal", "file", "verdict", "header",
                         "bytes", "records", "missing", "lost_bytes"], rows,
                        "no segments")

    for one in found:
        if one.told["missing"] or one.told["unreadable"]:
            missing, odd = one.told["missing"], one.told["unreadable"]
            session.output.note(f"journal {one.name}:"
                                f" {several(missing, 'record')} {are(missing)}"
                                " missing between segments,"
                                f" {odd} {are(odd)} no"
                                f" {'click' if odd == 1 else 'clicks'}")

    tell_foreign(session, found)

    return NEGATIVE if code else OK


def show(session: Session, directory: str | None) -> int:
    """Lists the journals; returns the exit code for Redis if Redis failed."""
    directory = directory or DEFAULT_DIR
    found, slots = read_journals(directory)
    why = set_unsent(session, directory, found)
    events = events_of(directory)

    if events:
        more, others = read_journals(events)
        why = set_unsent(session, events, more) or why
        found += named_events(more)
        slots += [{**slot, "slot": f"{EVENTS}/{slot['slot']}"}
                  for slot in others]

    inside = os.path.basename(os.path.abspath(directory)) == EVENTS
    output = session.output
    now = time.time()
    rows: list[list[Any]] = []

    for one in found:
        segments = one.told["segments"]
        age = seconds(now, one.told.get("last_at"))
        waiting = seconds(now, one.oldest)

        if output.for_people:
            rows.append([one.slot, owner(one.held, one.owner), one.name,
                         len(segments), one.told["bytes"],
                         one.told["records"], age,
                         "unknown" if one.unsent is None else one.unsent,
                         waiting])
        else:
            rows.append([one.slot, one.held, one.owner, one.name,
                         len(segments), one.told["bytes"],
                         one.told.get("first"), one.told.get("last"),
                         one.told["records"], age, one.unsent, waiting,
                         one.damaged, one.foreign, one.programs,
                         holds(one.slot, inside)])

    # a slot without a journal is a line too
    busy = {one.slot for one in found}

    for slot in slots:
        if slot["slot"] in busy:
            continue

        if output.for_people:
            rows.append([slot["slot"], owner(slot["held"], slot["owner"]),
                         None, 0, 0, 0, None, 0, None])
        else:
            rows.append([slot["slot"], slot["held"], slot["owner"], None, 0,
                         0, None, None, 0, None, 0, None, False, 0, [],
                         holds(slot["slot"], inside)])

    rows.sort(key=lambda row: str(row[0]))

    output.rows(PEOPLE if output.for_people else PROGRAMS, rows,
                "there are no slots here; nginx makes them with its first"
                " worker, in the directory that referral_journal names")

    for one in found:
        if one.damaged:
            output.note(f"journal {one.name} is damaged: \"nginx-referral"
                        " journal check\" tells where")

    tell_foreign(session, found)

    if why:
        output.note(f"how many clicks are unsent is unknown: {why}")
        return why.code

    return OK


def named_events(found: list[Journal]) -> list[Journal]:
    """Journals of events, with their folder before the slot's name."""
    for one in found:
        one.slot = f"{EVENTS}/{one.slot}"

    return found


def holds(slot: str, inside: bool) -> str:
    return EVENTS if inside or slot.startswith(f"{EVENTS}/") else "clicks"


def tell_foreign(session: Session, found: Sequence[Journal]) -> None:
    for one in found:
        if one.foreign:
            session.output.note(f"journal {one.name} holds clicks of another"
                                " version of the module: they are kept until"
                                " that version runs again")


def owner(held: bool | None, pid: int | None) -> str:
    if held is None:
        return "unknown"

    return str(pid or "alive") if held else "nobody"


def seconds(now: float, at: int | None) -> int | None:
    return None if at is None else max(0, int(now - at / 1000))


def moment(at: int) -> str:
    when = time.gmtime(max(0, min(at, 253402300799999)) // 1000)

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", when)
