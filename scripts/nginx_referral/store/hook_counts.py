"""What waits for endpoints of webhooks, and what of it can go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from . import hooks
from .hooks import FIRST, Hook, Place, place
from .keys import Keys
from .store import Store, count

PAGE = 1000

# marks of where the stream ended, in the time that is kept
MARKS = 30


@dataclass(frozen=True)
class Counts:
    """Of one endpoint.  "failing": for how many ms."""

    hook: Hook
    waiting: int
    retrying: int
    dead: int
    failing: int


def last_message(store: Store, keys: Keys) -> Place:
    """Where the outbox ends, also if that message is gone."""
    try:
        info = store.redis.xinfo_stream(keys.outbox)
    except ResponseError as error:
        if "no such key" in str(error):
            return FIRST
        raise

    return place(str(info["last-generated-id"]))


def groups(store: Store, keys: Keys) -> dict[str, dict[str, Any]]:
    untyped: Any = store.redis

    try:
        return {group["name"]: group
                for group in untyped.xinfo_groups(keys.outbox)}
    except ResponseError as error:
        if "no such key" in str(error):
            return {}
        raise


def counts_of(store: Store, keys: Keys, hook: Hook,
              found: dict[str, dict[str, Any]], now: int) -> Counts:
    group = found.get(hook.name, {})
    unread = _unread(store, keys, group)

    with store.redis.pipeline(transaction=False) as pipe:
        pipe.zcard(keys.hook_retry(hook.name))
        pipe.zcard(keys.hook_dead(hook.name))
        retrying, dead = pipe.execute()

    since = hook.number("failing_since")

    return Counts(hook, unread + count(group.get("pending")), retrying, dead,
                  max(0, now - since) if since else 0)


def _unread(store: Store, keys: Keys, group: dict[str, Any]) -> int:
    """Redis 7 counts it, where nothing was removed in between."""
    if not group:
        return 0

    if group.get("lag") is not None:
        return int(group["lag"])

    found, after = 0, f"({group['last-delivered-id']}"

    while True:
        page = store.redis.xrange(keys.outbox, after, "+", count=PAGE)
        found += len(page)

        if len(page) < PAGE:
            return found

        after = f"({page[-1][0]}"


def all_counts(store: Store, keys: Keys) -> list[Counts]:
    """Of each endpoint of a program."""
    names = hooks.names(store, keys)
    found = groups(store, keys) if names else {}
    now = hooks.now_ms(store)
    rows = store.hashes([keys.hook(name) for name in names])

    return [counts_of(store, keys, Hook(name, fields), found, now)
            for name, fields in zip(names, rows) if fields]


def trim(store: Store, keys: Keys, keep: int) -> None:
    """Removes messages that are older than so many ms and that no endpoint,
    and no other group of the stream, still needs."""
    now = hooks.now_ms(store)
    marks, last = keys.outbox_marks, last_message(store, keys)
    newest: Any = store.redis.zrange(marks, -1, -1, withscores=True)

    if last > FIRST and (not newest
                         or now - newest[0][1] >= keep / MARKS):
        store.redis.zadd(marks, {f"{last[0]}-{last[1]}": now}, nx=True)

    old: Any = store.redis.zrangebyscore(marks, "-inf", now - keep,
                                         withscores=True)
    needed = []

    for name in hooks.names(store, keys):
        gone = store.redis.zrangebyscore(keys.hook_dead(name), "-inf",
                                         now - keep)

        if gone:
            store.redis.zrem(keys.hook_dead(name), *gone)
            store.redis.hdel(keys.hook_tries(name), *gone)

        for key in (keys.hook_retry(name), keys.hook_dead(name)):
            needed += [place(one) for one in store.redis.zrange(key, 0, -1)]

    if not old:
        return

    first, second = place(old[-1][0])
    needed.append((first, second + 1))

    for name, group in groups(store, keys).items():
        first, second = place(group["last-delivered-id"])
        needed.append((first, second + 1))

        if group["pending"]:
            untyped: Any = store.redis
            needed.append(place(untyped.xpending(keys.outbox, name)["min"]))

    first, second = min(needed)
    store.redis.xtrim(keys.outbox, minid=f"{first}-{second}",
                      approximate=False)
    store.redis.zremrangebyscore(marks, "-inf", f"({old[-1][1]:.0f}")
