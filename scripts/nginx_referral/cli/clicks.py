"""Looking at single clicks."""

from __future__ import annotations

from typing import Iterator, Sequence

import click
from redis import Redis
from rich.cells import cell_len

from ..reports.counters import require
from ..store.clicks import made_at, minute_of, read_click_id, words_of
from ..store.store import Store, iso
from ..text.output import CSV, JSON, Output, safe
from ..text.problem import NEGATIVE, Problem
from .options import Command, Session, pass_session

# what of an event is shown to people, and how wide its values mostly are
EVENT = {"at": 20, "code": 12, "class": 9, "result": 11, "country": 2,
         "lang": 5, "device": 7, "os": 8, "app": 9, "source": 16,
         "channel": 8, "variant": 7, "landing_host": 0}
WIDTH = {name: max(width, len(name)) for name, width in EVENT.items()}

# what a narrow terminal shows first
FIRST = ("at", "code", "class", "result", "country", "device", "source",
         "lang", "os", "channel", "app", "variant", "landing_host")
GAP = 2


@click.command("click", cls=Command)
@click.argument("click_id", metavar="CLICK_ID")
@click.option("--program", metavar="PROGRAM",
              help="Where to look; else in all programs.")
@pass_session
def show_click(session: Session, click_id: str, program: str | None) -> None:
    """What is known of a click: its link and the visitor's first one."""
    click_id = read_click_id(click_id)
    store = session.store
    names = ([session.keys(program).program_name] if program is not None
             else store.program_names())

    found = [(name, text) for name, text
             in zip(names, in_each(store, names, click_id)) if text]

    if not found:
        raise Problem(NEGATIVE, f"no click {click_id}"
                      + (f" in program {program}" if program else "")
                      + "; it would have been made at"
                      f" {iso(made_at(click_id))}, and a click is kept as"
                      " long as its program's window")

    name, text = found[0]
    session.output.record({"click_id": click_id, "program": name,
                           **words_of(click_id, text)})


def in_each(store: Store, names: Sequence[str], click_id: str
            ) -> list[str | None]:
    minute = minute_of(click_id)

    with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hget(store.keys(name).clicks(minute), click_id)

        return pipe.execute()


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
    require(session.store, keys)
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


def room_of(output: Output) -> tuple[int, list[str]]:
    """How wide the terminal is, and what has room there."""
    from ..text.terminal import width

    room = width(output.out)
    left = room
    shown = []

    for name in FIRST:
        left -= WIDTH[name] + (GAP if shown else 0)

        if left < 0:
            break

        shown.append(name)

    return room, [name for name in EVENT if name in shown or name == "at"]


class EventPrinter:
    """Shows one event after the other."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.columns: list[str] = []

        self.shown = list(EVENT)
        self.room: int | None = None

        if output.for_people:
            if output.terminal:
                self.room, self.shown = room_of(output)

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
        line = ""

        for name in self.shown:
            text = safe(event.get(name) or "-")
            width = WIDTH[name]

            if self.room is not None:
                from ..text.terminal import cut

                # what comes last has all that is left
                text = cut(text, self.room - cell_len(line)
                           if name == self.shown[-1] else width)

            line += text + " " * (max(0, width - cell_len(text)) + GAP)

        print(line.rstrip(), file=self.output.out)

    def _csv(self, event: dict[str, str]) -> None:
        if not self.columns:
            self.columns = list(event)
            self.output.csv_row(self.columns)

        self.output.csv_row(event.get(name) for name in self.columns)
