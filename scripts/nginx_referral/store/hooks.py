"""Endpoints of webhooks: what operators set, and what the relay notes.

Each is a hash, a group of the outbox of its name, and what waits: messages
that are sent again, and those that were given up."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import urlsplit

from redis.exceptions import ResponseError

from ..text.problem import NEGATIVE, REFUSED, Problem
from .keys import Keys
from .store import Store, count

ACTIVE, PAUSED, DISABLED = "active", "paused", "disabled"

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
URL_MAX = 2048
ENDPOINTS_MAX = 32
SECRET_BYTES = 32

# what the outbox has (docs/webhooks.md says when)
TYPES = (
    "badge.earned", "contest.closed", "contest.placed", "goal.missed",
    "goal.reached", "nudge.due", "referral.done", "referral.joined",
    "review.closed", "review.opened", "review.reminder", "reward.available",
    "reward.cancelled", "reward.denied", "reward.expired", "reward.pending",
    "reward.reserved", "reward.spent", "tier.lost", "tier.reached",
)

Entry = tuple[str, Mapping[str, str]]
Place = tuple[int, int]

FIRST: Place = (0, 0)
LAST_INDEX = 2 ** 64 - 1


@dataclass(frozen=True)
class Hook:
    """One endpoint; the rest of its fields are the relay's."""

    name: str
    fields: Mapping[str, str]

    @property
    def url(self) -> str:
        return self.fields.get("url", "")

    @property
    def state(self) -> str:
        return self.fields.get("state", ACTIVE)

    @property
    def events(self) -> list[str]:
        return [word for word in self.fields.get("events", "*").split(",")
                if word]

    def number(self, field: str) -> int:
        return count(self.fields.get(field))

    def wants(self, kind: str) -> bool:
        return any(word in ("*", kind)
                   or word.endswith(".*") and kind.startswith(word[:-1])
                   for word in self.events)


def place(name: str) -> Place:
    """N-i as two numbers."""
    first, _, second = name.partition("-")

    return int(first), int(second or 0)


def place_before(here: Place) -> str:
    """What a group has read last, so that "here" comes next."""
    first, second = here

    if second:
        return f"{first}-{second - 1}"

    return f"{first - 1}-{LAST_INDEX}" if first else "0-0"


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Problem(REFUSED, f"{name!r} is no endpoint's name: 1 to 32 of"
                      " a-z 0-9 _ -, and a letter or a digit first")


