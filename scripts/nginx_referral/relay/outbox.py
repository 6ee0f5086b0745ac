"""What the relay reads and writes of an endpoint in Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

from redis.exceptions import RedisError, ResponseError

from ..store import hooks
from ..store.hooks import Entry, Hook
from ..store.keys import Keys
from ..store.store import Store, count
from .signature import key_of

# all relays are one consumer of a group: who has the lease goes on with what
# another one left
CONSUMER = "relay"

# failures in a row after which an endpoint is taken for down
DOWN = 5

STORE = Path(hooks.__file__).parent

__all__ = ["CONSUMER", "DOWN", "Endpoint", "RedisError"]


class Endpoint:
    """One endpoint, for the relay that has its lease."""

    def __init__(self, store: Store, keys: Keys, name: str, owner: str
                 ) -> None:
        self.store = store
        self.keys = keys
        self.name = name
        self.owner = owner
        self._lease = store.redis.register_script(_text("hook_lease.lua"))
        self._result = store.redis.register_script(_text("hook_result.lua"))

    def lease(self, life: float) -> tuple[bool, int, Hook | None]:
        """Is it ours, Redis's time in ms, and what it is; None if it was
        removed."""
        answer: Any = self._lease(keys=[self.keys.hook(self.name)],
                                  args=[self.owner, int(life * 1000)])

        if not answer:
            return False, 0, None

        fields = dict(zip(answer[2::2], answer[3::2]))

        return answer[0] == "1", int(answer[1]), Hook(self.name, fields)

    def read(self, after: str, most: int) -> list[str]:
        """Messages of the group: those that were read and not answered for,
        or with ">" new ones."""
        try:
            found: Any = self.store.redis.xreadgroup(
                self.name, CONSUMER, {self.keys.outbox: after}, count=most)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise

            # somebody removed the outbox: what comes into it is new
            hooks.make_group(self.store, self.keys, self.name, "0-0")
            return []

        return [name for name, _ in found[0][1]] if found else []

    def entry(self, name: str) -> Mapping[str, str]:
        """A message of the stream; empty if it is gone."""
        found: list[Entry] = self.store.redis.xrange(self.keys.outbox, name,
                                                     name)

        return found[0][1] if found else {}

    def acknowledged(self, replicas: int, patience: float) -> bool:
        """Have so many replicas all that was read until now?  What this
        connection wrote last comes behind it."""
        pipe: Any

        with self.store.redis.pipeline(transaction=False) as pipe:
            pipe.hset(self.keys.hook(self.name), "fence", self.owner)
            pipe.execute_command("WAIT", replicas, int(patience * 1000))

            return int(pipe.execute()[-1]) >= replicas

    def due(self, now: int, most: int) -> list[str]:
        """Messages whose next try has come, the earliest first."""
        found: list[str] = self.store.redis.zrangebyscore(
            self.keys.hook_retry(self.name), "-inf", now, start=0, num=most)

        return found

    def earliest(self) -> str | None:
        """The message that is tried next, whenever that is."""
        found = self.store.redis.zrange(self.keys.hook_retry(self.name), 0, 0)

        return found[0] if found else None

    def tries(self, name: str) -> tuple[int, int]:
        """How often it was tried, and when first."""
        words = (self.store.redis.hget(self.keys.hook_tries(self.name), name)
                 or "").split(" ")

        return (count(words[0]), count(words[1])) if len(words) > 1 \
            else (0, 0)

    def secrets(self, now: int) -> list[bytes]:
        """What signs: the secret, and a former one while that holds."""
        current, former, until = self.store.redis.hmget(
            self.keys.hook_secret(self.name), "current", "former",
            "former_until")
        texts = [current or "",
                 (former or "") if count(until) > now else ""]

        return [key for key in map(key_of, texts) if key]

    def drop(self, name: str) -> None:
        """A message that this endpoint does not want."""
        redis: Any = self.store.redis
        redis.xack(self.keys.outbox, self.name, name)
        redis.zrem(self.keys.hook_retry(self.name), name)

    def result(self, name: str, outcome: str, now: int, due: int = 0,
               text: str = "", hold: int = 0, state: str = "", why: str = ""
               ) -> int:
        """Notes what became of a try; see the script."""
        return int(self._result(
            keys=[self.keys.hook(self.name), self.keys.outbox,
                  self.keys.hook_retry(self.name),
                  self.keys.hook_tries(self.name),
                  self.keys.hook_dead(self.name)],
            args=[self.owner, self.name, name, outcome, now, due, text,
                  hold or "", state, why, DOWN]))

    def set(self, **fields: str | int) -> None:
        values: Any = fields
        self.store.redis.hset(self.keys.hook(self.name), mapping=values)

    def tested(self, token: str, result: str) -> None:
        """The answer to "hook test"; the next one may be asked for."""
        key = self.keys.hook(self.name)
        self.store.redis.hset(key, "tested", f"{token} {result}")
        self.store.redis.hdel(key, "test")


def _text(name: str) -> str:
    return (STORE / name).read_text(encoding="utf-8")
