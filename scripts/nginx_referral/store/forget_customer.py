"""Forgetting a customer: the entries of conversions have only a number, so the
two fields that tell whose it is go, and what rejected events say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence
from urllib.parse import urlencode

from .commands import RewardCommand, append
from .facts import place_of
from .keys import Keys
from .keyspace import programs_with
from .people import person_of
from .rejects import Reject, rejects
from .session import Session
from .store import Store

# what is left of a rejected event: nothing that a person is known by
LEFT = ("type", "event_id", "amount", "currency", "total_refunded", "at")

# both fields in one step, so that no number is left with a name; a number that
# is another's by now is left alone
UNNAME = """
local value = redis.call('HGET', KEYS[1], ARGV[1])

if not value then
    return 0
end

local number = string.match(value, '^%d+')

redis.call('HDEL', KEYS[1], ARGV[1])

if number and redis.call('HGET', KEYS[2], number) == ARGV[1] then
    redis.call('HDEL', KEYS[2], number)
end

return 1
"""

# an entry of a stream cannot be changed; it is written again, and who has its
# id gets the new one
REWRITE = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
    return 0
end

local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))

if redis.call('HGET', KEYS[2], ARGV[2]) == ARGV[1] then
    redis.call('HSET', KEYS[2], ARGV[2], id)
end

return 1
"""


@dataclass
class Found:
    """What one program knows of a customer."""

    number: int | None
    rejected: list[Reject]

    def __bool__(self) -> bool:
        return self.number is not None or bool(self.rejected)


def programs_of(session: Session, program: str | None) -> list[Keys]:
    """The programs to search, also those that are in no list."""
    if program is not None:
        return [session.keys(program)]

    store = session.store
    names = {*store.program_names(),
             *programs_with(store, ("person", "rejects"))}

    return list(map(store.keys, sorted(names)))


def look_for(store: Store, keys: Keys, name: str) -> Found:
    person = person_of(store, keys, name)

    return Found(person.number if person else None,
                 [one for one in rejects(store, keys) if names_in(one, name)])


def names_in(one: Reject, name: str) -> bool:
    event = one.event

    return event.get("customer") == name or (
        name in event.get("parties", "").split(" "))


def forget(store: Store, keys: Keys, name: str, found: Found) -> None:
    """Rejected events first: interrupted, the same command still finds the
    rest."""
    rewrite = store.redis.register_script(REWRITE)

    # what they have is nobody's any more, while the ledger still finds them

    if found.number is not None and store.redis.exists(
            keys.wallet(found.number)):
        append(store, keys, RewardCommand("forget", f"forget-u{found.number}",
                                          {}, "owner", name))

    for one in found.rejected:
        bucket, place = place_of(one.event_id)
        fields = {**one.fields, "text": nameless(one, name),
                  "at": str(one.at)}
        rewrite(keys=[keys.rejects, keys.ids(bucket)],
                args=[one.entry, f"{place}!",
                      *(word for pair in fields.items() for word in pair)])

    store.redis.register_script(UNNAME)(keys=[keys.person, keys.names],
                                        args=[name])


def nameless(one: Reject, name: str) -> str:
    """The event without the person: if it is theirs, little is left of it;
    if they only took part, they do not any more."""
    event = one.event

    if event.get("customer") == name:
        return urlencode({key: event[key] for key in LEFT if key in event})

    others = [party for party in event["parties"].split(" ") if party != name]

    return urlencode({key: " ".join(others) if key == "parties" else text
                      for key, text in event.items()
                      if key != "parties" or others})


def owns(store: Store, all_keys: Sequence[Keys], name: str) -> list[str]:
    """The programs in which they are a referrer with links or a name, which
    are edited elsewhere."""
    with store.redis.pipeline(transaction=False) as pipe:
        for keys in all_keys:
            pipe.exists(keys.referrer(name), keys.referrer_links(name))

        return [keys.program_name for keys, there
                in zip(all_keys, pipe.execute()) if there]
