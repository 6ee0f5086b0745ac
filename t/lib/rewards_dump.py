"""A dump of a program, for t/program/replay_builds.t.

    rewards_dump.py STREAMS

Random streams, one behind the other: what a later one does happens later.
"""

import sys

from rewards_compare import dump
from rewards_random import T, stream

LATER = ("time", "at", "order_at")

facts, start = [], 0

for seed in range(int(sys.argv[1])):
    for fact in stream(seed):
        moved = {key: str(int(fact[key]) + start) for key in LATER
                 if fact.get(key)}
        facts.append({**fact, **moved})

        if "event" in fact:
            facts[-1]["event"] = f"s{seed}{fact['event']}"

    start = max(int(fact["time"]) for fact in facts) - T

sys.stdout.write(dump(facts))
