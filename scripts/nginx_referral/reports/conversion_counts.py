"""What is counted of conversions, in the same hashes as clicks and in some of
its own."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from ..store.amounts import Amounts
from ..store.keys import Keys
from ..store.reward_text import decimals
from ..store.session import Session
from .counters import NONE, Counts

# single numbers; then come amounts, one a unit, as amount:EUR, and what was
# given for them, as rewards:EUR
NUMBERS = ("friends", "leads", "sales", "refunds", "known", "unattributed",
           "self")
# of programs with rewards only
CUSTOMERS = "customers"
AMOUNT = "amount:"
REWARDS = "rewards:"

# how fields of conversions begin, up to a colon
CONVERTED = (*NUMBERS, CUSTOMERS, "amount", "rewards")

# leads, sales, refunds and amounts are divided by these of the click, and have
# days
DIVIDED = ("country", "channel", "variant", "device", "segment")
DIVISIBLE = ("leads", "sales")
DAILY = (*DIVISIBLE, "refunds")


def is_conversion(field: str) -> bool:
    return field.partition(":")[0] in CONVERTED


def without(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are of clicks."""
    return {name: value for name, value in fields.items()
            if not is_conversion(name)}


def units(hashes: Iterable[Mapping[str, int]], start: str = AMOUNT
          ) -> list[str]:
    """The units in which something was paid, or given."""
    return sorted({name.split(":")[1] for counts in hashes for name in counts
                   if name.startswith(start)})


def money(hashes: Iterable[Mapping[str, int]]) -> list[str]:
    """amount:EUR, rewards:EUR and so on, as far as there are any."""
    found = list(hashes)

    return [start + unit for start in (AMOUNT, REWARDS)
            for unit in units(found, start)]


def measures(hashes: Iterable[Mapping[str, int]]) -> list[str]:
    """What is divided, and has days."""
    return [*DAILY, *(AMOUNT + unit for unit in units(hashes))]


def there(counts: Mapping[str, int]) -> bool:
    """Is anything counted of conversions?"""
    return any(map(is_conversion, counts))


def totals(counts: Mapping[str, int], amounts: Amounts | None
           ) -> dict[str, Any]:
    """What is counted of conversions; nothing if there are none.  With
    "amounts" as people write them."""
    if not there(counts):
        return {}

    shown: dict[str, Any] = {name: counts.get(name, 0) for name in NUMBERS}

    shown.update((name, value(counts, name, amounts))
                 for name in money([counts]))

    if CUSTOMERS in counts:
        shown[CUSTOMERS] = counts[CUSTOMERS]
        shown.update(costs(counts, amounts))

    return shown


def costs(counts: Mapping[str, int], amounts: Amounts | None
          ) -> dict[str, Any]:
    """What rewards cost for each new customer, floored; nothing without
    one."""
    customers = counts[CUSTOMERS]

    if customers <= 0:
        return {}

    return {f"cost_per_customer:{unit}":
            value({AMOUNT + unit: counts.get(REWARDS + unit, 0) // customers},
                  AMOUNT + unit, amounts)
            for unit in units([counts], REWARDS)}


def amounts_of(session: Session, keys: Keys) -> Amounts | None:
    """People read amounts with their decimals, programs as they are kept."""
    if not session.output.for_people:
        return None

    return Amounts(session.rules, lambda: decimals(session.store, keys))


def value(counts: Mapping[str, int], name: str, amounts: Amounts | None
          ) -> Any:
    number = counts.get(name, 0)

    if amounts is None or not name.startswith((AMOUNT, REWARDS)):
        return number

    return amounts.show(number, name.partition(":")[2])


def columns(hashes: Iterable[Mapping[str, int]], names: Sequence[str]
            ) -> list[str]:
    """These columns and one for each unit, if anything of them is counted."""
    found = list(hashes)

    if not any(map(there, found)):
        return []

    return [*names, *money(found)]


def divided(counts: Mapping[str, int], what: str, by: str) -> Counts:
    """Leads, sales and so on by a dimension; the rest is under NONE, so that
    they add up."""
    start = f"{what}:{by}:"
    found = {name[len(start):]: number for name, number in counts.items()
             if name.startswith(start) and number}
    rest = counts.get(what, 0) - sum(found.values())

    if rest:
        found[NONE] = rest

    return found
