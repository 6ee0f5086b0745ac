"""The body of a webhook.

The same message has the same body, byte by byte, whenever and from wherever
it is sent: nothing of the moment goes in, nor what another order of the same
facts would change, such as numbers of people and places in a stream."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ..store.hooks import Hook
from ..store.keys import Keys
from ..store.moments import moment
from ..store.store import Store, count

NAME = "msg_"

# how fields "rule" and "detail" of the outbox are called in a body, by the
# first word of the type
CALLED = {
    "reward": ("rule", "reason"),
    "referral": ("rule", "code"),
    "review": ("", "outcome"),
    "tier": ("tier", "period"),
    "badge": ("badge", "period"),
    "nudge": ("nudge", "missing"),
    "contest": ("contest", "detail"),
    "goal": ("goal", "period"),
}

# of a friend, and what it is called
FRIEND = (("code", "code"), ("click", "click_id"), ("via", "via"))


def message_id(entry: Mapping[str, str]) -> str:
    return NAME + entry.get("id", "")


def encode(kind: str, at: int | None, data: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, "timestamp": moment(at), "data": data},
                      separators=(",", ":"), sort_keys=True).encode("ascii")


def test_body(program: str, hook: Hook, at: int) -> bytes:
    return encode("endpoint.test", at, {"program": program,
                                        "endpoint": hook.name})


def body_of(store: Store, keys: Keys, entry: Mapping[str, str]) -> bytes:
    """Of an entry of the outbox."""
    kind = entry.get("type", "")
    family = kind.partition(".")[0]
    data: dict[str, Any] = {"program": keys.program_name}
    owner, friend = count(entry.get("owner")), count(entry.get("friend"))

    if family in ("referral", "review"):
        friend = owner

    referrer = 0

    if friend:
        told = store.redis.hmget(keys.friend(friend), "referrer",
                                 *(field for field, _ in FRIEND))
        referrer = count(told[0])

        if family in ("referral", "review"):
            data.update({name: text for (_, name), text
                         in zip(FRIEND, told[1:]) if text})

    known = dict(zip(("customer", "friend", "referrer"), store.redis.hmget(
        keys.names, [str(owner), str(friend), str(referrer)])))

    if owner:
        data["customer"] = known["customer"]

    if friend:
        data["friend"] = known["friend"]

    if referrer:
        data["referrer"] = known["referrer"]

    for field, name in zip(("rule", "detail"), CALLED.get(family, ("", ""))):
        if name and entry.get(field):
            data[name] = entry[field]

    for field in ("reward", "unit", "order"):
        if entry.get(field):
            data[field] = entry[field]

    if entry.get("amount"):
        data["amount"] = count(entry["amount"])

    for field in ("due", "expires"):
        if entry.get(field):
            data[field] = moment(count(entry[field]))

    return encode(kind, count(entry.get("at")), data)
