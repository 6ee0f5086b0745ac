"""What the keys of a program are called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Keys:
    """The keys of one program."""

    prefix: str
    program_name: str

    def _key(self, kind: str, *rest: str) -> str:
        return ":".join([f"{self.prefix}{kind}:{{{self.program_name}}}",
                         *rest])

    @property
    def program(self) -> str:
        return self._key("program")

    @property
    def links(self) -> str:
        return self._key("links")

    @property
    def events(self) -> str:
        return self._key("events")

    @property
    def errors(self) -> str:
        return self._key("errors")

    @property
    def journals(self) -> str:
        return self._key("journals")

    @property
    def hours(self) -> str:
        return self._key("hours")

    def link(self, code: str) -> str:
        return self._key("link", code)

    def referrer(self, name: str) -> str:
        return self._key("referrer", name)

    def referrer_links(self, name: str) -> str:
        return self._key("referrer", name, "links")

    def stats(self, code: str = "") -> str:
        return self._key("stats", *([code] if code else []))

    def days(self, code: str = "") -> str:
        return self._key("days", *([code] if code else []))

    def day(self, day: str) -> str:
        return self._key("day", day)

    def visitors(self, day: str) -> str:
        return self._key("visitors", "day", day)

    def addresses(self, day: str) -> str:
        return self._key("addresses", "day", day)

    @property
    def forgotten(self) -> str:
        return self._key("forgotten")

    @property
    def reset(self) -> str:
        return self._key("reset")

    def clicks(self, minute: str) -> str:
        return self._key("clicks", minute)

    def board(self, *rest: str) -> str:
        return self._key("board", *rest)
