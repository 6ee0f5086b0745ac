"""Writing and removing programs."""

from __future__ import annotations

from typing import Any, Mapping

from redis.exceptions import WatchError

from ..text.problem import REDIS, REFUSED, Problem
from . import links
from .keys import Keys
from .store import BATCH, Store, batches


def write(store: Store, keys: Keys, fields: Mapping[str, str]) -> bool:
    """Sets the fields of a program; an empty value removes one.  Returns
    whether the program was there."""
    given: dict[Any, str]
    given = {name: value for name, value in fields.items() if value}
    gone = [name for name, value in fields.items() if not value]

    with store.redis.pipeline() as tx:
        tx.exists(keys.program)

        if gone:
            tx.hdel(keys.program, *gone)

        if "state" not in given:
            tx.hsetnx(keys.program, "state", "active")

        if given:
            tx.hset(keys.program, mapping=given)

        tx.sadd(store.programs, keys.program_name)

        return bool(tx.execute()[0])


def has_both_zones(store: Store, keys: Keys) -> bool:
    return all(store.redis.hmget(keys.program, "timezone", "utc_offset"))


def remove(store: Store, keys: Keys) -> bool:
    """Removes the settings of a program that has no links.  Returns whether it
    was there."""
    name = keys.program_name

    with store.redis.pipeline() as tx:
        try:
            tx.watch(keys.links)

            if tx.zcard(keys.links):
                raise Problem(REFUSED, f"program {name} has links; --links"
                              " removes them too")

            tx.multi()
            tx.delete(keys.program)
            tx.srem(store.programs, name)

            return any(tx.execute())
        except WatchError:
            raise Problem(REDIS, "somebody added a link meanwhile; nothing"
                          " more was removed; try again") from None


def remove_links(store: Store, keys: Keys) -> int:
    """Removes all links of a program, and the hashes of their referrers."""
    removed = 0

    for part in batches(store.codes(keys), BATCH):
        codes = [code for code, _ in part]
        referrers = set(store.fields([keys.link(code) for code in codes],
                                     "referrer")) - {None, ""}
        links.remove(store, keys, codes)
        removed += len(codes)

        if referrers:
            store.redis.delete(*(keys.referrer(name) for name in referrers))

    return removed
