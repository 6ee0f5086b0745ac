"""Events that were rejected when they were appended, because another event had
their id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Mapping
from urllib.parse import parse_qsl

from .keys import Keys
from .store import Store

CHUNK = 1000


@dataclass(frozen=True)
class Reject:
    """One of them; the event as its sender said it."""

    entry: str
    fields: Mapping[str, str]

    @property
    def at(self) -> int | None:
        """When it was rejected, in milliseconds; one that was written again
        without a person has it as a field."""
        text = self.fields.get("at") or self.entry.partition("-")[0]

        return int(text) if text.isdecimal() else None

    @property
    def event_id(self) -> str:
        return self.fields.get("event", "")

    @property
    def event(self) -> dict[str, str]:
        return dict(parse_qsl(self.fields.get("text", ""),
                              keep_blank_values=True))


def rejects(store: Store, keys: Keys) -> Iterator[Reject]:
    """All of them, the newest first."""
    end = "+"

    while True:
        found = store.redis.xrevrange(keys.rejects, max=end, count=CHUNK)

        for name, fields in found:
            yield Reject(name, fields)

        if len(found) < CHUNK:
            return

        end = f"({found[-1][0]}"
