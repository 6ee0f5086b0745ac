"""scripts/bench: side by side on one machine, in turns."""

import argparse
import json
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

from . import memory, program, report, zone
from .measure import Bench, Row
from .servers import ROOT, Redis

MAIN = [
    Row("limit", "`return 302`", "limit", records=False),
    Row("logged", "`return 302`, buffered access log", "logged",
        records=False),
    Row("module", "this module, everything on", "module"),
    Row("stopped", "this module, Redis stopped", "module", stopped=True),
    Row("cold", "this module, every click another link", "module",
        links=100_000, cold=True, zone="128m"),
    Row("tuned", "Lua, tuned", "tuned"),
    Row("plain", "Lua, plain", "plain"),
]

# some 20,000 clicks a second, whoever answers

PACED = [
    Row("limit-paced", "`return 302`", "limit", records=False, pause=3),
    Row("stopped-paced", "this module, Redis stopped", "module", stopped=True,
        pause=3),
    Row("module-paced", "this module, everything on", "module", pause=3),
]

SCALE = [
    Row("links-1k", "1 k links", "module", zone="1g"),
    Row("links-100k", "100 k links, hot ones the same", "module",
        links=100_000, zone="256m"),
    Row("links-1m", "1 M links, hot ones the same", "module",
        links=1_000_000, zone="1g"),
    Row("limit-2", "`return 302`, 2 workers", "limit", workers=2,
        records=False),
    Row("module-2", "this module, 2 workers", "module", workers=2),
    Row("limit-16", "`return 302`, 16 connections", "limit", connections=16,
        records=False),
    Row("module-16", "this module, 16 connections", "module", connections=16),
    Row("limit-512", "`return 302`, 512 connections", "limit",
        connections=512, records=False),
    Row("module-512", "this module, 512 connections", "module",
        connections=512),
]


def options():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="What a short link costs, beside "
        "a plain redirect and what one would build with Lua.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4,
                        help="of load, a row and round")
    parser.add_argument("--quick", action="store_true",
                        help="one short round: to see that it runs")
    parser.add_argument("--scale", action="store_true",
                        help="links, workers, connections, too")
    parser.add_argument("--zone", action="store_true",
                        help="only how many links a referral_zone holds")
    parser.add_argument("--program", action="store_true",
                        help="only conversions: intake, settler, memory")
    parser.add_argument("--against", metavar="REV|FILE.so",
                        help="with --program: clicks of that module beside")
    parser.add_argument("--rows", help="only these, by name: limit,module")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--markdown", action="store_true",
                        help="the tables as docs/cost.md has them")

    o = parser.parse_args()

    if o.quick:
        o.rounds, o.seconds = 1, 1

    return o


def chosen(o):
    known = MAIN + PACED + SCALE
    rows = MAIN + PACED + (SCALE if o.scale else [])

    if o.rows:
        names = o.rows.split(",")
        unknown = set(names) - {row.name for row in known}

        if unknown:
            sys.exit(f"no row \"{unknown.pop()}\"; there are: "
                     + " ".join(row.name for row in known))

        rows = [row for row in known if row.name in names]

    return rows


def main():
    o = options()
    rows = chosen(o)
    slices = {row.name: [] for row in rows}

    with tempfile.TemporaryDirectory(prefix="referral-bench-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        geo = directory / "geo"
        geo.mkdir()
        subprocess.run(["perl", ROOT / "t" / "lib" / "mmdb.pl", geo],
                       check=True)

        redis = Redis(directory)

        try:
            bench = Bench(directory, redis, geo, o.seconds)

            if o.zone:
                return zone.show(bench)

            if o.program:
                figures = program.run(bench, o.quick, o.against)

                if o.json:
                    o.json.write_text(json.dumps(figures, indent=2) + "\n")

                return report.show_program(program.lines(figures), o.markdown)

            # in turns, each round beginning with another

            for n in range(o.rounds):
                for row in rows[n % len(rows):] + rows[:n % len(rows)]:
                    one = bench.slice(row)
                    slices[row.name].append(one)
                    print(f"{time.strftime('%T')} round {n + 1} {row.name:13}"
                          f" {one.rate:8.0f}/s  worker {one.worker:5.1f} us"
                          f"  redis {one.redis:5.1f} us"
                          f"{'  VOID: ' + one.void if one.void else ''}",
                          file=sys.stderr)

            sizes = {}

            if "module" in slices:
                event, touch = memory.per_click(bench, MAIN[2])
                link, clicks = memory.per_link(bench)
                sizes = {"click": event + touch, "event": event,
                         "touch": touch, "link": link, "clicks": clicks}
        finally:
            redis.end()

    result = report.result(rows, slices, sizes)
    result["machine"] = {"system": platform.platform(),
                         "cpus": report.cpus(),
                         "date": time.strftime("%F"), "rounds": o.rounds,
                         "seconds": o.seconds}

    if o.json:
        o.json.write_text(json.dumps(result, indent=2) + "\n")

    report.show(result, o.markdown)

    return 1 if any(one.void for some in slices.values() for one in some) \
        else 0


sys.exit(main())
