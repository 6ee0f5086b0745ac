"""The stream of conversions against the ids and the people beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from sys import intern
from typing import Any, Mapping

from ..store.facts import Fact, fact_of, place_of
from ..store.keys import Keys
from ..store.people import DIGITS, Person, read_person
from ..store.store import Store, count
from ..text.problem import several

# digits of a digest that are in the name of a key
BUCKETS = 16 ** 3

Row = list[Any]
Binding = tuple[int | None, str, int | None, str]


@dataclass
class People:
    """Ids of events and people as they stood at one moment."""

    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    seed: str = ""


def read_people(store: Store, keys: Keys) -> People:
    buckets = [f"{number:03x}" for number in range(BUCKETS)]
    found = store.hashes([keys.ids(bucket) for bucket in buckets])

    with store.redis.pipeline(transaction=True) as pipe:
        pipe.hgetall(keys.person)
        pipe.hgetall(keys.names)
        pipe.get(keys.seed)
        persons, names, seed = pipe.execute()

    return People({bucket: ids for bucket, ids in zip(buckets, found) if ids},
                  persons, names, seed or "")


class StreamCheck:
    """Takes each entry.  People were read when the stream ended at "before",
    or a little later: each entry up to it must be known there, and all that
    is known there must have an entry.  "lapses": friends are not bound for
    ever.  "skipped" are entries that an operator went past: they may be
    missing or malformed."""

    def __init__(self, keys: Keys, people: People, before: int, last: int,
                 lapses: bool, skipped: set[int]) -> None:
        self.keys = keys
        self.people = people
        self.before = before
        self.last = last
        self.rows: list[Row] = []
        self.entries = 0
        self.events = 0
        self.next = 1
        self.time = 0
        self.lapses = lapses
        self.skipped = skipped
        self.newest = count(people.names.get("next"))
        self.seen: dict[str, dict[str, int]] = {}
        self.bindings: dict[int, list[tuple[int, Binding]]] = {}

    def told(self, key: str, name: str, stands: Any, should: Any) -> None:
        self.rows.append([key, name, stands, should, None])

    def entry(self, name: str, fields: Mapping[str, str]) -> bool:
        """False: this is no entry that can be counted."""
        key = self.keys.conversions
        number, _, rest = name.partition("-")
        self.entries += 1

        if rest != "0" or int(number) < 1:
            self.told(key, name, "an id", "N-0")
            return False

        fact = fact_of(name, fields)

        if fact.position > self.next:
            self.missing(fact.position - 1)

        self.next = fact.position + 1
        time = fact.number("time")

        if time is None or time < self.time:
            self.told(key, f"{name} time", fact.text("time"),
                      f"{self.time} or later")
        else:
            self.time = time

        self.lapses |= fact.text("bind") == "window"

        if fact.has_id and fact.position not in self.skipped:
            self.event(fact, name)

        return True

    def missing(self, last: int) -> None:
        """The entries from the next one on to this one are."""
        gone = last + 1 - self.next - sum(
            self.next <= position <= last for position in self.skipped)

        if gone:
            self.told(self.keys.conversions, f"{self.next}-0", None,
                      "an entry" if self.next == last
                      else f"{several(gone, 'entry', 'entries')} up to"
                      f" {last}-0")

    def event(self, fact: Fact, name: str) -> None:
        self.events += fact.is_event
        bucket, place = place_of(fact.text("event"))
        seen = self.seen.setdefault(bucket, {})

        if place in seen:
            self.told(self.keys.conversions, f"{name} event",
                      fact.text("event"), f"once: it is {seen[place]}-0")
            return

        seen[place] = fact.position
        stands = self.people.ids.get(bucket, {}).get(place)
        should = f"{fact.position} {fact.text('fp')}"

        if stands != should and (stands is not None
                                 or fact.position <= self.before):
            self.told(self.keys.ids(bucket), place, stands, should)

        self.numbers(fact, name)

    def numbers(self, fact: Fact, name: str) -> None:
        """The people of an event."""
        key = self.keys.conversions
        friend = fact.number("friend") or fact.number("owner")
        referrer = self.people.names.get(fact.text("referrer"))
        digest = fact.text("referrer_who")

        for what in ("friend", "owner", "referrer", "parties"):
            for text in filter(None, fact.text(what).split(",")):
                if fact.position <= self.before and not (
                        DIGITS.fullmatch(text)
                        and 0 < int(text) <= self.newest):
                    self.told(key, f"{name} {what}", text,
                              f"a number up to {self.newest}")

        # entries of former versions have none, nor has one whose referrer was
        # forgotten before

        if digest and referrer is not None and self.who(referrer) != digest:
            self.told(key, f"{name} referrer_who", digest, self.who(referrer))

        if friend is None:
            return

        known = self.people.names.get(str(friend))

        if known is not None and self.who(known) != fact.text("who"):
            self.told(key, f"{name} who", fact.text("who"), self.who(known))

        if fact.text("via") in ("click", "cookie", "code"):
            self.bindings.setdefault(friend, []).append((
                fact.position,
                (fact.number("referrer"), intern(fact.text("code")),
                 fact.number("at"), intern(fact.text("via")))))

    def who(self, name: str) -> str:
        return hashlib.sha1(f"{self.people.seed}:{name}".encode(
            "utf-8", "surrogateescape")).hexdigest()[:16]

    def finish(self) -> None:
        """What the stream should have and has not."""
        if self.next <= self.last:
            self.missing(self.last)

        for bucket, ids in self.people.ids.items():
            for place, value in ids.items():
                self.id_of(bucket, place, value, ids)

        self.of_people()

    def id_of(self, bucket: str, place: str, value: str, ids: Mapping[str, str]
              ) -> None:
        key = self.keys.ids(bucket)

        if place.endswith("!"):
            if place[:-1] not in ids:
                self.told(key, place, value, None)

        elif (place not in self.seen.get(bucket, {})
              and count(value.partition(" ")[0]) not in self.skipped):
            self.told(key, place, value, None)

    def of_people(self) -> None:
        people = self.people
        key, names = self.keys.person, self.keys.names

        for name, value in people.persons.items():
            person = read_person(name, value)

            if person is None or person.number > self.newest:
                self.told(key, name, value, f"a number up to {self.newest}")
                continue

            if people.names.get(str(person.number)) != name:
                self.told(names, str(person.number),
                          people.names.get(str(person.number)), name)

            self.binding(name, person, value)

        for text, name in people.names.items():
            if text != "next" and (people.persons.get(name, "").split(" ")[0]
                                   != text):
                self.told(key, name, people.persons.get(name), text)

    def binding(self, name: str, person: Person, value: str) -> None:
        """Whose friend somebody is, as the first event with a touch says; if
        that may lapse, as any of them does.  It may have been one that was
        skipped."""
        found = self.bindings.get(person.number, [])
        stands: Binding = (person.referrer, person.code, person.bound_at,
                           person.via)
        may = [binding for _, binding in (found if self.lapses else found[:1])]

        if self.skipped and not found:
            return

        if stands in may or person.referrer is None and " " not in value and (
                not found or found[0][0] > self.before):
            return

        self.told(self.keys.person, name, value, " ".join(
            [str(person.number), *map(str, may[0] if may else ())]))
