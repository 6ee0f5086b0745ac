"""Reading what the module counted."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Iterator, Sequence

import click
from redis import Redis

from .frame import Command, Session, pass_session
from .output import CSV, JSON, Output
from .problem import NEGATIVE, REFUSED, USAGE, Problem
from .store import Keys, Store, count, iso, today

TOTALS = ("clicks", "visitors", "raw", "missed", "duplicate", "bot",
          "preview", "prefetch", "head", "excluded", "no_consent")

TOUCH = ("code", "visitor", "at", "first_code", "first_at", "first_click_id",
         "country", "channel", "variant", "device")

# what of an event is shown to people
EVENT = {"at": 20, "code": 12, "class": 9, "result": 11, "country": 2,
         "lang": 5, "device": 7, "os": 7, "app": 9, "source": 16,
         "channel": 8, "variant": 7, "landing_host": 0}

# fields that the module needs for itself
INTERNAL = "fields"

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}"
                   r"-[0-9a-f]{12}")


@click.command("click", cls=Command)
@click.argument("click_id", metavar="CLICK_ID")
@click.option("--program", metavar="PROGRAM",
              help="Where to look; else in all programs.")
@pass_session
def show_click(session: Session, click_id: str, program: str | None) -> None:
    """What is known of a click: its link and the visitor's first one."""
    click_id = click_id.strip().lower()

    if not UUID7.fullmatch(click_id):
        raise Problem(REFUSED, f"{click_id!r} is no click id; one looks like"
                      " 019ab3c4-5d6e-7f80-9123-456789abcdef")

    made = int(click_id.replace("-", "")[:12], 16) / 1000
    store = session.store
    names = ([session.keys(program).program_name] if program is not None
             else store.program_names())
    minute = iso(made)[:len("2026-11-22T13:05")]

    found = [(name, text) for name, text
             in zip(names, in_each(store, names, minute, click_id)) if text]

    if not found:
        raise Problem(NEGATIVE, f"no click {click_id}"
                      + (f" in program {program}" if program else "")
                      + f"; it would have been made at {iso(made)}, and a"
                      " click is kept as long as its program's window")

    name, text = found[0]
    values = [None if value == "-" else value for value in text.split(" ")]

    session.output.record({"click_id": click_id, "program": name,
                           **dict(zip(TOUCH, values))})


def in_each(store: Store, names: Sequence[str], minute: str,
            click_id: str) -> list[str | None]:
    with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hget(store.keys(name).clicks(minute), click_id)

        return pipe.execute()


@click.command("stats", cls=Command)
@click.argument("program", metavar="[PROGRAM", required=False)
@click.argument("code", metavar="[CODE]]", required=False)
@click.option("--by", type=click.Choice(["day", "hour"]),
              help="Clicks by the program's day, or by the hour (UTC).")
@click.option("--from", "start", metavar="DATE",
              help="With --by: the first day or hour.")
@click.option("--to", "end", metavar="DATE", help="With --by: the last.")
@pass_session
def stats(session: Session, program: str | None, code: str | None,
          by: str | None, start: str | None, end: str | None) -> None:
    """Totals of all programs, of one, or of a link."""
    if (start or end) and not by:
        raise Problem(USAGE, "--from and --to go with --by day or --by hour;"
                      " totals are of all time")

    if program is None:
        if by:
            raise Problem(USAGE, "--by needs a program")
        all_stats(session)
        return

    keys = session.keys(program)
    code = session.code(code) if code else ""

    if by:
        by_time(session, keys, code, by, start, end)
        return

    fields = session.store.redis.hgetall(keys.stats(code))

    if not fields:
        require(session.store, keys, code)

    show_stats(session.output, {"program": program,
                                **({"code": code} if code else {})}, fields)


def all_stats(session: Session) -> None:
    store = session.store
    names = store.program_names()

    with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hmget(store.keys(name).stats(), *TOTALS)
        found = pipe.execute()

    session.output.rows(["program", *TOTALS],
                        [[name, *map(count, values)]
                         for name, values in zip(names, found)],
                        "there are no programs yet; \"referral program set"
                        " NAME --landing URL\" makes one")


def show_stats(output: Output, head: dict[str, str],
               fields: dict[str, str]) -> None:
    """Totals, then each dimension by falling count."""
    dimensions: dict[str, dict[str, int]] = {}

    for field, value in fields.items():
        name, colon, what = field.partition(":")

        if colon and name != INTERNAL:
            dimensions.setdefault(name, {})[what] = count(value)

    shown: dict[str, Any] = {**head}
    shown.update({name: count(fields.get(name)) for name in TOTALS})
    ranked = {name: dict(sorted(values.items(),
                                key=lambda item: (-item[1], item[0])))
              for name, values in sorted(dimensions.items())}

    if output.form == JSON:
        # "missed" is a total and has parts
        shown["by"] = ranked
    elif output.form == CSV:
        shown.update({f"{name}:{what}": number
                      for name, values in ranked.items()
                      for what, number in values.items()})
    else:
        shown.update({f"by {name}": values
                      for name, values in ranked.items()})

    output.record(shown)


def by_time(session: Session, keys: Keys, code: str, by: str,
            start: str | None, end: str | None) -> None:
    if by == "hour" and code:
        raise Problem(USAGE, "hours are kept for programs, not for links; ask"
                      " --by day")

    for text in (start, end):
        if text is not None and not is_date(text):
            raise Problem(REFUSED, f"{text!r} is no date like 2026-11-22"
                          + (" or hour like 2026-11-22T13"
                             if by == "hour" else ""))

    found = session.store.redis.hgetall(
        keys.hours if by == "hour" else keys.days(code))

    if not found:
        require(session.store, keys, code)

    # a day as the end of hours holds all of its hours
    session.output.rows(
        [by, "clicks"],
        [[when, count(found[when])] for when in sorted(found)
         if (not start or when >= start)
         and (not end or when[:len(end)] <= end)],
        "no clicks in that time")


