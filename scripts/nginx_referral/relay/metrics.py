"""Metrics for the textfile collector of node_exporter."""

from __future__ import annotations

import os
from typing import Callable, Mapping, Sequence

from ..store.hook_counts import Counts
from ..store.hooks import ACTIVE

METRICS: Sequence[tuple[str, str, str, Callable[[Counts], int]]] = (
    ("referral_relay_delivered_total", "counter",
     "Messages that the endpoint took.",
     lambda counts: counts.hook.number("delivered")),
    ("referral_relay_failed_total", "counter",
     "Tries that failed.",
     lambda counts: counts.hook.number("failed")),
    ("referral_relay_waiting", "gauge",
     "Messages that were not tried yet.",
     lambda counts: counts.waiting),
    ("referral_relay_retrying", "gauge",
     "Messages that are sent again.",
     lambda counts: counts.retrying),
    ("referral_relay_dead", "gauge",
     "Messages that were given up.",
     lambda counts: counts.dead),
    ("referral_relay_failing_seconds", "gauge",
     "How long the endpoint has taken nothing; 0 if it is well.",
     lambda counts: counts.failing // 1000),
    ("referral_relay_stopped", "gauge",
     "1 if the endpoint is paused or disabled.",
     lambda counts: int(counts.hook.state != ACTIVE)),
)


def text_of(rows: Mapping[tuple[str, str], Counts]) -> str:
    lines = []

    for name, kind, text, value in METRICS:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]

        for (program, endpoint), counts in sorted(rows.items()):
            lines.append(f"{name}{{program=\"{program}\","
                         f"endpoint=\"{endpoint}\"}} {value(counts)}")

    return "\n".join(lines) + "\n"


def write(path: str, rows: Mapping[tuple[str, str], Counts]) -> None:
    """As a whole; whoever collects it is another user."""
    with open(f"{path}.new", "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text_of(rows))

    os.rename(f"{path}.new", path)
