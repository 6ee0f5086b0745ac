"""The stream of events, and what each event counts as, which is the same as in
the module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterator, Sequence

from redis import Redis
from redis.exceptions import ResponseError

from ..text.problem import NEGATIVE, Problem
from .keys import Keys
from .store import Store
from .zone import Zone, after

CHUNK = 10000

FIELDS = ("type", "click_id", "code", "referrer", "class", "result", "first",
          "visitor", "country", "region", "city", "lang", "device", "os",
          "app", "source", "channel", "segment", "variant", "landing_host",
          "at")
NAMES = [name.encode() for name in FIELDS]
PLACE = {name: place for place, name in enumerate(FIELDS)}

# what a person on a landing is counted by
DIMENSIONS = ("country", "device", "os", "app", "lang", "source", "channel",
              "variant", "segment")

# requests can choose the values of these, so the number of values is capped
CHOSEN = ("lang", "source", "channel")

DIMENSION_PLACES = [(name.encode(), PLACE[name]) for name in DIMENSIONS]

TYPE, CLASS, RESULT = PLACE["type"], PLACE["class"], PLACE["result"]
CODE, REFERRER, VISITOR = PLACE["code"], PLACE["referrer"], PLACE["visitor"]
HOST, AT = PLACE["landing_host"], PLACE["at"]

# "erased" is a click whose person was forgotten; it had a visitor
COUNTED = (b"click", b"erased")
ERASED = b"-"

Event = Sequence[bytes]


def is_click(event: Event) -> bool:
    """Was a person sent to a landing?  An unresolved one may have been sent
    to the fallback; then no landing is named."""
    return event[CLASS] == b"human" and (
        event[RESULT] == b"landing"
        or event[RESULT] == b"unresolved" and event[HOST] != b"")


def fields_of(event: Event) -> list[bytes]:
    """The fields of a hash of statistics that the event adds 1 to.  A single
    event does not tell whether its visitor is new."""
    click = is_click(event)
    names = hit_fields(event[CLASS], event[RESULT], click,
                       not event[VISITOR])

    if click:
        names.extend(b"%s:%s" % (name, event[place]) for name, place
                     in DIMENSION_PLACES if event[place])

    return names


def hit_fields(kind: bytes, result: bytes, click: bool, unknown: bool
               ) -> list[bytes]:
    """The same without the dimensions; "unknown" is a person without
    consent."""
    if kind != b"human":
        return [b"raw", kind]

    names = [b"raw"]

    if unknown:
        names.append(b"no_consent")

    if not click:
        return [*names, b"missed", b"missed:" + result]

    names.append(b"clicks")

    if result == b"unresolved":
        names.append(b"unresolved")

    return names


@dataclass(frozen=True)
class Reach:
    """What the stream held at one moment."""

    length: int
    added: int | None
    first: tuple[int, int]
    last: tuple[int, int]

    def __bool__(self) -> bool:
        return self.length > 0

    def since(self, zone: Zone) -> str:
        """The first day that the stream holds whole, if entries were cut from
        it: only entries before the first one are missing."""
        day = zone.day_of(self.first[0] / 1000)

        return (day if zone.begin(day) * 1000 >= self.first[0]
                else after(day))

    def begins(self, zone: Zone) -> str:
        return zone.day_of(self.first[0] / 1000)

    def gone(self) -> int:
        """How many entries were cut or removed; Redis 6 does not know."""
        return max(0, (self.added or 0) - self.length)


def ask_reach(pipe: Any, key: str) -> None:
    """Three commands, so that they can stand in a transaction with others."""
    pipe.xinfo_stream(key)
    pipe.xrange(key, count=1)
    pipe.xrevrange(key, count=1)


def read_reach(replies: Sequence[Any]) -> Reach:
    """Reads the three replies; for a stream that does not exist Redis replies
    with an error."""
    info, first, last = replies

    if isinstance(info, ResponseError) or not first:
        return Reach(0, None, (0, 0), (0, 0))

    if isinstance(info, Exception):
        raise info

    return Reach(int(info["length"]), info.get("entries-added"),
                 place_of(first[0][0]), place_of(last[0][0]))


def reach_of(store: Store, keys: Keys) -> Reach:
    with store.redis.pipeline(transaction=True) as pipe:
        ask_reach(pipe, keys.events)

        return read_reach(pipe.execute(raise_on_error=False))


def place_of(name: Any) -> tuple[int, int]:
    text = name.decode() if isinstance(name, bytes) else str(name)
    ms, _, number = text.partition("-")

    return int(ms), int(number or 0)


def text_of(place: tuple[int, int]) -> str:
    return f"{place[0]}-{place[1]}"


def need(reach: Reach, program: str) -> None:
    if not reach:
        raise Problem(NEGATIVE, f"program {program} has no events: nobody has"
                      " clicked yet, or \"referral_events off\" stands in"
                      " nginx's configuration")


def chunks(store: Store, keys: Keys, last: tuple[int, int],
           first: tuple[int, int] = (0, 0),
           told: Callable[[int], None] | None = None
           ) -> Iterator[tuple[list[Any], list[Event]]]:
    """Ids of entries and their events, some thousands at a time; events that
    are not clicks are left out."""
    redis = store.raw
    place, end = first, text_of(last)

    while place <= last:
        entries = redis.execute_command("XRANGE", keys.events, text_of(place),
                                        end, "COUNT", CHUNK)

        if not entries:
            return

        names = []
        events = []

        for name, fields in entries:
            event = (fields[1::2] if fields[::2] == NAMES
                     else _in_order(fields))

            if event[TYPE] in COUNTED:
                names.append(name)
                events.append(event)

        yield names, events

        if told:
            told(len(entries))

        if len(entries) < CHUNK:
            return

        ms, number = place_of(entries[-1][0])
        place = (ms, number + 1)


def _in_order(fields: Sequence[bytes]) -> Event:
    found = dict(zip(fields[::2], fields[1::2]))

    return [found.get(name, b"") for name in NAMES]


def decode(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def follow(redis: Redis[str], key: str, lines: int, wait: bool
           ) -> Iterator[dict[str, str]]:
    """The last events, as many as "lines"; with "wait" also all that come
    later."""
    last = redis.xrevrange(key, count=1)
    after = last[0][0] if last else "0-0"

    if last and lines:
        for _, event in reversed(redis.xrevrange(key, max=after,
                                                 count=lines)):
            yield event

    while wait:
        for _, entries in redis.xread({key: after}, count=500,
                                      block=5000) or []:
            for after, event in entries:
                yield event
