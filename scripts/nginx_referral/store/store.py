"""The connection to Redis, and its errors as sentences."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, Iterable, Iterator, Sequence
from urllib.parse import urlsplit

import redis
from redis.exceptions import (AuthenticationError, BusyLoadingError,
                              NoPermissionError, ReadOnlyError, RedisError,
                              ResponseError)

from ..text.problem import REDIS, USAGE, Problem
from .keys import Keys, programs

CONNECT_TIMEOUT = 5
REPLY_TIMEOUT = 15
BATCH = 500
TEXT_MAX = 400

# redis-py takes a path that is not a number for database 0, so it is refused
_DATABASE = re.compile(r"/?|/[0-9]{1,9}")


class Store:
    """A connection to Redis, and the reads that all commands share."""

    def __init__(self, address: str, password: str, prefix: str) -> None:
        self.prefix = prefix
        self.redis: redis.Redis[str] = _client(address, password)
        self.programs = programs(prefix)
        self._open = (address, password)

    @cached_property
    def raw(self) -> redis.Redis[bytes]:
        """A second connection that does not decode replies, for a great many
        of them."""
        client = _client(*self._open, decode_responses=False)
        client.set_response_callback(  # type: ignore[no-untyped-call]
            "XRANGE", lambda reply, **_: reply)

        return client

    def keys(self, program: str) -> Keys:
        return Keys(self.prefix, program)

    def program_names(self) -> list[str]:
        return sorted(self.redis.smembers(self.programs))

    def codes(self, keys: Keys) -> list[tuple[str, float]]:
        """All links of the program with the time when they were made, oldest
        first.  ZSCAN, so that a long list does not block Redis."""
        found = dict(self.redis.zscan_iter(keys.links, count=1000))

        return sorted(found.items(), key=lambda item: (item[1], item[0]))

    def hashes(self, names: Sequence[str]) -> Iterator[dict[str, str]]:
        for part in batches(names, BATCH):
            with self.redis.pipeline(transaction=False) as pipe:
                for name in part:
                    pipe.hgetall(name)

                yield from pipe.execute()

    def fields(self, names: Sequence[str], field: str) -> Iterator[Any]:
        for part in batches(names, BATCH):
            with self.redis.pipeline(transaction=False) as pipe:
                for name in part:
                    pipe.hget(name, field)

                yield from pipe.execute()


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    part: list[Any] = []

    for item in items:
        part.append(item)

        if len(part) == size:
            yield part
            part = []

    if part:
        yield part


def count(value: Any) -> int:
    """A counter as a number; 0 if it is not a number.  Sums of amounts may be
    above what a float counts exactly."""
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError):
        pass

    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def iso(seconds: float) -> str:
    """The time in UTC, to the second; empty if there is no such time."""
    try:
        when = datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return ""

    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _client(address: str, password: str, **more: Any) -> redis.Redis[Any]:
    url = read_address(address)
    options: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": "surrogateescape",
        "socket_timeout": REPLY_TIMEOUT,
        **more,
    }

    if urlsplit(url).scheme != "unix":
        options["socket_connect_timeout"] = CONNECT_TIMEOUT

    if password and not urlsplit(url).password:
        options["password"] = password

    return redis.Redis.from_url(url, **options)


def read_address(address: str) -> str:
    """The address as redis-py wants it.  The message does not repeat it,
    because there may be a password in it."""
    if address.startswith("unix:") and not address.startswith("unix://"):
        address = "unix://" + address[len("unix:"):]

    elif address.startswith("/"):
        address = "unix://" + address

    elif "://" not in address:
        address = "redis://" + address

    try:
        parts = urlsplit(address)
        good = (parts.path.startswith("/") if parts.scheme == "unix"
                else parts.scheme in ("redis", "rediss")
                and parts.hostname and (parts.port or 1) > 0
                and _DATABASE.fullmatch(parts.path))

        redis.connection.parse_url(address)
    except ValueError:
        good = False

    if not good:
        raise Problem(USAGE, "the address of Redis is not understood; give"
                      " redis://HOST:PORT/DB, rediss://HOST:PORT/DB,"
                      " unix:///PATH or HOST:PORT with --redis or in"
                      " REFERRAL_REDIS")

    return address


def explain(error: RedisError) -> Problem:
    """What a failure of Redis means and what to do about it."""
    text = str(error).strip().rstrip(".")
    refused = isinstance(error, AuthenticationError) or any(
        word in text for word in ("NOAUTH", "WRONGPASS", "AUTH <password>"))

    # a command of a pipeline is repeated in the text, with its values
    if len(text) > TEXT_MAX:
        text = text[:TEXT_MAX // 2] + " … " + text[-TEXT_MAX // 2:]

    if refused:
        advice = ("give the right user and password, in REFERRAL_REDIS or"
                  " with --password-file")

    elif isinstance(error, NoPermissionError) or "NOPERM" in text:
        advice = "let this user run the command, or come as another"

    elif isinstance(error, BusyLoadingError):
        advice = "Redis is still loading its data; try again in a moment"

    elif isinstance(error, ReadOnlyError):
        advice = "this is a replica; give the address of its primary"

    elif "WRONGTYPE" in text:
        advice = ("a key has another type than it should; see which with"
                  " redis-cli TYPE, and remove or rename it")

    elif "OOM" in text or "MISCONF" in text:
        advice = "Redis takes no writes now; look into its own log"

    elif isinstance(error, ResponseError):
        return Problem(REDIS, f"Redis refused: {text}; see its documentation"
                       " for this error")

    else:
        return Problem(REDIS, f"Redis cannot be reached: {text}; is it"
                       " running, and is the address (--redis or"
                       " REFERRAL_REDIS) right?")

    return Problem(REDIS, f"Redis refused: {text}; {advice}")
