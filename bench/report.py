"""Medians, ratios, tables, and what was to be reached."""

import os
import pathlib
import platform
import time

from rich.console import Console
from rich.table import Table

from .measure import median

COLUMNS = ["row", "clicks/s", "to limit", "p50 ms", "p99 ms", "worker us",
           "to limit", "Redis us"]


def cpus():
    """How many, and which."""

    text = pathlib.Path("/proc/cpuinfo").read_text()
    models = {line.split(":", 1)[1].strip() for line in text.splitlines()
              if line.startswith("model name")}

    return f"{os.cpu_count()} x {', '.join(sorted(models)) or 'unknown'}"


def result(rows, slices, sizes):
    """Everything that was measured, by row."""

    table = {}

    for row in rows:
        some = slices[row.name]
        table[row.name] = {
            "title": row.title,
            "void": [one.void for one in some if one.void],
            **{field: median(some, field)
               for field in ("rate", "p50", "p99", "worker", "redis",
                             "backlog", "journal")}}

    return {"rows": table, "bytes": sizes, "reached": reached(table, sizes)}


def reached(table, sizes):
    """Each figure with its bound and its aim; true where it holds."""

    figures = []

    def figure(name, value, bound, aim, most=True):
        def holds(n):
            return value <= n if most else value >= n

        figures.append({"name": name, "value": value, "bound": bound,
                        "aim": aim, "holds": holds(bound),
                        "aimed": holds(aim)})

    def ratio(one, other, field):
        if one in table and other in table:
            return table[one][field] / table[other][field]

        return None

    for name, value, bound, aim, most in (
            ("worker CPU, hot, to `return 302`",
             ratio("module", "limit", "worker"), 1.35, 1.20, True),
            ("throughput, Redis stopped, to `return 302`",
             ratio("stopped", "limit", "rate"), 0.75, 0.90, False),
            ("throughput, Redis recording beside it, to `return 302`",
             ratio("module", "limit", "rate"), 0.35, 0.50, False),
            ("worker CPU, to the tuned Lua",
             ratio("module", "tuned", "worker"), 1 / 4, 1 / 6, True),
            ("throughput, cold, to the plain Lua",
             ratio("cold", "plain", "rate"), 3, 5, False),
            ("p99, 64 connections, as fast as they go, Redis stopped",
             ratio("stopped", "limit", "p99"), 1.5, 1.2, True),
            ("p99, 64 connections, the same pace, Redis recording",
             ratio("module-paced", "limit-paced", "p99"), 1.5, 1.2, True),
            ("p99, 64 connections, as fast as they go, Redis recording",
             ratio("module", "limit", "p99"), 1.5, 1.2, True),
            ("worker CPU, 1 M links to 1 k",
             ratio("links-1m", "links-1k", "worker"), 1.1, 1.03, True),
            ("backlog, seconds of clicks",
             table.get("module", {}).get("backlog"), 5, 1, True),
            ("Redis CPU a click, us",
             table.get("module", {}).get("redis"), 28, 15, True),
            ("Redis bytes a link", sizes.get("link"), 1536, 819, True),
            ("Redis bytes a click kept", sizes.get("click"), 400, 300, True)):
        if value is not None:
            figure(name, value, bound, aim, most)

    return figures


def lines(result, paced):
    """The rows as text: those as fast as it goes, or those at one pace."""

    table = {name: row for name, row in result["rows"].items()
             if name.endswith("-paced") == paced}
    first = table.get("limit-paced" if paced else "limit")

    for row in table.values():
        voided = " (void: " + row["void"][0] + ")" if row["void"] else ""

        yield [row["title"] + voided, f"{row['rate']:.0f}",
               f"{row['rate'] / first['rate']:.2f}" if first else "",
               f"{row['p50'] / 1000:.2f}", f"{row['p99'] / 1000:.2f}",
               f"{row['worker']:.1f}",
               f"{row['worker'] / first['worker']:.2f}" if first else "",
               f"{row['redis']:.1f}" if row["redis"] > 0.05 else "-"]


def figure_lines(result):
    for one in result["reached"]:
        yield [one["name"], f"{one['value']:.2f}", f"{one['bound']:.2f}",
               f"{one['aim']:.2f}",
               "aim" if one["aimed"] else "yes" if one["holds"] else "no"]


def show_program(body, markdown):
    """The figures of conversions, with what they were measured on."""

    table(["figure", "measured", "n", "bar", "", "beside"], list(body),
          markdown)
    print(f"{cpus()}, {platform.platform()}, {time.strftime('%F')}")


def table(head, body, markdown):
    if markdown:
        print("| " + " | ".join(head) + " |")
        print("|" + "---|" * len(head))
        for line in body:
            print("| " + " | ".join(line) + " |")
        print()
        return

    shown = Table(*head)

    for line in body:
        shown.add_row(*line)

    Console().print(shown)


def show(result, markdown):
    """Both tables, on a terminal or for the manual."""

    heads = [(COLUMNS, list(lines(result, False))),
             (["at the same pace"] + COLUMNS[1:], list(lines(result, True))),
             (["figure", "measured", "at least", "aim", "reached"],
              list(figure_lines(result)))]
    heads = [(head, body) for head, body in heads if body]

    machine = result["machine"]
    stopped = result["rows"].get("stopped")
    sizes = result["bytes"]
    note = (f"{machine['cpus']}, {machine['system']}, {machine['date']}, "
            f"median of {machine['rounds']} rounds of "
            f"{machine['seconds']} s")

    if stopped:
        note = f"{stopped['journal']:.0f} bytes of journal a click; " + note

    if sizes:
        note = (f"Redis bytes a click: {sizes['event']:.0f} of its event, "
                f"{sizes['touch']:.0f} of its id; a link with "
                f"{sizes['clicks']:.0f} clicks; ") + note

    if markdown:
        for head, body in heads:
            print("| " + " | ".join(head) + " |")
            print("|" + "---|" * len(head))
            for line in body:
                print("| " + " | ".join(line) + " |")
            print()
        print(note)
        return

    console = Console()

    for head, body in heads:
        table = Table(*head)
        for line in body:
            table.add_row(*line)
        console.print(table)

    console.print(note)
