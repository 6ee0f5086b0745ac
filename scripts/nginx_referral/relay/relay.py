"""The process: a worker for each endpoint, and what is done beside them."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
import time

from ..store import hooks
from ..store.hook_counts import Counts, all_counts, last_message, trim
from ..store.keys import Keys
from ..store.store import Store, explain
from ..text.problem import OK, Problem
from . import metrics
from .fence import Fence
from .log import log
from .options import PROGRAM, USAGE_TEXT, Options, read_options
from .outbox import Endpoint, RedisError
from .worker import Worker

LOOK = 0.25
FIND = 1.0
WRITE = 10.0
TRIM = 60.0


class Relay:
    """All endpoints of all programs."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.store = Store(options.address, options.password, options.prefix)
        self.context = options.tls()

        # one connection, whose end is the end of what was known

        self.watch = Store(options.address, options.password, options.prefix)
        self.watch.redis = self.watch.redis.client()
        self.owner = (f"{socket.gethostname()}:{os.getpid()}:"
                      f"{secrets.token_hex(4)}")
        self.workers: dict[tuple[str, str], Worker] = {}
        self.fences: dict[str, Fence] = {}
        self.ending = threading.Event()
        self.told = ""
        self.told_metrics = ""
        self.next: dict[str, float] = {}

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                self.turn()

                if self.told:
                    self.told = ""
                    log("notice", "Redis answers again")
            except RedisError as error:
                self.trouble(str(explain(error)))
                self.ending.wait(FIND)

            self.ending.wait(LOOK)

        for worker in self.workers.values():
            worker.ending.set()

        for worker in self.workers.values():
            worker.join(self.options.timeout + 3)

    def trouble(self, why: str) -> None:
        for fence in self.fences.values():
            fence.reset()

        if why != self.told:
            self.told = why
            log("error", f"{why}; trying again until it works")

    def is_time(self, what: str, every: float) -> bool:
        now = time.monotonic()

        if now < self.next.get(what, 0):
            return False

        self.next[what] = now + every

        return True

    def turn(self) -> None:
        if self.is_time("find", FIND):
            self.find()

        for program, fence in self.fences.items():
            fence.look(last_message(self.watch, self.watch.keys(program)))

        if self.is_time("trim", min(TRIM, self.options.keep)):
            for program in self.programs():
                trim(self.store, self.store.keys(program),
                     int(self.options.keep * 1000))

        if self.options.metrics and self.is_time("metrics", WRITE):
            self.measure()

    def programs(self) -> list[str]:
        return [name for name in self.options.programs
                or self.store.program_names() if PROGRAM.fullmatch(name)]

    def find(self) -> None:
        """Endpoints that are new, and those that are gone."""
        for key in [key for key, worker in self.workers.items()
                    if not worker.is_alive()]:
            del self.workers[key]

        busy = set()

        for program in self.programs():
            keys = self.store.keys(program)

            for name in hooks.names(self.store, keys):
                if hooks.NAME.fullmatch(name):
                    busy.add(program)
                    self.serve(keys, name)

        for program in self.fences.keys() - busy:
            del self.fences[program]

    def serve(self, keys: Keys, name: str) -> None:
        program = keys.program_name
        fence = self.fences.setdefault(program, Fence())

        if (program, name) not in self.workers:
            endpoint = Endpoint(self.store, keys, name, self.owner)
            worker = Worker(endpoint, self.options, self.context, fence)
            self.workers[program, name] = worker
            worker.start()

    def measure(self) -> None:
        rows: dict[tuple[str, str], Counts] = {}

        for program in self.programs():
            for counts in all_counts(self.store, self.store.keys(program)):
                rows[program, counts.hook.name] = counts

        try:
            metrics.write(self.options.metrics, rows)
            self.told_metrics = ""
        except OSError as error:
            why = f"metrics \"{self.options.metrics}\": {error.strerror}"

            if why != self.told_metrics:
                self.told_metrics = why
                log("error", why)


def main() -> int:
    """Runs until it is told to end; returns the exit code."""
    try:
        options = read_options(sys.argv[1:])

        if options is None:
            print(USAGE_TEXT, end="")
            return OK

        relay = Relay(options)
    except Problem as problem:
        print(f"nginx-referral-relay: {problem}", file=sys.stderr)
        return problem.code

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.ending.set())

    log("notice", f"nginx-referral-relay begins, {relay.owner}")
    relay.run()
    log("notice", "nginx-referral-relay ends")

    return OK
