"""Moments in milliseconds since 1970, and as texts."""

from __future__ import annotations

import re

from .store import iso

LENGTH = re.compile(r"([0-9]{1,10})([smhdw]?)")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def moment(ms: int | None) -> str | None:
    """2026-11-27T10:30:00.123Z; None if there is none."""
    if ms is None:
        return None

    text = iso(ms // 1000)

    return f"{text[:-1]}.{ms % 1000:03}Z" if text else None


def length(text: str, default: int) -> int | None:
    """A time such as 30d, in milliseconds; None if it is not understood."""
    if not text:
        return default * 1000

    found = LENGTH.fullmatch(text)

    return int(found[1]) * SECONDS[found[2]] * 1000 if found else None


def span(ms: int) -> str:
    """A length for people: its two largest units."""
    seconds = abs(ms) // 1000
    parts = []

    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)

        if number:
            parts.append(f"{number} {name}")

    return " ".join(parts[:2]) or "0 s"
