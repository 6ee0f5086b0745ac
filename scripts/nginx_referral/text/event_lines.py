"""Events as lines, one after the other as they come."""

from __future__ import annotations

from rich.cells import cell_len

from .output import CSV, JSON, Output, safe

# columns for people, and the usual width of their values
EVENT = {"at": 20, "code": 12, "class": 9, "result": 11, "country": 2,
         "lang": 5, "device": 7, "os": 8, "app": 9, "source": 16,
         "channel": 8, "variant": 7, "landing_host": 0}
WIDTH = {name: max(width, len(name)) for name, width in EVENT.items()}

# columns by importance: a narrow terminal shows the first ones
FIRST = ("at", "code", "class", "result", "country", "device", "source",
         "lang", "os", "channel", "app", "variant", "landing_host")
GAP = 2


def room_of(output: Output) -> tuple[int, list[str]]:
    """The width of the terminal, and the columns that fit into it."""
    from .terminal import width

    room = width(output.out)
    left = room
    shown: list[str] = []

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
                from .terminal import cut

                # the last column has the rest of the line
                text = cut(text, self.room - cell_len(line)
                           if name == self.shown[-1] else width)

            line += text + " " * (max(0, width - cell_len(text)) + GAP)

        print(line.rstrip(), file=self.output.out)

    def _csv(self, event: dict[str, str]) -> None:
        if not self.columns:
            self.columns = list(event)
            self.output.csv_row(self.columns)

        self.output.csv_row(event.get(name) for name in self.columns)
