"""What the module counted, as numbers that add up."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from ..store.events import DIMENSIONS
from ..store.keys import Keys
from ..store.store import BATCH, Store, batches, count
from ..text.problem import NEGATIVE, Problem

# hits of each class; "human" is clicks and missed
MACHINES = ("duplicate", "bot", "preview", "prefetch", "head", "excluded")
CLASSES = ("human", *MACHINES)

RESULTS = ("landing", "unresolved", "ended", "not_started", "disabled",
           "paused", "refused")

# in the order of the module: the more specific ones first
APPS = ("messenger", "instagram", "threads", "facebook", "line", "kakaotalk",
        "naver", "wechat", "weibo", "qq", "alipay", "baidu", "whatsapp",
        "tiktok", "twitter", "snapchat", "linkedin", "pinterest", "telegram",
        "reddit", "discord", "viber", "zalo", "vk", "yahoo", "google")

TOTALS = ("clicks", "visitors", "raw", "missed", *MACHINES, "no_consent")

# shown only if they are not zero
REMARKS = ("unresolved", "no_address", "unlisted")

# clicks without a known value in a dimension
NONE = "(none)"

# prefix of fields that the module keeps for itself
INTERNAL = "fields"

Counts = dict[str, int]


def numbers(fields: Mapping[str, Any]) -> Counts:
    return {name: count(value) for name, value in fields.items()}


def add(hashes: Iterable[Mapping[str, int]]) -> Counts:
    total: Counts = {}

    for counts in hashes:
        for name, value in counts.items():
            total[name] = total.get(name, 0) + value

    return total


def measure(by: str) -> str:
    """What is counted if hits are divided by this; "leads:country" divides
    leads, "amount:EUR:country" an amount."""
    if ":" in by:
        return by.rpartition(":")[0]

    return {"class": "hits", "result": "people"}.get(by, "clicks")


def whole(counts: Mapping[str, int], by: str) -> int:
    """The sum that the parts of this division must have."""
    if by == "class":
        return counts.get("raw", 0)

    if ":" in by:
        return counts.get(measure(by), 0)

    clicks = counts.get("clicks", 0)

    return clicks + counts.get("missed", 0) if by == "result" else clicks


def parts(counts: Mapping[str, int], by: str) -> Counts:
    """Divides the hits; the parts add up to whole(), and the rest is under
    NONE."""
    if by == "class":
        found = {name: counts.get(name, 0) for name in MACHINES}
        found["human"] = counts.get("clicks", 0) + counts.get("missed", 0)

    elif by == "result":
        unresolved = counts.get("unresolved", 0)
        found = {"landing": counts.get("clicks", 0) - unresolved,
                 "unresolved": unresolved}

        for name, value in counts.items():
            kind, colon, what = name.partition(":")

            if colon and kind == "missed":
                found[what] = found.get(what, 0) + value

    else:
        found = {name[len(by) + 1:]: value for name, value in counts.items()
                 if name.startswith(f"{by}:")}

    found = {name: value for name, value in found.items() if value}
    rest = whole(counts, by) - sum(found.values())

    if rest:
        found[NONE] = rest

    return found


def divisions(counts: Mapping[str, int]) -> dict[str, Counts]:
    """The clicks by every dimension that has a known value, the largest part
    first."""
    found = {}

    for by in sorted(DIMENSIONS):
        divided = parts(counts, by)

        if set(divided) - {NONE}:
            found[by] = falling(divided)

    return found


def falling(divided: Mapping[str, int]) -> Counts:
    """Sorts the parts, the largest first and NONE last."""
    return dict(sorted(divided.items(), key=lambda item:
                       (item[0] == NONE, -item[1], item[0])))


def rounding(values: Sequence[int], total: int) -> list[str]:
    """A note, if a share was rounded so that all shares add up to 100."""
    if all(share is None or share == round(100 * value / total, 1)
           for value, share in zip(values, shares(values, total))):
        return []

    return ["share: rounded so that all add up to 100.0; equal numbers may"
            " differ by 0.1"]


def shares(values: Sequence[int], total: int) -> list[float | None]:
    """Shares in percent, to a tenth; if the values are all parts of the total,
    the shares add up to 100."""
    if not total or any(value < 0 for value in values):
        return [None for _ in values]

    exact = [1000 * value / total for value in values]
    tenths = [int(share) for share in exact]

    if sum(values) == total:
        order = sorted(range(len(values)),
                       key=lambda i: tenths[i] - exact[i])

        for i in order[:1000 - sum(tenths)]:
            tenths[i] += 1
    else:
        tenths = [round(share) for share in exact]

    return [tenth / 10 for tenth in tenths]


def of_days(store: Store, keys: Keys, days: Sequence[str]
            ) -> dict[str, Counts]:
    """The statistics of each day, from ref:day:{p}:DAY."""
    return dict(zip(days, map(numbers,
                              store.hashes([keys.day(day) for day in days]))))


def uniques(store: Store, names: Sequence[str]) -> list[int]:
    """The estimate of each HyperLogLog."""
    found: list[int] = []

    for part in batches(names, BATCH):
        with store.redis.pipeline(transaction=False) as pipe:
            for name in part:
                pipe.pfcount(name)

            found.extend(pipe.execute())

    return found


def require(store: Store, keys: Keys, code: str = "") -> None:
    """Raises "not found" if there is no such program or link; one without
    counts is fine."""
    redis = store.redis

    if code:
        if not redis.exists(keys.link(code), keys.stats(code)):
            raise Problem(NEGATIVE, f"program {keys.program_name} has no link"
                          f" {code}, and no counts of one")

    elif not (redis.exists(keys.program, keys.links, keys.stats())
              or redis.sismember(store.programs, keys.program_name)):
        raise Problem(NEGATIVE, f"there is no program {keys.program_name};"
                      " \"nginx-referral program list\" shows those that there"
                      " are")