def is_date(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%dT%H" if "T" in text else "%Y-%m-%d")
    except ValueError:
        return False

    return True


def require(store: Store, keys: Keys, code: str) -> None:
    """Nothing counted is a zero for what exists, and not found for what does
    not."""
    redis = store.redis

    if code:
        if not redis.exists(keys.link(code)):
            raise Problem(NEGATIVE, f"program {keys.program_name} has no link"
                          f" {code}, and no counts of one")

    elif not (redis.exists(keys.program, keys.links, keys.stats())
              or redis.sismember(store.programs, keys.program_name)):
        raise Problem(NEGATIVE, f"there is no program {keys.program_name};"
                      " \"referral program list\" shows those that there are")


@click.command("top", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("--by", type=click.Choice(["links", "referrers"]),
              default="links", show_default=True)
@click.option("--day", metavar="DATE",
              help="Links of one day, like 2026-11-22, or today; nine days"
              " are kept.")
@click.option("--month", metavar="MONTH",
              help="Referrers of one month, like 2026-11, or this.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=10,
              show_default=True)
@pass_session
def top(session: Session, program: str, by: str, day: str | None,
        month: str | None, limit: int) -> None:
    """Leaderboards.

    Links of all time or of a day, referrers of all time or of a month; share
    is of all the program's clicks in that time, in percent.
    """
    keys = session.keys(program)
    redis = session.store.redis
    period = which_period(redis, keys, by, day, month)
    board = keys.board(*(["referrers"] if by == "referrers" else []),
                       "clicks", *([period] if period else []))

    found = redis.zrevrange(board, 0, limit - 1, withscores=True)
    total = period_clicks(redis, keys, period)

    if not found:
        require(session.store, keys, "")

    names = [keys.referrer(name) if by == "referrers" else keys.link(name)
             for name, _ in found]
    rows = []
    rank = 0
    last = None

    for place, ((member, score), name) in enumerate(
            zip(found, session.store.fields(names, "name")), 1):
        rank = rank if score == last else place
        last = score
        share = round(100 * score / total, 1) if total else None
        rows.append([rank, member, name, int(score), share])

    session.output.rows(["rank", "referrer" if by == "referrers" else "code",
                         "name", "clicks",
                         "share %" if session.output.for_people else "share"],
                        rows,
                        "no clicks yet" + (f" in {period}" if period else ""))


def which_period(redis: Redis, keys: Keys, by: str, day: str | None,
                 month: str | None) -> str:
    """The part of the board's key that says when; empty for all time."""
    if day is not None and (month is not None or by != "links"):
        raise Problem(USAGE, "days are kept for links: --by links --day DATE")

    if month is not None and by != "referrers":
        raise Problem(USAGE, "months are kept for referrers: --by referrers"
                      " --month MONTH")

    if day is None and month is None:
        return ""

    if day == "today" or month == "this":
        now = today(redis.hget(keys.program, "utc_offset"))
        return now if day else now[:len("2026-11")]

    if day is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
        raise Problem(REFUSED, f"{day!r} is no day like 2026-11-22")

    if month is not None and not re.fullmatch(r"\d{4}-\d\d", month):
        raise Problem(REFUSED, f"{month!r} is no month like 2026-11")

    return day or month or ""


def period_clicks(redis: Redis, keys: Keys, period: str) -> int:
    """All clicks of the program in that time, that shares are of."""
    if not period:
        return count(redis.hget(keys.stats(), "clicks"))

    if len(period) == len("2026-11-22"):
        return count(redis.hget(keys.days(), period))

    return sum(count(clicks) for when, clicks
               in redis.hgetall(keys.days()).items()
               if when.startswith(period))


@click.command("tail", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=10,
              show_default=True, help="Begin with the last so many.")
@click.option("--follow/--no-follow", default=True,
              help="Wait for more, or end.")
@pass_session
def tail(session: Session, program: str, lines: int, follow: bool) -> None:
    """Events as they come, until Ctrl-C; with --json one a line."""
    keys = session.keys(program)
    require(session.store, keys, "")
    printer = EventPrinter(session.output)

    for event in events(session.store.redis, keys.events, lines, follow):
        printer.show(event)


def events(redis: Redis, key: str, lines: int,
           follow: bool) -> Iterator[dict[str, str]]:
    last = redis.xrevrange(key, count=1)
    after = last[0][0] if last else "0-0"

    if last and lines:
        for _, event in reversed(redis.xrevrange(key, max=after,
                                                 count=lines)):
            yield event

    while follow:
        for _, entries in redis.xread({key: after}, count=500,
                                      block=5000) or []:
            for after, event in entries:
                yield event


class EventPrinter:
    """Shows one event after the other."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.columns: list[str] = []

        if output.for_people:
            self._people({name: name for name in EVENT})

    def show(self, event: dict[str, str]) -> None:
        if self.output.form == JSON:
            self.output.line(event)
        elif self.output.form == CSV:
            self._csv(event)
        else:
            self._people(event)

        self.output.out.flush()

    def _people(self, event: dict[str, str]) -> None:
        parts = [(event.get(name) or "-").ljust(width)
                 for name, width in EVENT.items()]
        self.output.text("  ".join(parts).rstrip())

    def _csv(self, event: dict[str, str]) -> None:
        writer = self.output.csv_writer()

        if not self.columns:
            self.columns = list(event)
            self.output.csv_row(writer, self.columns)

        self.output.csv_row(writer, [event.get(name)
                                     for name in self.columns])