def check_url(url: str) -> None:
    """Refuses what no relay would send to, whatever it is allowed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
        parts = urlsplit("")

    if (not re.fullmatch(r"[!-~]+", url) or len(url) > URL_MAX or not host
            or port == 0 or parts.scheme not in ("https", "http")):
        raise Problem(REFUSED, "the URL is not understood; give one like"
                      " https://shop.example.com/webhooks, at most"
                      f" {URL_MAX} printable ASCII characters")

    if parts.username is not None or parts.fragment or "#" in url:
        raise Problem(REFUSED, "the URL has no user, no password and no #: a"
                      " receiver knows the sender by the signature")

    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1",
                                               "::1"):
        raise Problem(REFUSED, "the URL has to begin with https://; http://"
                      " is for this machine alone, 127.0.0.1")


def check_events(words: list[str]) -> None:
    families = {kind.partition(".")[0] + ".*" for kind in TYPES}
    wrong = [word for word in words
             if word not in ("*", *TYPES, *families)]

    if wrong or not words:
        raise Problem(REFUSED, f"no such event: {', '.join(wrong) or 'none'};"
                      f" there are {', '.join(TYPES)}, and * and reward.* for"
                      " all of a kind")


def new_secret() -> str:
    return "whsec_" + base64.b64encode(
        secrets.token_bytes(SECRET_BYTES)).decode()


def names(store: Store, keys: Keys) -> list[str]:
    return sorted(store.redis.smembers(keys.hooks))


def find(store: Store, keys: Keys, name: str) -> Hook:
    check_name(name)
    fields = store.redis.hgetall(keys.hook(name))

    if not fields:
        raise Problem(NEGATIVE, f"program {keys.program_name} has no endpoint"
                      f" {name}; \"nginx-referral hook list"
                      f" {keys.program_name}\" shows those that it has")

    return Hook(name, fields)


def now_ms(store: Store) -> int:
    seconds, micro = store.redis.time()

    return int(seconds) * 1000 + int(micro) // 1000


def add(store: Store, keys: Keys, name: str, url: str, events: list[str],
        all_there: bool) -> str:
    """Makes an endpoint; returns its secret."""
    check_name(name)
    check_url(url)
    check_events(events)
    there = names(store, keys)

    if name in there:
        raise Problem(REFUSED, f"program {keys.program_name} has an endpoint"
                      f" {name}; \"hook remove\" removes it")

    if len(there) >= ENDPOINTS_MAX:
        raise Problem(REFUSED, f"a program has at most {ENDPOINTS_MAX}"
                      " endpoints")

    secret = new_secret()
    make_group(store, keys, name, "0-0" if all_there else "$")

    with store.redis.pipeline() as tx:
        tx.delete(keys.hook(name), keys.hook_secret(name))
        tx.hset(keys.hook_secret(name), mapping={"current": secret})
        tx.hset(keys.hook(name), mapping={
            "url": url, "events": ",".join(events), "state": ACTIVE,
            "made_at": str(now_ms(store))})
        tx.sadd(keys.hooks, name)
        tx.execute()

    return secret


def make_group(store: Store, keys: Keys, name: str, start: str) -> None:
    """A group of the outbox, if it is not there."""
    try:
        store.redis.xgroup_create(keys.outbox, name, id=start, mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def remove(store: Store, keys: Keys, name: str) -> None:
    """Removes an endpoint and all that waits for it."""
    find(store, keys, name)

    with store.redis.pipeline() as tx:
        tx.delete(keys.hook(name), keys.hook_secret(name),
                  keys.hook_retry(name), keys.hook_tries(name),
                  keys.hook_dead(name))
        tx.srem(keys.hooks, name)
        tx.exists(keys.outbox)
        there = tx.execute()[-1]

    if there:
        untyped: Any = store.redis
        untyped.xgroup_destroy(keys.outbox, name)


def rotate(store: Store, keys: Keys, name: str, overlap: int) -> str:
    """A new secret; the former signs beside it for so many ms."""
    find(store, keys, name)
    key = keys.hook_secret(name)
    former, secret = store.redis.hget(key, "current"), new_secret()
    values: dict[Any, str] = {"current": secret}

    if former and overlap:
        values["former"] = former
        values["former_until"] = str(now_ms(store) + overlap)

    with store.redis.pipeline() as tx:
        tx.delete(key)
        tx.hset(key, mapping=values)
        tx.execute()

    return secret


def pause(store: Store, keys: Keys, name: str) -> None:
    find(store, keys, name)
    store.redis.hset(keys.hook(name), mapping={
        "state": PAUSED, "why": "by an operator",
        "changed_at": str(now_ms(store))})


def resume(store: Store, keys: Keys, name: str) -> int:
    """Goes on; what waited for another try is tried now.  Returns how much
    that is."""
    find(store, keys, name)
    key, retry = keys.hook(name), keys.hook_retry(name)
    tx: Any

    with store.redis.pipeline() as tx:
        tx.hset(key, mapping={"state": ACTIVE,
                              "changed_at": str(now_ms(store))})
        tx.hdel(key, "why", "failures", "failing_since", "hold_until",
                "probe_at")
        tx.execute_command("ZUNIONSTORE", retry, 1, retry, "WEIGHTS", 0)

        return int(tx.execute()[-1])


def replay_dead(store: Store, keys: Keys, name: str) -> int:
    """What was given up is tried once more, from the first try on."""
    find(store, keys, name)
    dead, retry = keys.hook_dead(name), keys.hook_retry(name)
    tx: Any

    with store.redis.pipeline() as tx:
        tx.execute_command("ZCARD", dead)
        tx.execute_command("HDEL", keys.hook_tries(name),
                           *(store.redis.zrange(dead, 0, -1) or [""]))
        tx.execute_command("ZUNIONSTORE", retry, 2, retry, dead, "WEIGHTS",
                           1, 0, "AGGREGATE", "MIN")
        tx.delete(dead)

        return int(tx.execute()[0])


def replay(store: Store, keys: Keys, name: str, start: Place) -> int:
    """All messages from there on come again; returns how many there are."""
    find(store, keys, name)
    before = place_before(start)
    make_group(store, keys, name, before)
    store.redis.xgroup_setid(keys.outbox, name, before)
    found, after = 0, f"({before}"

    while True:
        page = store.redis.xrange(keys.outbox, after, "+", count=1000)
        found += len(page)

        if len(page) < 1000:
            return found

        after = f"({page[-1][0]}"


def first_since(store: Store, keys: Keys, when: int) -> Place | None:
    """The first message of what happened then or later; those behind it may
    be older."""
    after = "-"

    while True:
        page = store.redis.xrange(keys.outbox, after, "+", count=1000)

        for name, fields in page:
            if count(fields.get("at")) >= when:
                return place(name)

        if len(page) < 1000:
            return None

        after = f"({page[-1][0]}"


def ask_test(store: Store, keys: Keys, name: str, token: str) -> None:
    """The relay sends an endpoint.test with this id."""
    find(store, keys, name)
    store.redis.hset(keys.hook(name), "test", token)


def test_answer(store: Store, keys: Keys, name: str, token: str) -> str:
    """What became of it; empty while it is not sent."""
    told = store.redis.hget(keys.hook(name), "tested") or ""
    which, _, result = told.partition(" ")

    return result if which == token else ""
