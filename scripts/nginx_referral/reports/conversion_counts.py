"""What is counted of conversions in the same hashes as clicks."""

from __future__ import annotations

from typing import Any, Mapping

# how fields of conversions begin, up to a colon
CONVERTED = ("friends", "leads", "sales", "refunds", "known", "unattributed",
             "self", "amount")


def is_conversion(field: str) -> bool:
    return field.partition(":")[0] in CONVERTED


def without(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are of clicks."""
    return {name: value for name, value in fields.items()
            if not is_conversion(name)}
