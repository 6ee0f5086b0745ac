"""Does "ledger audit" find nothing wrong with what the engine decides?  TAP on
stdout.

Random streams of facts go through the engine; its entries, and the facts, are
what the audit gets.  Each stream is audited again with entries that are wrong,
which it has to find.
"""

import json
import os
import random
import re
import subprocess
import sys

sys.path.insert(0, "scripts")

from nginx_referral.reports.reward_audit import RewardAudit
from nginx_referral.store.facts import Fact
from nginx_referral.store.keys import Keys
from rewards_compare import facts_words
from rewards_random import stream

TOOL = os.environ.get("TEST_LEDGER", "build/referral_ledger_test")
WORDS = ("reward", "owner", "unit", "from", "to", "amount", "rule", "version",
         "at", "due", "expires", "why")


def engine(facts):
    lines = (json.dumps([f"{n}-0", [one for pair in fact.items()
                                    for one in pair]])
             for n, fact in enumerate(facts, 1))
    done = subprocess.run([TOOL, "shop"], input="\n".join(lines) + "\n",
                          text=True, capture_output=True, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]

    return [(one["id"], {name: "" if one[name] is None else str(one[name])
                         for name in WORDS}) for one in said if "id" in one]


def audited(facts, entries):
    audit = RewardAudit(Keys("ref:", "shop"))

    for n, fact in enumerate(facts, 1):
        audit.fact(Fact(n, fact))

    for name, fields in entries:
        audit.take(name, fields)

    audit.finish()

    return audit


def spoiled(entries, chance):
    """The entries, but one of them is not what it was; None if it cannot be
    known to be wrong."""
    place = chance.randrange(len(entries))
    name, fields = entries[place]
    change = chance.choice(("gone", "again", "rule", "owner", "to", "less"))
    rest = entries[place + 1:]

    if change == "gone":
        if not rest or rest[0][0].split("-")[0] != name.split("-")[0]:
            return None
        return entries[:place] + rest

    if change == "again":
        return entries[:place + 1] + [(name, fields)] + rest

    if change in ("rule", "owner"):
        if not any(one["reward"] == fields["reward"]
                   for _, one in entries[:place]):
            return None
        fields = {**fields, change: "99"}
    elif change == "to":
        fields = {**fields, "to": fields["from"]}
    else:
        fields = {**fields, "amount": "0"}

    return entries[:place] + [(name, fields)] + rest


def without_caps(facts):
    """The facts, but no cap leaves anything."""
    return [{**fact, "text": re.sub(r"(?m)^(cap=.* (?:count|amount)=)[0-9.]+",
                                    lambda found: found[1] + "0",
                                    fact["text"])}
            if fact.get("text") else fact for fact in facts]


wrong = bound = unknown = 0

for seed in range(150):
    facts = [facts_words(fact) for fact in stream(seed)]
    found = engine(facts)
    right = audited(facts, found)
    given = {fields["reward"] for _, fields in found
             if fields["rule"] != "adjust"}     # which no cap refuses
    capped = sum(one is not None for name, one in right.caps.bound.items()
                 if name in given)
    bound += capped
    unknown += right.caps.unknown
    bad = spoiled(found, random.Random(seed)) if found else None

    if right.rows:
        wrong += 1
        print(f"seed {seed}:", *right.rows[:5], sep="\n# ", file=sys.stderr)

    if bad and not audited(facts, bad).rows:
        wrong += 1
        print(f"seed {seed}: one that is wrong is not found", file=sys.stderr)

    if sum(" cap " in row[1] for row in audited(without_caps(facts),
                                                found).rows) < capped:
        wrong += 1
        print(f"seed {seed}: not each is above its cap", file=sys.stderr)

print(f"{'not ' if wrong else ''}ok 1 - 150 streams are right, and spoiled"
      " ones are not")
print(f"{'' if bound > unknown else 'not '}ok 2 - caps of {bound} rewards are"
      f" checked, those of {unknown} cannot be")
print("1..2")
sys.exit(wrong > 0 or bound <= unknown)
