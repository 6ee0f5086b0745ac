"""One endpoint: a thread that has its lease, reads its messages, and sends
them over a few connections.  No other endpoint waits for it."""

from __future__ import annotations

import random
import re
import ssl
import threading
import time
from collections import deque
from concurrent.futures import (FIRST_COMPLETED, Future, ThreadPoolExecutor,
                                wait)

from .. import VERSION
from ..store.hooks import ACTIVE, DISABLED, PAUSED, Hook, Place, place
from ..store.store import explain
from .fence import Fence
from .log import log
from .message import body_of, message_id, test_body
from .options import Options
from .outbox import DOWN, Endpoint, RedisError
from .post import Answer, post
from .signature import signatures

READ = 100
IDLE = 0.25
AGAIN = 1.0

# Retry-After is obeyed up to a day; a message that is put off again and again
# without a count ends some days after its first try
HOLD_MAX = 86400
PUT_OFF_MAX = 4 * 86400

JITTER = 0.2

MESSAGE_ID = re.compile(r"msg_[0-9a-f]{32}")


class Worker(threading.Thread):
    """Sends to one endpoint, while it has the lease."""

    def __init__(self, endpoint: Endpoint, options: Options,
                 context: ssl.SSLContext, fence: Fence) -> None:
        name = f"{endpoint.keys.program_name}/{endpoint.name}"
        super().__init__(name=name, daemon=True)
        self.endpoint = endpoint
        self.options = options
        self.context = context
        self.fence = fence
        self.ending = threading.Event()
        self.gone = False
        self.pool = ThreadPoolExecutor(options.connections)
        self.trials = ThreadPoolExecutor(1)
        self.sent: dict[str, Future[Answer]] = {}
        self.answers: deque[tuple[str, Answer]] = deque()
        self.read: deque[str] = deque()
        self.after = "0-0"
        self.mine = False
        self.told = ""
        self.lacking = False
        self.safe: Place = (0, 0)
        self.generation = 0
        self.trial: tuple[str, float, Future[Answer]] | None = None

    def say(self, level: str, text: str) -> None:
        program = self.endpoint.keys.program_name
        log(level, f"program \"{program}\": endpoint"
            f" \"{self.endpoint.name}\": {text}")

    def run(self) -> None:
        while not self.ending.is_set() and not self.gone:
            try:
                pause = self.turn()

                if self.told:
                    self.told = ""
                    self.say("notice", "goes on")
            except RedisError as error:
                self.trouble("error", str(explain(error)))
                pause = AGAIN
            except Exception as error:  # pylint: disable=broad-except
                self.trouble("crit", "a fault of this program:"
                             f" {type(error).__name__}")
                pause = AGAIN

            if pause:
                self.ending.wait(pause)

        self.end()

    def trouble(self, level: str, why: str) -> None:
        """Said once, and tried again from what Redis has."""
        self.lose()

        if why != self.told:
            self.told = why
            self.say(level, f"{why}; it is tried again")

    def end(self) -> None:
        """Waits for what is under way, notes it and gives the lease back."""
        if self.sent:
            wait(self.sent.values(), self.options.timeout + 1)

        try:
            if not self.gone and self.mine:
                _, now, hook = self.endpoint.lease(self.options.lease)

                if hook:
                    self.collect(hook, now)

                self.endpoint.lease(0)
        except RedisError:
            pass

        self.pool.shutdown(wait=False)
        self.trials.shutdown(wait=False)

    def lose(self) -> None:
        """What is known of the stream may be true no more."""
        self.read.clear()
        self.after = "0-0"
        self.mine = False
        self.safe = (0, 0)
        self.generation = self.fence.generation

    def turn(self) -> float:
        """One look at everything; how long nothing has to be done."""
        mine, now, hook = self.endpoint.lease(self.options.lease)

        if hook is None:
            self.gone = True
            return 0

        if mine != self.mine:
            self.lose()
            self.mine = mine
            self.say("notice", "is served here" if mine
                     else "is served elsewhere")

        if self.generation != self.fence.generation:
            self.lose()
            self.mine = mine

        # what failed may have changed what it is

        if self.collect(hook, now):
            return 0

        if not mine:
            return AGAIN

        self.test(hook, now)

        if hook.state != ACTIVE:
            return AGAIN

        if self.tired(hook, now):
            return 0

        if hook.number("hold_until") <= now:
            self.send(hook, now)

        if self.sent:
            wait(self.sent.values(), IDLE, return_when=FIRST_COMPLETED)
            return 0

        return IDLE

    def tired(self, hook: Hook, now: int) -> bool:
        """Pauses an endpoint that has failed for days."""
        since = hook.number("failing_since")

        if (not since or hook.number("failures") < DOWN
                or now - since < self.options.pause_after * 1000):
            return False

        self.endpoint.set(state=PAUSED, changed_at=now, why="it failed for"
                          f" {self.options.pause_after / 86400:.3g} days")
        self.say("error", "is paused: it took nothing since"
                 f" {(now - since) // 1000} seconds; what waits is kept until"
                 " \"nginx-referral hook resume\"")

        return True

    # --- sending ---

    def send(self, hook: Hook, now: int) -> None:
        free = self.options.connections - len(self.sent)

        if hook.number("failures") >= DOWN:
            if not self.sent and hook.number("probe_at") <= now:
                self.probe(hook, now)

            return

        for name in self.endpoint.due(now, free + len(self.sent)):
            if free and self.free_to_send(name) and self.begin(hook, name,
                                                               now):
                free -= 1

        while free > 0 and self.next(hook, now):
            free -= 1

    def probe(self, hook: Hook, now: int) -> None:
        """One message asks whether an endpoint that is down is back.  A new
        one first: one that fails for what it is proves nothing."""
        spread = random.uniform(1 - JITTER, 1 + JITTER)
        self.endpoint.set(probe_at=now + int(self.options.probe * 1000
                                             * spread))

        if not self.next(hook, now):
            name = self.endpoint.earliest()

            if name and self.free_to_send(name):
                self.begin(hook, name, now)

    def free_to_send(self, name: str) -> bool:
        return name not in self.sent and all(name != other for other, _
                                             in self.answers)

    def next(self, hook: Hook, now: int) -> bool:
        """Sends the next message that may leave, of those that it wants."""
        while True:
            if not self.read:
                self.fill()

            if not self.read or not self.passes(place(self.read[0])):
                return False

            name = self.read.popleft()

            if self.free_to_send(name) and self.begin(hook, name, now):
                return True

    def fill(self) -> None:
        """First what was read and not answered for, then what is new."""
        if self.after != ">":
            found = self.endpoint.read(self.after, READ)
            self.after = found[-1] if found else ">"
            self.read.extend(found)

        if not self.read:
            self.read.extend(self.endpoint.read(">", READ))

    def passes(self, message: Place) -> bool:
        """Nothing leaves that could be lost yet."""
        if not self.options.replicas:
            return self.fence.passes(message)

        if message <= self.safe:
            return True

        if not self.endpoint.acknowledged(self.options.replicas, 1):
            if not self.lacking:
                self.lacking = True
                self.say("error", f"fewer than {self.options.replicas}"
                         " replicas have its messages; nothing is sent")

            return False

        if self.lacking:
            self.lacking = False
            self.say("notice", "replicas have its messages again")

        self.safe = place(self.read[-1])

        return True

    def begin(self, hook: Hook, name: str, now: int) -> bool:
        """Sends a message as it stands in the outbox now: what was read
        before may be lost since.  False if there is nothing to send."""
        fields = self.endpoint.entry(name)

        if not (fields and MESSAGE_ID.fullmatch(message_id(fields))):
            if self.endpoint.result(name, "gone", now):
                self.say("error", f"message {name} is not in the outbox any"
                         " more, and was not delivered" if not fields else
                         f"message {name} of the outbox has no id, and was"
                         " not delivered")

            return False

        if not hook.wants(fields.get("type", "")):
            self.endpoint.drop(name)
            return False

        body = body_of(self.endpoint.store, self.endpoint.keys, fields)
        self.sent[name] = self.pool.submit(
            self.post, hook.url, message_id(fields), body,
            self.endpoint.secrets(now))

        return True

    def post(self, url: str, name: str, body: bytes, keys: list[bytes]
             ) -> Answer:
        if not keys:
            return Answer(why="no-secret")

        at = int(time.time())

        return post(url, {
            "Content-Type": "application/json",
            "User-Agent": f"nginx-referral/{VERSION}",
            "webhook-id": name, "webhook-timestamp": str(at),
            "webhook-signature": signatures(keys, name, at, body),
        }, body, self.options.guard, self.context, self.options.timeout)

    def test(self, hook: Hook, now: int) -> None:
        """What "hook test" asks for, beside all that waits."""
        if self.trial:
            token, began, future = self.trial

            if future.done():
                self.trial = None
                ms = int((time.monotonic() - began) * 1000)
                self.endpoint.tested(token, f"{future.result().word} {ms}")

            return

        token = hook.fields.get("test", "")

        if token:
            body = test_body(self.endpoint.keys.program_name, hook, now)
            self.trial = (token, time.monotonic(), self.trials.submit(
                self.post, hook.url, f"msg_{token}", body,
                self.endpoint.secrets(now)))

    # --- what became of it ---

    def collect(self, hook: Hook, now: int) -> bool:
        """Notes what is over; did any of it fail?"""
        failed = False

        for name in [name for name, future in self.sent.items()
                     if future.done()]:
            future = self.sent.pop(name)
            self.answers.append((name, Answer(why="fault")
                                 if future.exception() else future.result()))

        while self.answers:
            failed |= not self.answers[0][1].taken
            self.note(hook, *self.answers[0], now)
            self.answers.popleft()

        return failed

    def note(self, hook: Hook, name: str, answer: Answer, now: int) -> None:
        if answer.taken:
            if self.endpoint.result(name, "done", now, text=answer.word) == 2:
                self.say("notice", "takes messages again")

            return

        tries, first = self.endpoint.tries(name)
        first = first or now
        hold, wanted = 0, answer.wait

        due = now + self.pause_of(tries)
        outcome = "again"

        if answer.status in (429, 503) and wanted is not None:
            hold = due = now + min(max(wanted, 1), HOLD_MAX) * 1000
            outcome = "again" if now - first < PUT_OFF_MAX * 1000 else "dead"

        elif hook.number("failures") < DOWN:
            outcome = "again" if tries < len(self.options.retries) else "dead"
            tries += 1

        # else the endpoint is down: that says nothing about this message

        state, why = "", ""

        if answer.status == 410:
            state, why = DISABLED, "it answered 410"

        noted = self.endpoint.result(
            name, outcome, now, due, f"{tries} {first} {answer.word}", hold,
            state, why)

        if not noted:
            return

        if outcome == "dead":
            self.say("error", f"message {name} is given up after {tries}"
                     f" tries, the last one: {answer.word}; \"nginx-referral"
                     " hook replay --dead\" sends it again")

        if state and hook.state == ACTIVE:
            self.say("error", "is disabled: it answered 410; \"nginx-referral"
                     " hook resume\" goes on")
        elif noted == 3:
            self.say("warn", f"fails: {answer.word}; what it did not take is"
                     " sent again")

    def pause_of(self, tries: int) -> int:
        times = self.options.retries
        seconds = times[min(tries, len(times) - 1)]

        return int(seconds * 1000 * random.uniform(1 - JITTER, 1 + JITTER))

