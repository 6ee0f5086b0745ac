"""The journal on this machine's disk: who owns it, what is unsent, whether
it is whole.  It is read by the module's own rooms, and never written."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from typing import Any, Sequence

import click
from redis.exceptions import RedisError

from ..store.ctool import broken, find_tool
from ..store.store import BATCH, Store, batches, explain
from ..text.problem import MACHINE, NEGATIVE, OK, USAGE, Problem, are, several
from .options import Command, Group, Session

TOOL = "referral_journal_check"
TIMEOUT = 600

DEFAULT_DIR = "/var/lib/nginx/referral"
DIR_HELP = "The journal's directory; " + DEFAULT_DIR + " if not said."

# exit codes of the program
DAMAGED = 1
NOTHING = 2

PEOPLE = ("slot", "owner", "journal", "segments", "bytes", "records", "age",
          "unsent", "waiting")
PROGRAMS = ("slot", "held", "owner", "journal", "segments", "bytes", "first",
            "last", "records", "age", "unsent", "waiting", "damaged",
            "foreign", "programs")


@dataclass
class Journal:
    """What one worker wrote in one life, as the program tells it."""

    slot: str
    held: bool | None
    owner: int | None
    told: dict[str, Any]
    unsent: int | None = None
    oldest: int | None = None

    @property
    def name(self) -> str:
        return str(self.told["journal"])

    @property
    def programs(self) -> list[dict[str, Any]]:
        return list(self.told["programs"])

    @property
    def damaged(self) -> bool:
        return bool(self.told["missing"] or self.told["unreadable"]
                    or any(segment["header"] == "damaged"
                           or segment.get("lost_bytes")
                           or segment.get("missing")
                           or segment.get("damaged_payloads")
                           or segment.get("repeated")
                           for segment in self.told["segments"]))

    @property
    def foreign(self) -> int:
        """Segments, and records in others, of another version."""
        return (sum(segment["header"] == "foreign"
                    for segment in self.told["segments"])
                + int(self.told["newer"]))

    def mark_of(self, program: str) -> tuple[str, int]:
        """Under which id its clicks are in Redis, and from which one on."""
        for alias in self.told["aliases"]:
            if alias["program"] == program:
                return str(alias["journal"]), int(alias["from"])

        return self.name, 0


class JournalGroup(Group):
    """A first word that is no command is a directory to be listed."""

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
    """What waits on the disk: slots, owners, journals, unsent clicks.

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
    """List them: a line each.

    Age is that of the last click, waiting that of the oldest one that Redis
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
    code, told = ask([*arguments(path), *([name] if name else [])])

    if "slots" in told:
        return verdict_of_all(session, path, code, journals_of(told))

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
    """The listing; Redis's exit code if it did not tell its part."""
    found, slots = read(directory or DEFAULT_DIR)
    why = compare(session, directory or DEFAULT_DIR, found)
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
                         one.damaged, one.foreign, one.programs])

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
                         0, None, None, 0, None, 0, None, False, 0, []])

    rows.sort(key=lambda row: row[0])

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


def read(directory: str) -> tuple[list[Journal], list[dict[str, Any]]]:
    """All journals, and all slots."""
    _, told = ask(arguments(directory))

    if "slots" not in told:
        raise Problem(USAGE, f"{directory} is no directory;"
                      " \"nginx-referral journal check\" takes a file")

    return journals_of(told), told["slots"]


def journals_of(told: dict[str, Any]) -> list[Journal]:
    return [Journal(slot["slot"], slot["held"], slot["owner"], one)
            for slot in told["slots"] for one in slot["journals"]]


def compare(session: Session, directory: str,
            found: Sequence[Journal]) -> Problem | None:
    """Sets what is unsent; or why it is not known."""
    pairs = [(one.name, program["program"])
             for one in found for program in one.programs]
    where = [one.mark_of(program["program"])
             for one in found for program in one.programs]
    asked = [(name, program)
             for (name, _), (_, program) in zip(where, pairs)]

    try:
        known = {pair: max(mark, start) for pair, (_, start), mark
                 in zip(pairs, where, marks(session.store, asked))}
    except RedisError as error:
        return explain(error)

    # all of a program's records, or none of them, are counted already
    partly = [(name, program["program"], known[name, program["program"]])
              for one in found for name in [one.name]
              for program in one.programs
              if 0 < known[name, program["program"]] < program["last"]]
    exact: dict[tuple[str, str], dict[str, Any]] = {}

    if partly:
        text = "".join(f"{name} {program} {mark}\n"
                       for name, program, mark in partly)

        _, told = ask(["--marks", *arguments(directory)], text)
        exact = {(one.name, program["program"]): program
                 for one in journals_of(told) for program in one.programs}

    for one in found:
        one.unsent = None if one.told["others"] or one.foreign else 0

        for program in one.programs:
            mark = known[one.name, program["program"]]
            program["mark"] = mark

            if mark >= program["last"]:
                program["unsent"] = 0
                program.pop("unsent_at", None)

            elif mark:
                # one that is gone meanwhile was sent
                program.update(exact.get((one.name, program["program"]),
                                         {"unsent": 0}))

            if one.unsent is not None:
                one.unsent += program["unsent"]

        waiting = [program["unsent_at"] for program in one.programs
                   if program["unsent"]]
        one.oldest = min(waiting, default=None)

    return None


def marks(store: Store, pairs: Sequence[tuple[str, str]]) -> list[int]:
    """The last number that Redis has of each journal's program; 0: none."""
    found: list[Any] = []

    for part in batches(pairs, BATCH):
        with store.redis.pipeline(transaction=False) as pipe:
            for name, program in part:
                pipe.hget(store.keys(program).journals, name)

            found.extend(pipe.execute())

    return [int(text) if text and text.isdecimal() else 0 for text in found]


def unsent_of(session: Session, directory: str | None,
              program: str) -> int:
    """Clicks of one program that are on this machine's disk only."""
    found, _ = read(directory or DEFAULT_DIR)
    why = compare(session, directory or DEFAULT_DIR, found)

    if why:
        raise why

    if any(one.told["others"] for one in found):
        raise Problem(NEGATIVE, "a journal holds too many programs")

    return sum(told["unsent"] for one in found for told in one.programs
               if told["program"] == program)


def arguments(path: str) -> list[str]:
    """The path, which must not be taken for an option."""
    return [f"./{path}" if path.startswith("-") else path]


def ask(args: Sequence[str], text: str = "") -> tuple[int, dict[str, Any]]:
    """Runs the program: whether there is damage, and what it tells."""
    command = [str(find_tool(TOOL)), *args]

    try:
        done = subprocess.run(command, input=text.encode(), timeout=TIMEOUT,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
    except subprocess.TimeoutExpired:
        raise Problem(MACHINE, f"{TOOL} gave no answer in {TIMEOUT} s"
                      ) from None
    except (OSError, ValueError) as error:
        raise Problem(MACHINE, f"{TOOL} does not run: {error}") from None

    if done.returncode == NOTHING:
        said = done.stderr.decode("utf-8", "surrogateescape").strip()
        raise Problem(USAGE, f"the journal cannot be read: {said}; give the"
                      " directory that referral_journal names, or"
                      " REFERRAL_JOURNAL, as root or as nginx's user")

    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = None

    if done.returncode not in (OK, DAMAGED) or not isinstance(told, dict):
        raise broken(TOOL, f"status {done.returncode}")

    return done.returncode, told
