"""A click's id, and what is kept under it."""

from __future__ import annotations

import re
from typing import Sequence

from ..text.problem import REFUSED, Problem
from .store import Store, iso

# the words of the value, in their order; later versions may add more
TOUCH = ("code", "visitor", "at", "first_code", "first_at", "first_click_id",
         "country", "channel", "variant", "device", "referrer", "segment",
         "flags")

# the letters of its flags
FLAGS = {"n": "no_consent", "u": "unresolved"}

# words that stand for nothing, and for a value of this click itself
NOTHING = "-"
OWN = "="

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}"
                   r"-[0-9a-f]{12}")


def read_click_id(text: str) -> str:
    click_id = text.strip().lower()

    if not UUID7.fullmatch(click_id):
        raise Problem(REFUSED, f"{click_id!r} is no click id; one looks like"
                      " 019ab3c4-5d6e-7f80-9123-456789abcdef")

    return click_id


def made_at(click_id: str) -> float:
    return int(click_id.replace("-", "")[:12], 16) / 1000


def minute_of(click_id: str) -> str:
    """The minute in the name of the key that holds the click."""
    return iso(made_at(click_id))[:len("2026-11-22T13:05")]


def words_of(click_id: str, text: str) -> dict[str, str | None]:
    """What is kept of a click, by name, with "=" replaced by the click's own
    value."""
    fields: dict[str, str | None]
    fields = dict(zip(TOUCH, text.split(" ")))

    # "at" is "=" if it is the time in the id; older records always have the
    # time

    if fields.get("at") == OWN:
        fields["at"] = iso(made_at(click_id))

    own = {"first_code": fields.get("code"), "first_at": fields.get("at"),
           "first_click_id": click_id, "referrer": fields.get("code")}

    for name, value in fields.items():
        if value == OWN:
            fields[name] = own.get(name)
        elif value == NOTHING:
            fields[name] = None

    if fields.get("flags"):
        fields["flags"] = " ".join(FLAGS.get(letter, letter)
                                   for letter in fields["flags"] or "")

    return fields


def in_each(store: Store, names: Sequence[str], click_id: str
            ) -> list[str | None]:
    minute = minute_of(click_id)

    with store.redis.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hget(store.keys(name).clicks(minute), click_id)

        return pipe.execute()
