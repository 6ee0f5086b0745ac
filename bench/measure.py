"""One slice of one row: load, processor time, and whether the counts hold."""

import contextlib
import dataclasses
import os
import statistics
import subprocess
import time

from . import rows
from .servers import ROOT, Nginx, free_port

WRK = ROOT / "bench" / "clicks.lua"


@dataclasses.dataclass
class Row:
    """What is measured: a configuration, and how it is loaded."""

    name: str
    title: str
    config: str
    links: int = 1000
    workers: int = 1
    connections: int = 64
    cold: bool = False           # every click another link
    records: bool = True         # Redis is to have the clicks
    stopped: bool = False        # Redis does not run while clicks come
    zone: str = "16m"            # the default
    countries: int = 7           # that the visitors come from
    pause: int = 0               # ms between answer and next click, on average


@dataclasses.dataclass
class Slice:
    """What one slice gave; times in microseconds."""

    rate: float
    p50: float
    p99: float
    worker: float
    redis: float
    backlog: float               # seconds of clicks that Redis had to come
    journal: float               # bytes of a click there
    void: str = ""


class Bench:
    """The machine room: a Redis, a directory, one nginx at a time."""

    def __init__(self, directory, redis, geo, seconds):
        self.directory = directory
        self.redis = redis
        self.geo = geo
        self.seconds = seconds
        self.serial = 0

    def links(self, n):
        """n links with rules, as the module and its peers read them."""

        self.redis.client.flushall()
        pipe = self.redis.client.pipeline(transaction=False)

        for i in range(n):
            pipe.hset(f"ref:link:{{shop}}:c{i}", mapping={
                "referrer": f"of{i % 1000}",
                "landing": f"https://shop.example.com/welcome/{i % 10}",
                "rules": "country=JP,KR https://shop.example.com/ja\n"
                         "country=BR https://shop.example.com/pt"})

            if i % 1000 == 999:
                pipe.execute()

        pipe.execute()

    def counted(self):
        stats = self.redis.client.hget("ref:stats:{shop}", "raw")

        return int(stats or 0)

    @contextlib.contextmanager
    def running(self, row):
        """The row's links and its nginx, and where that keeps its journal."""

        self.serial += 1
        self.links(row.links)

        directory = self.directory / f"{self.serial}-{row.name}"
        port = free_port()
        nginx = Nginx(directory, rows.text(
            row.config, port, row.workers, redis=self.redis.port,
            geo=self.geo, directory=directory, zone=row.zone,
            bench=ROOT / "bench"), port)

        try:
            yield nginx, directory / "journal"
        finally:
            self.redis.go_on()
            nginx.end()

    def slice(self, row, seconds=None):
        """Starts the row's nginx, warms it up, loads it, looks at it."""

        with self.running(row) as (nginx, journal):
            return self.load(row, nginx, journal, seconds or self.seconds)

    def load(self, row, nginx, journal, seconds):
        warm = 0

        # a short one, so that what is hot is warm; a cold one stays cold

        if not row.cold:
            warm = self.wrk(row, nginx, 1, 0)["requests"]

            if row.records:
                self.drained(warm, 30)

        before = self.counted()

        if row.stopped:
            self.redis.stop()

        worker, redis = nginx.cpu(), self.redis.cpu()
        got = self.wrk(row, nginx, seconds, 1)
        used = nginx.cpu() - worker

        n = got["requests"]
        written = sum(file.stat().st_size for file in journal.rglob("*")
                      if file.is_file())
        backlog = 0.0
        void = ""

        if row.stopped:
            self.redis.go_on()

        if row.records:
            if not row.stopped:
                waiting = max(0, n - (self.counted() - before))
                backlog = waiting / (n / got["seconds"])

            counted = self.drained(n + before, 120) - before

            # what is sent later has its price too

            if not row.stopped:
                used = nginx.cpu() - worker

            # the load tool leaves what is under way when its time is over

            if not n <= counted <= n + row.connections:
                void = f"answered {n}, counted {counted}"

        if got["errors"]:
            void = f"{got['errors']} errors"

        return Slice(rate=n / got["seconds"], p50=got["p50"], p99=got["p99"],
                     worker=used / n * 1e6,
                     redis=(self.redis.cpu() - redis) / n * 1e6,
                     backlog=backlog, journal=written / (n + warm), void=void)

    def drained(self, want, seconds):
        """Waits until Redis has what it should, or nothing comes any more."""

        end = time.time() + seconds
        last, since = -1, time.time()

        while time.time() < end:
            n = self.counted()

            if n != last:
                last, since = n, time.time()

            elif time.time() - since > (0.7 if n >= want else 5):
                break

            time.sleep(0.1)

        return last

    def wrk(self, row, nginx, seconds, offset):
        # all in turn, or always the same thousand

        links = row.links if row.cold else min(row.links, 1000)
        step = 7919 if row.cold else 1

        output = subprocess.run(
            ["wrk", "-t1", f"-c{row.connections}", f"-d{seconds}", "--latency",
             "-s", str(WRK), f"http://127.0.0.1:{nginx.port}/", "--",
             str(links), str(offset), str(step), str(row.countries),
             str(row.pause)],
            check=True, capture_output=True, text=True,
            preexec_fn=aside).stdout

        line = next(l for l in output.splitlines() if l.startswith("BENCH"))
        _, requests, duration, errors, p50, p99 = line.split()

        return {"requests": int(requests), "seconds": int(duration) / 1e6,
                "errors": int(errors), "p50": float(p50), "p99": float(p99)}


def aside():
    """The load tool waits for its turn.  Elsewhere it is on another machine;
    here it would stop the worker for each answer, in the middle of others."""

    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def median(slices, field):
    values = [getattr(s, field) for s in slices if not s.void]

    return statistics.median(values) if values else float("nan")
