"""scripts/bench --program: what conversions cost, from the intake to counts."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

from . import rewards, rows
from .measure import Row, aside
from .servers import ROOT, Nginx, cpu_seconds, free_port

LOAD = ROOT / "bench" / "events.lua"
SETTLE = ROOT / "build" / "nginx-referral-settle"
SECRET = "k" * 32
LINKS = 1000
CLICKS = Row("program", "clicks beside events", "module", pause=3)


class Program:
    """One Redis, and the figures in the order in which they are taken."""

    def __init__(self, bench, quick):
        self.bench = bench
        self.redis = bench.redis
        self.client = bench.redis.client
        self.quick = quick
        self.seconds = 1 if quick else 5
        self.serial = 0
        self.figures = []

        self.keys = bench.directory / "shops"
        self.keys.write_text("shop main whsec_"
                             + base64.b64encode(SECRET.encode()).decode()
                             + "\n")
        self.keys.chmod(0o600)

    def figure(self, name, value, unit, n, bar=None, most=True, note=""):
        holds = None

        if bar is not None:
            holds = value <= bar if most else value >= bar

        self.figures.append({"name": name, "value": value, "unit": unit,
                             "n": n, "bar": bar, "most": most,
                             "holds": holds, "note": note})
        print(time.strftime("%T"), *next(lines(self.figures[-1:])),
              file=sys.stderr)

    @contextlib.contextmanager
    def nginx(self, module=rows.MODULE, events=True):
        """One worker; with events a location takes signed ones."""

        self.serial += 1
        directory = self.bench.directory / f"program-{self.serial}"
        port = free_port()
        text = rows.text("program", port, 1, redis=self.redis.port,
                         geo=self.bench.geo, directory=directory,
                         module=module, keys=self.keys if events else None)
        nginx = Nginx(directory, text, port)

        try:
            yield nginx, directory / "journal"
        finally:
            nginx.end()

    @contextlib.contextmanager
    def settler(self):
        process = subprocess.Popen(self.settle(), stderr=subprocess.DEVNULL)

        try:
            yield process
        finally:
            process.terminate()
            process.wait()

    def settle(self, *more):
        return [SETTLE, "--redis", f"127.0.0.1:{self.redis.port}", *more]

    def load(self, nginx, seconds, connections=64, batch=1, pause=0,
             whose=None, kind="sale"):
        """A wrk that sends signed events; its output is that of BENCH."""

        self.serial += 1
        prefix = f"b{self.serial}"
        whose = whose or (prefix, 10**9)

        return subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency",
             "-s", str(LOAD), f"http://127.0.0.1:{nginx.port}/events", "--",
             SECRET, prefix, str(LINKS), str(batch), str(pause),
             whose[0], str(whose[1]), kind],
            stdout=subprocess.PIPE, text=True, preexec_fn=aside)

    def facts(self):
        return self.client.xlen("ref:conversions:{shop}")

    def quiet(self, what, seconds=60):
        """Waits until a number does not change any more, and tells it."""

        end = time.time() + seconds
        last, since = what(), time.time()

        while time.time() < end and time.time() - since < 1:
            time.sleep(0.1)
            now = what()

            if now != last:
                last, since = now, time.time()

        return last

    def sales(self):
        return int(self.client.hget("ref:stats:{shop}", "sales") or 0)

    def intake(self, nginx, batch, whose=None, kind="sale", seconds=None):
        """Events a second, and how many; each has to be in the stream."""

        before, cpu = self.facts(), nginx.cpu()
        line = self.load(nginx, seconds or self.seconds, batch=batch,
                         whose=whose, kind=kind).communicate()[0]
        got = re.search(r"^BENCH (\d+) (\d+) (\d+)", line, re.M)
        requests, micro, errors = (int(word) for word in got.groups())
        n = requests * batch
        kept = self.quiet(self.facts) - before

        if errors or not n <= kept <= n + 64 * batch:
            raise SystemExit(f"answered {n} events, {errors} errors, and"
                             f" {kept} are in the stream")

        return n / (micro / 1e6), n, (nginx.cpu() - cpu) / kept * 1e6

    def stream(self):
        """Intake, settler, memory and replay: one stream for all four."""

        self.bench.links(LINKS)
        syncs, times = fdatasync_rate(self.bench.directory)
        self.figure("raw fdatasync of 4 KB, one after the other", syncs, "/s",
                    times)

        with self.nginx() as (nginx, _):
            memory = self.redis.memory()
            rate, n, cpu = self.intake(nginx, 1)
            self.figure("intake, single events, 64 connections", rate, "/s",
                        n, 5000, False, f"worker {cpu:.1f} us an event")

            rate, n, cpu = self.intake(nginx, 100)
            self.figure("intake, bodies of 100, 64 connections", rate, "/s",
                        n, None, False, f"worker {cpu:.1f} us an event")

            facts = self.facts()
            used, seconds, redis = self.settled()
            self.figure("settled plain sales, one program", facts / seconds,
                        "/s", facts, 3000, False,
                        f"settler {used / facts * 1e6:.1f} us, Redis"
                        f" {redis / facts * 1e6:.1f} us a sale")
            new = self.redis.memory() - memory
            self.figure("Redis memory a new friend with a sale", new / facts,
                        "bytes", facts)

            self.intake(nginx, 100, (f"b{self.serial}", n))
            self.settled()
            more = self.facts() - facts
            self.figure("Redis memory one more sale of a friend",
                        (self.redis.memory() - memory - new) / more, "bytes",
                        more, 600)

        self.replayed("replay of a dump, one core")

    def settled(self):
        """Settles what is there: CPU of the settler, time, CPU of Redis."""

        redis, start = self.redis.cpu(), time.monotonic()
        before = os.times()
        subprocess.run(self.settle("--once"), check=True,
                       stderr=subprocess.DEVNULL)
        after = os.times()
        seconds = time.monotonic() - start

        position = int(self.client.hget("ref:settled:{shop}", "position"))

        if position != self.facts():
            raise SystemExit(f"{position} entries are settled of"
                             f" {self.facts()}")

        used = (after.children_user + after.children_system
                - before.children_user - before.children_system)

        return used, seconds, self.redis.cpu() - redis

    def replayed(self, name):
        """A replay ends with a comparison of all keys: both are told."""

        dump = self.bench.directory / "shop.ndjson"

        with dump.open("w") as out:
            subprocess.run(self.settle("--dump", "--program", "shop"),
                           check=True, stdout=out)

        before = os.times()
        said = subprocess.run(self.settle("--replay", dump, "--program",
                                          "shop"),
                              check=True, capture_output=True,
                              text=True).stderr
        after = os.times()
        used = (after.children_user + after.children_system
                - before.children_user - before.children_system)
        n, ms = (int(word) for word in re.search(
            r"(\d+) entries replayed in (\d+) ms", said).groups())
        self.figure(name + ", compared with Redis", n / max(ms, 1) * 1000,
                    "/s", n, None, False,
                    f"{used / n * 1e6:.1f} us of CPU an entry, with the"
                    " comparison")

        said = subprocess.run(self.settle("--replay", dump, "--chains",
                                          "--program", "shop"),
                              check=True, capture_output=True, text=True)
        ms = int(re.search(r"replayed in (\d+) ms", said.stderr)[1])
        chain = self.client.hget("ref:settled:{shop}", "chain")

        if f"chain {chain}\n" not in said.stdout:
            raise SystemExit(f"the dump leads to {said.stdout}, not {chain}")

        self.figure(name + ", its chains alone", n / max(ms, 1) * 1000, "/s",
                    n, 100000, False)

    def visible(self, rewarded=False):
        """From the answer until the settler has counted the sale, or until
        the referrer's wallet has its reward."""

        self.client.flushall()
        self.client.hset("ref:link:{shop}:c0", mapping={"referrer": "of0"})

        if rewarded:
            rewards.begin(self, post)

        n = 100 if self.quick else 1500
        answered, seen = [], []

        with self.nginx() as (nginx, _), self.settler():
            post(http.client.HTTPConnection("127.0.0.1", nginx.port), "warm")
            stop = time.monotonic() + 30

            # the settler looks for new programs each ten seconds

            while self.sales() < 1 + rewarded and time.monotonic() < stop:
                time.sleep(0.1)

            number = self.client.hget("ref:person:{shop}", "of0").split()[0]
            key, field, each = f"ref:progress:{{shop}}:{number}", "sales", 1

            if rewarded:
                key, field, each = (f"ref:wallet:{{shop}}:{number}",
                                    "EUR:pending", 1000)

            before = int(self.client.hget(key, field))
            stop = time.monotonic() + n / 100 + 30

            def watch():
                while len(seen) < n and time.monotonic() < stop:
                    new = int(self.client.hget(key, field)) - before
                    now = time.monotonic()
                    seen.extend([now] * (new // each - len(seen)))
                    time.sleep(0.001)

            watcher = threading.Thread(target=watch)
            watcher.start()
            paced(nginx.port, n, answered)
            watcher.join()

        if len(seen) != n or len(answered) != n:
            raise SystemExit(f"{len(answered)} of {n} sales were answered,"
                             f" {len(seen)} counted")

        # the stream's order is that in which they become visible

        waits = sorted(max(0, at - said) * 1000 for at, (_, said)
                       in zip(seen, sorted(answered)))

        what = "reward in the wallet" if rewarded else "counted"
        self.figure(f"answer to {what}, 100/s, p50", waits[n // 2], "ms", n)
        self.figure(f"answer to {what}, 100/s, p99", waits[n * 99 // 100],
                    "ms", n, 250)

    def clicks(self, against):
        """Worker CPU a click, in turns; events come by another nginx."""

        rounds = 1 if self.quick else 9
        seconds = 1 if self.quick else 2
        self.bench.links(LINKS)
        took = {}

        with contextlib.ExitStack() as stack:
            shop, _ = stack.enter_context(self.nginx())
            ways = [("without", self.nginx(events=False), False),
                    ("busy", self.nginx(), True)]

            if against:
                ways += [("before", self.nginx(against, False), False),
                         ("on", self.nginx(), False)]

            ways = [(name, stack.enter_context(one), busy)
                    for name, one, busy in ways]

            for i in range(rounds):
                for name, (nginx, journal), busy in (ways if i % 2 == 0
                                                     else ways[::-1]):
                    one = self.click_slice(nginx, journal, shop, busy,
                                           seconds)
                    took.setdefault(name, []).append(one)

        self.ratio("click, engine busy, to without conversions",
                   took["busy"], took["without"])

        if against:
            self.ratio("click, conversions on, to the other module",
                       took["on"], took["before"])

    def click_slice(self, nginx, journal, shop, busy, seconds):
        with contextlib.ExitStack() as stack:
            if busy:
                stack.enter_context(self.settler())
                load = self.load(shop, seconds + 3, connections=4, pause=40)
                stack.callback(load.communicate)

            one = self.bench.load(CLICKS, nginx, journal, seconds)

        if one.void:
            raise SystemExit("clicks beside events: " + one.void)

        return one.worker

    def ratio(self, name, some, others):
        """Of the least of all rounds: other work on the machine only adds."""

        one, other = min(some), min(others)
        self.figure(name, one / other, "", len(some), 1.02, True,
                    f"{one:.2f} and {other:.2f} us a click")


def fdatasync_rate(directory):
    """What the disk can do, whoever asks."""

    n, start = 0, time.monotonic()
    fd = os.open(directory / "sync", os.O_CREAT | os.O_WRONLY, 0o600)
    os.posix_fallocate(fd, 0, 1 << 20)

    while time.monotonic() - start < 1:
        os.pwrite(fd, b"x" * 4096, n % 256 * 4096)
        os.fdatasync(fd)
        n += 1

    os.close(fd)

    return n / (time.monotonic() - start), n


def post(connection, name):
    """One signed sale: its position in the stream, and when it was answered."""

    body = json.dumps({"type": "sale", "event_id": f"e-{name}",
                       "customer": f"c-{name}", "order_id": f"o-{name}",
                       "amount": 4990, "currency": "EUR", "code": "c0"})
    now = int(time.time())
    mac = hmac.new(SECRET.encode(), f"m-{name}.{now}.{body}".encode(),
                   hashlib.sha256).digest()
    connection.request("POST", "/events", body, {
        "Content-Type": "application/json", "webhook-id": f"m-{name}",
        "webhook-timestamp": str(now),
        "webhook-signature": "v1," + base64.b64encode(mac).decode()})
    answer = connection.getresponse()
    text = answer.read()
    said = time.monotonic()

    if answer.status not in (200, 202):
        raise SystemExit(f"{answer.status}: {text.decode()}")

    return json.loads(text).get("position", 1 << 53), said


def paced(port, n, answered):
    """n sales, 100 a second, over ten connections."""

    start = time.monotonic() + 0.1

    def send(first):
        connection = http.client.HTTPConnection("127.0.0.1", port)

        for i in range(first, n, 10):
            time.sleep(max(0, start + i / 100 - time.monotonic()))
            answered.append(post(connection, str(i)))

    threads = [threading.Thread(target=send, args=(i,)) for i in range(10)]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()


def module_of(name, directory):
    """A module that is built, or that of a commit, which is built here."""

    if name.endswith(".so"):
        return pathlib.Path(name).resolve()

    tree = directory / "against"
    tree.mkdir()
    archive = subprocess.run(["git", "archive", name], cwd=ROOT, check=True,
                             stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "x", "-C", str(tree)], input=archive, check=True)
    subprocess.run([tree / "scripts" / "build"], check=True,
                   stdout=subprocess.DEVNULL)

    return tree / "build" / "ngx_http_referral_module.so"


def run(bench, quick, against):
    one = Program(bench, quick)

    if against:
        against = module_of(against, bench.directory)

    one.visible()
    one.visible(rewarded=True)
    one.stream()
    rewards.stream(one, post, LINKS)
    one.clicks(against)

    return one.figures


def lines(figures):
    for one in figures:
        bar = ""

        if one["bar"] is not None:
            bar = f"{'<=' if one['most'] else '>='} {one['bar']:g}"

        digits = 3 if one["unit"] == "" else 1 if one["unit"] == "ms" else 0
        yield [one["name"], f"{one['value']:.{digits}f} {one['unit']}".strip(),
               str(one["n"]), bar, {True: "ok", False: "below",
                                    None: ""}[one["holds"]], one["note"]]
