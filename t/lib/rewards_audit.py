"""What must be true of a ledger of rewards after each fact: A1 to A7.

A8 to A10 (pools, deliveries, the chain) concern what the model does not make.
"""

from rewards_model import ACCOUNTS, net
from rewards_notices import through


def audit(model, entries):
    """What is wrong, as texts; entries are those of the newest fact."""
    wrong = []

    # A1: N-0, N-1, N-2 ... of the newest fact
    for i, entry in enumerate(entries):
        if entry["id"] != f"{len(model.facts)}-{i}":
            wrong.append(f"A1 {entry['id']}")

    # A2 to A5 from the entries alone
    sums, owners, granted, total = {}, {}, {}, {}
    for e in model.entries:
        if e["amount"] <= 0 or e["from"] == e["to"]:
            wrong.append(f"entry {e['id']}")
        for account, by in ((e["from"], -e["amount"]), (e["to"], e["amount"])):
            total[e["unit"]] = total.get(e["unit"], 0) + by
            if account == "budget":
                granted[e["reward"]] = granted.get(e["reward"], 0) - by
                continue
            if account not in ACCOUNTS:
                wrong.append(f"account {account}")
            key = e["reward"], account
            sums[key] = sums.get(key, 0) + by
            key = e["owner"], e["unit"], account
            owners[key] = owners.get(key, 0) + by

    wrong += [f"A2 {unit}" for unit, by in total.items() if by]
    if {k: v for k, v in owners.items() if v} != model.balances():
        wrong.append("A3")

    for name, r in model.rewards.items():
        mine = {a: sums.get((name, a), 0) for a in ACCOUNTS}
        if mine != r["sums"] or sum(mine.values()) != granted.get(name, 0):
            wrong.append(f"A4 {name} {mine}")
        if any(v < 0 for a, v in mine.items()
               if a not in ("available", "written_off")) or \
                mine["written_off"] > 0:
            wrong.append(f"A5 {name} {mine}")
        if mine["available"] + mine["written_off"] < \
                -(mine["spent"] + mine["reserved"]):
            wrong.append(f"A5 {name} {mine}")
        # one whose return is denied keeps what has expired before
        if r["denied"] and net(r) > r["sums"]["expired"]:
            wrong.append(f"denied and paid {name}")
        # A11, B21: the friend's side of each=referrer is one friend's
        if r["each"].startswith("referrer ") and r["side"] == "friend" and \
                sum(not o["down"] for o in model.rewards.values()
                    if (o["rule"], o["side"], o["each"]) ==
                    (r["rule"], r["side"], r["each"])) > 1:
            wrong.append(f"A11 {name}")

    # B15
    wrong += [f"rejected {name}" for name, r in model.rewards.items()
              if through(r) in model.rejected
              and (r["sums"]["pending"] or r["sums"]["available"] > 0)]

    # B2: nobody has a reward below 0 beside one above
    for name, r in model.rewards.items():
        if r["sums"]["available"] < 0 and any(
                o["sums"]["available"] > 0 and
                (o["owner"], o["unit"]) == (r["owner"], r["unit"])
                for o in model.rewards.values()):
            wrong.append(f"B2 {name}")

    wrong += caps(model)

    # A7
    for name in {f["order"] for f in model.facts if f.get("order")}:
        now = model.order(name)
        if now and not 0 <= now[1] <= now[0]:
            wrong.append(f"A7 {name}")

    return wrong


def caps(model):
    """A6, A13: each counter against the highest limit of any version."""
    limits, used = {}, {}
    for _, rules in model.versions:
        for cap in rules["cap"]:
            limit = cap["count"] if "count" in cap else cap["amount"][0]
            old = limits.get(cap["name"], (cap, 0))[1]
            limits[cap["name"]] = cap, max(old, limit)

    for r in model.rewards.values():
        name = r["line"].get("cap")
        if name is None or r["rule"] == "adjust":
            continue
        cap = limits[name][0]
        if cap["per"] == "referrer" and r["side"] == "friend" or \
                cap["per"] == "friend" and not r["friend"]:
            continue
        if "amount" in cap and r["unit"] != cap["amount"][1]:
            continue
        key = (name, "" if cap["per"] == "program" else r[cap["per"]],
               model.period_of(cap.get("every", "ever"), r))
        kept = net(r)
        used[key] = used.get(key, 0) + (kept > 0 if "count" in cap else kept)

    return [f"A6 {key} {by}" for key, by in used.items()
            if by > limits[key[0]][1]]
