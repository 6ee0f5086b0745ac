"""Does Redis have what the plain model has?  Exits with 1 if not.

    rewards_settled.py PORT FROM TO

Random streams are put into Redis, the settler settles them in pieces, and what
it writes is compared with the model: entries, wallets, rewards, what is due.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict

import redis

from rewards_compare import KEYS, facts_words, model
from rewards_random import stream

STATES = ("pending", "available", "reserved", "spent", "expired", "cancelled",
          "written_off")
SETTLER = os.environ.get("TEST_SETTLE", "build/nginx-referral-settle")

port, first, last = (int(one) for one in sys.argv[1:4])
db = redis.Redis(port=port, decode_responses=True)


def settle(*options):
    done = subprocess.run([SETTLER, "--redis", f"127.0.0.1:{port}", *options],
                          text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def entries(p):
    """The ledger as Redis has it, in the model's words."""
    said = []

    for number, fields in db.xrange(f"ref:ledger:{{{p}}}"):
        one = {"id": number, **fields}
        one["amount"], one["at"] = int(one["amount"]), int(one["at"])
        one["expires"] = int(one["expires"]) if one["expires"] else None
        said.append(one)

    return said


def facts_of(p):
    return [fields for _, fields in db.xrange(f"ref:conversions:{{{p}}}")]


def sums_of(said):
    """What each owner, reward, and all of them have by the entries."""
    owners, rewards, totals = Counter(), defaultdict(Counter), Counter()

    for e in said:
        for account, sign in ((e["from"], -1), (e["to"], 1)):
            amount = sign * e["amount"]
            totals[f"{e['unit']}:{account}"] += amount

            if account != "budget":
                owners[e["owner"], e["unit"], account] += amount
                rewards[e["reward"]][account] += amount

    return owners, rewards, totals


def wrong_state(p, said):
    """What of the other keys does not follow from the entries."""
    owners, rewards, totals = sums_of(said)
    got = {}
    history = {}

    for key in db.scan_iter(f"ref:wallet:{{{p}}}:*", count=1000):
        name = key.partition("}:")[2]

        if name.endswith(":entries"):
            history[name[:-8]] = set(db.zrange(key, 0, -1))
            continue

        for field, value in db.hgetall(key).items():
            if field.startswith(("tier:", "badge:")):
                continue

            unit, _, state = field.rpartition(":")
            got[name, unit, state] = int(value)

    want = {key: n for key, n in owners.items() if n}

    if got != want:
        return f"wallets {got} are {want}"

    want = {key: n for key, n in totals.items() if n}
    got = {key: int(n) for key, n in db.hgetall(f"ref:wallet:{{{p}}}").items()}

    if got != want:
        return f"the program's sums {got} are {want}"

    ids = defaultdict(set)

    for e in said:
        ids[e["owner"]].add(e["id"])

    if history != ids:
        return f"history {history} is {ids}"

    of = {e["reward"]: (e["owner"], e["unit"], e["rule"]) for e in said}

    for reward, sums in rewards.items():
        fields = db.hgetall(f"ref:reward:{{{p}}}:{reward}")

        if of[reward] != tuple(fields.get(k, "")
                               for k in ("owner", "unit", "rule")):
            return f"reward {reward} {fields} is {of[reward]}"

        got = {state: int(fields.get(state, 0)) for state in STATES}

        if got != {state: sums[state] for state in STATES} \
                or int(fields["granted"]) != sum(sums.values()):
            return f"reward {fields} is {sums}"

        due = db.zscore(f"ref:due:{{{p}}}", reward)
        next_one = fields.get("choose") or fields.get("due") \
            if got["pending"] > 0 \
            else fields.get("expires") if got["available"] > 0 else None

        if (due and int(due)) != (next_one and int(next_one)):
            return f"reward {fields} is due at {due}"

    return None


def wrong(seed):
    p = "shop"
    facts = stream(seed)

    db.flushdb()
    db.sadd("ref:programs", p)

    for n, fact in enumerate(facts, 1):
        db.xadd(f"ref:conversions:{{{p}}}", facts_words(fact), id=f"{n}-0")

    status, said = settle("--once", "--program", p, "--batch",
                          str(1 + seed % 7))

    if status:
        return f"the settler ends with {status}: {said}"

    facts = facts_of(p)
    want = [e for e in model(facts)[0] if "id" in e]
    got = entries(p)

    for k in range(max(len(got), len(want))):
        a = {key: got[k][key] for key in KEYS} if k < len(got) else None
        b = want[k] if k < len(want) else None

        if a != b:
            return f"Redis {a}\nmodel {b}"

    bad = wrong_state(p, got)

    if bad:
        return bad

    status, said = settle("--replay", "--program", p)

    return f"the replay differs: {said}" if status else wrong_chains(p)


def wrong_chains(p):
    """A dump leads to the same chains where no Redis is."""
    with tempfile.NamedTemporaryFile("w") as dump:
        subprocess.run([SETTLER, "--redis", f"127.0.0.1:{port}", "--dump",
                        "--program", p], stdout=dump, check=True)
        done = subprocess.run([SETTLER, "--redis", "127.0.0.1:1", "--replay",
                               dump.name, "--chains", "--program", p],
                              text=True, capture_output=True, check=False)

    has = db.hgetall(f"ref:settled:{{{p}}}")
    want = "".join(f"{name} {has.get(name, 'none')}\n"
                   for name in ("position", "chain", "rewards_chain"))

    return None if done.stdout == want else \
        f"the dump leads to {done.stdout}{done.stderr}, Redis has {want}"


failed = 0

for number in range(first, last):
    why = wrong(number)

    if why:
        failed += 1
        print(f"# seed {number}: {why}", file=sys.stderr)

        if failed == 3:
            break

sys.exit(failed > 0)
