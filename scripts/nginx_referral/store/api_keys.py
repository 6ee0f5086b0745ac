"""Keys of the API: who may ask what, of which programs."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from redis.exceptions import RedisError

from .keys import api_key, api_keys
from .store import Store, explain

SCOPES = {
    "read:reports": "programs, links, referrers and counts",
    "read:people": "friends, conversions and what was refused",
    "read:rewards": "rewards, wallets, reviews, payouts and rules",
    "write:rewards": "reserves, payouts, choices, adjustments and reviews",
}

KEY = re.compile(r"nrk_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """"programs" is empty: all of them.  "made" is in seconds."""

    name: str
    scopes: tuple[str, ...]
    programs: tuple[str, ...]
    note: str
    made: int


def add_key(store: Store, scopes: list[str], programs: list[str], note: str
            ) -> str:
    """Makes a key and returns it; only its hash is kept, which is enough for
    a secret that nobody can guess."""
    name = secrets.token_hex(6)
    secret = secrets.token_urlsafe(32)

    with store.redis.pipeline(transaction=True) as pipe:
        pipe.hset(api_key(store.prefix, name), mapping={
            "sha256": hashed(secret), "scopes": " ".join(scopes),
            "programs": " ".join(programs), "note": note,
            "made": str(int(time.time()))})
        pipe.sadd(api_keys(store.prefix), name)
        pipe.execute()

    return f"nrk_{name}_{secret}"


def remove_key(store: Store, name: str) -> bool:
    """Whether there was such a key."""
    with store.redis.pipeline(transaction=True) as pipe:
        pipe.delete(api_key(store.prefix, name))
        pipe.srem(api_keys(store.prefix), name)
        done: list[int] = pipe.execute()

    return any(done)


def all_keys(store: Store) -> list[ApiKey]:
    """The oldest first."""
    names = sorted(store.redis.smembers(api_keys(store.prefix)))
    found = store.hashes([api_key(store.prefix, name) for name in names])

    return sorted((_key(name, fields) for name, fields in zip(names, found)
                   if fields), key=lambda key: (key.made, key.name))


def key_of(store: Store, text: str) -> ApiKey | None:
    """Whose key it is; None: nobody's."""
    found = KEY.fullmatch(text)

    if not found:
        return None

    try:
        fields = store.redis.hgetall(api_key(store.prefix, found[1]))
    except RedisError as error:
        raise explain(error) from None

    if not hmac.compare_digest(fields.get("sha256", ""), hashed(found[2])):
        return None

    return _key(found[1], fields)


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def _key(name: str, fields: dict[str, str]) -> ApiKey:
    made = fields.get("made", "")

    return ApiKey(name, tuple(fields.get("scopes", "").split()),
                  tuple(fields.get("programs", "").split()),
                  fields.get("note", ""),
                  int(made) if re.fullmatch(r"[0-9]{1,12}", made) else 0)
