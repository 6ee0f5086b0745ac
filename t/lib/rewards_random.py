"""Random programs and streams for the model of rewards, by a seed.

Only words that rewards_model.py covers are drawn.
"""

import hashlib
import random

DAY = 86400000
T = 1793059200000       # 2026-10-27
UNITS = {"USD": 2, "JPY": 0, "KWD": 3}
LEVELS = ["tier=iron friends=1 of=r0",
          "boost=i rule=r0 tier=iron x=1.1",
          "boost=g rule=r0 tier=gold x=1.25"]
FRAUD = ["fraud=same_device do=hold review=3d then=approve",
         "fraud=paid_click,country do=score:50 review=1d",
         "fraud=shared_click do=score:30", "fraud=mutual do=reject",
         "fraud=self do=hold", "fraud=known do=hold"]
SIGNALS = ["same_device", "same_device", "paid_click", "country", "self",
           "paid_click,country", "shared_click", "mutual", "fast_sale"]
MORE = ["step=paid on=sale,ride", "step=all on=install+verify",
        "nudge=a missing=r0 after=3d", "nudge=d missing=all after=1d",
        "nudge=b missing=paid on=rule:r0 after=1d since=install",
        "item=mug price=3.00USD stock=2", "item=cap price=2.00USD"]


def money(rnd, unit, most=50):
    places = UNITS[unit]
    amount = str(rnd.randint(1, most))
    if places:
        amount += "." + "".join(rnd.choice("0123456789")
                                for _ in range(places))
    return amount + unit


def program(rnd):
    lines = ["unit=USD/2,JPY/0,KWD/3"]
    maybe = rnd.random
    if maybe() < .3:
        lines.append("set=boosts:multiply")
    if maybe() < .25:
        lines.append("set=debt:no")
    if maybe() < .3:
        lines.append("set=terms:event")
    lines.append(f"cap=few per={rnd.choice(['referrer', 'friend', 'program'])}"
                 f" count={rnd.randint(1, 3)}"
                 f" every={rnd.choice(['ever', 'month', 'week', 'day'])}")
    lines.append(f"cap=sum per={rnd.choice(['referrer', 'friend', 'program'])}"
                 f" amount={money(rnd, 'USD')}"
                 f" every={rnd.choice(['ever', 'year', 'day'])}")
    names = [f"r{k}" for k in range(rnd.randint(1, 4))]
    waits = rnd.sample(names, len(names))   # each for those behind it only
    for name in names:
        unit = rnd.choice(["USD", "USD", "JPY", "KWD"])
        for _ in range(rnd.randint(1, 2)):
            lines.append(rule(rnd, name, unit,
                              waits[waits.index(name) + 1:]))
    if maybe() < .5:
        lines.append("boost=b rule=r0 x=1.5 starts=2026-11-01")
        lines.append(f"boost=c rule={','.join(names)} x=2 segment=plus"
                     " to=referrer")
    if maybe() < .6:
        lines = [line + rnd.choice([" tier=iron", " tier=!iron"])
                 if line.startswith("rule=") and maybe() < .1 else line
                 for line in lines] + LEVELS
        lines.append(f"tier=gold friends=2 of={rnd.choice(names)}"
                     f" every={rnd.choice(['ever', 'month', 'week'])}")
        lines.append(f"badge=first friends={rnd.randint(1, 2)}"
                     f" of={names[-1]} every={rnd.choice(['ever', 'day'])}")
    if maybe() < .4:
        lines += MORE
        lines.append(f"goal=g metric={rnd.choice(['leads', 'sales', 'rate'])}"
                     f" target={rnd.choice([1, 3, 60])} every="
                     + rnd.choice(["day", "week", "month"]))
    if maybe() < .5:
        lines += rnd.sample(FRAUD, rnd.randint(1, 5))
    for k in range(rnd.choice([0, 0, 1, 2])):
        lines.append(contest(rnd, f"c{k}", rnd.choice(names)))
    return "\n".join(lines)


def contest(rnd, name, of):
    every = rnd.choice(["day", "week", "month", "ever"])
    words = [f"contest={name} of={of} every={every}", "min=2",
             f"grace={rnd.choice(['1s', '12h', '3d'])}", "starts=2026-10-28",
             f"ends=2026-11-{rnd.randint(10, 25)}"]
    words = words[:1] + [word for word in words[1:] if rnd.random() < .5
                         or every == "ever" and word.startswith("ends")]
    if rnd.random() < .8:
        words.append("rank=1-2 give=" + rnd.choice(
            ["9.00USD,4.00USD cap=sum", "9.00USD,prize:bag cap=few",
             "700JPY,9.00USD"]) + rnd.choice(["", " hold=2d", " life=1d"]))
    return " ".join(words)


def rule(rnd, name, unit, others):
    on = rnd.choice(["sale", "sale", "lead", "sale,ride", "install+verify"])
    if others and rnd.random() < .35:
        on = "rule:" + rnd.choice(others)
    gifts = [money(rnd, unit), money(rnd, unit), "prize:a|b", "prize:c",
             f"draw:{money(rnd, unit)}@30,{money(rnd, unit)}@70",
             f"{rnd.randint(1, 100)}%", "2.5%"]
    give = rnd.choice(gifts[:-2] if "rule:" in on else gifts)
    words = [f"rule={name}", f"on={on}",
             f"to={rnd.choice(['referrer', 'friend', 'both'])}",
             f"give={give}"]
    for word, odds in (
            (f"each={rnd.choice(['order', 'event', 'referrer'])}", .4),
            (f"nth={rnd.randint(1, 3)}", .3),
            (rnd.choice([f"within={rnd.randint(1, 20)}d since=lead",
                         "months=1 since=lead"]), .3),
            (f"sum={money(rnd, unit)}", .15),
            (f"min={money(rnd, unit, 20)}", .25),
            (f"max={money(rnd, unit, 90)}", .1),
            (rnd.choice(["friends=1-2", "friends=2", "friends=2-"]), .2),
            ("count=all", .1),
            (rnd.choice(["segment=plus", "segment=!plus"]), .1),
            (rnd.choice(["friend=plus", "product=a", "role=guest"]), .1),
            (rnd.choice(["party=!referrer", "party=referrer,friend"]), .1),
            ("known=yes", .04),
            (rnd.choice(["starts=2026-11-01", "ends=2026-11-03",
                         "ends=2026-11-02T15:59"]), .1),
            (f"clock={rnd.choice(['lead', 'order'])}", .1),
            (rnd.choice([f"hold={rnd.randint(1, 9)}d"] * 3
                        + ["hold=until:install", "hold=until:sale"]), .5),
            (f"choose={rnd.randint(1, 9)}d", 1),
            (f"life={rnd.randint(1, 20)}d", .4), ("slide=yes", .2),
            ("use=once", .1), (f"use_min={money(rnd, unit, 9)}", .1),
            ("restore=yes", .2), (f"upto={money(rnd, unit)}", .2),
            (f"undo={rnd.choice(['share', 'keep', 'full'])}", .3),
            (f"cap={rnd.choice(['few', 'sum'])}", .5), ("over=clip", .5)):
        if rnd.random() < odds and sensible(word, words, on, give):
            words.append(word)
    if on.startswith("rule:") and " hold=" not in " ".join(words) \
            and rnd.random() < .5:
        words.append("hold=5d")
    return " ".join(words)


def sensible(word, words, on, give):
    """What the grammar refuses of a line, the words in their order."""
    key = word.partition("=")[0]
    said = " ".join(words)
    flat = not give.endswith("%")
    if key == "choose":
        return give == "prize:a|b"
    if key == "upto":
        return not flat
    if key in ("nth", "sum"):
        return "rule:" not in on
    if key == "friends":
        return " each=event" not in said
    if word.startswith("months="):
        return " each=order" in said or " each=event" in said
    if key == "slide":
        return " life=" in said
    if key == "max":
        return " min=" not in said
    if word == "cap=sum":
        return give.endswith("%") or "USD" in give
    if word == "over=clip":
        return " cap=sum" in said
    return True


def stream(seed, length=40):
    """The facts of a seed: rules first, perhaps other rules later."""
    rnd = random.Random(seed)
    more = random.Random(f"more {seed}")
    now = T
    facts = [rules(rnd, now, 1)]
    bound, orders, tokens = {}, {}, []
    signs = rnd.random() < .5
    for k in range(length):
        now += rnd.choice([0, 1000, 3600000, DAY, 2 * DAY])
        kind = rnd.choices(
            ["lead", "sale", "ride", "install", "verify", "refund", "update",
             "cancel", "close", "reserve", "commit", "release", "adjust",
             "tick", "rules", "approve", "reject", "choose"],
            [4, 9, 3, 2, 2, 6, 2, 2, .5, 5, 4, 1, 1.5, 2, .3, .7, .2, 1])[0]
        fact = {"type": kind, "event": f"e{k}", "time": str(now),
                "at": str(now - rnd.choice([0, 0, 0, DAY, 9 * DAY])),
                "program_state": "paused" if rnd.random() < .02 else "active"}
        friend = str(rnd.randint(10, 14))
        order = f"o{rnd.randint(1, 18)}"
        if kind in ("lead", "sale", "ride", "install", "verify"):
            fact.update(friend=friend, segment=rnd.choice(["", "plus"]),
                        role=rnd.choice(["", "guest"]), product="a,b",
                        parties=rnd.choice(["", "1", "2"]))
            if friend not in bound and rnd.random() < .8 and kind not in (
                    "install", "verify"):
                bound[friend] = str(rnd.randint(1, 2))
            if friend in bound:
                fact.update(referrer=bound[friend], referrer_state="active",
                            referrer_segment=rnd.choice(["", "plus"]))
            fact["known"] = "1" if rnd.random() < .02 else "0"
            fact["self"] = "1" if rnd.random() < .02 else "0"
            if signs and rnd.random() < .2:
                fact["signals"] = rnd.choice(SIGNALS)
        if kind in ("sale", "ride"):
            orders.setdefault(order, (friend, rnd.choice(["USD"] * 3 + [
                "JPY", "KWD"])))
            fact.update(friend=orders[order][0], unit=orders[order][1],
                        order=order, amount=str(more.choice(
                            [rnd.randint(0, 9999)] * 5 + [4])),
                        order_at=str(now - DAY))
            fact["referrer"] = bound.get(fact["friend"], "")
        elif kind in ("refund", "update", "cancel"):
            if orders and rnd.random() < .8:
                order = rnd.choice(list(orders))
            fact.update(order=order, unit=orders.get(order, ("", "USD"))[1])
            if kind == "refund" and rnd.random() < .3:
                fact["refunded"] = str(rnd.randint(0, 9999))
            elif kind != "cancel":
                fact["amount"] = str(rnd.randint(1, 5000))
        elif kind in ("approve", "reject"):
            fact["friend"] = friend
        elif kind == "close":
            fact.update(type="cancel", friend=friend)
        elif kind in ("reserve", "adjust"):
            fact.update(owner=rnd.choice(["1", "2", friend]), unit="USD",
                        amount=str(rnd.randint(1, 1500 if kind == "adjust"
                                               else 600)), order=order,
                        order_amount=rnd.choice(["", "5000"]),
                        ttl=rnd.choice(["", str(2 * DAY), str(9 * DAY)]))
            if kind == "reserve" and rnd.random() < .3:
                fact.update(rnd.choice([{"item": "mug", "amount": "300"},
                                        {"item": "cap", "amount": "200"}]))
            if kind == "adjust" and more.random() < .05:
                fact["type"] = "forget"
            if kind == "adjust":
                fact["cap"] = more.choice(["", "", "", "sum", "none"])
                fact["amount"] = more.choice([fact["amount"]] * 9
                                             + [str(2 ** 53 - 1)])
            if kind == "reserve":
                tokens.append(fact["event"])
            if kind == "reserve" and more.random() < .2:
                fact.update(type="payout", order="", item="",
                            least=more.choice(["", "300"]),
                            amount=more.choice(["", fact["amount"]]))
        elif kind in ("commit", "release"):
            fact.update(order=more.choice(["", "", order]),
                        token=rnd.choice(tokens[-2:] or ["none"]),
                        amount=rnd.choice(["200", "300",
                                           str(rnd.randint(0, 600))]))
            if more.random() < .35:
                fact["type"] = more.choice(["paid", "failed"])
        elif kind == "choose":
            of = f"friend {who(friend)}" if rnd.random() < .7 \
                else f"order {order}"
            said = f"shop:r{rnd.randint(0, 2)}:" \
                f"{rnd.choice(['referrer', 'friend'])}:{of}"
            fact.update(prize=rnd.choice("ab"), reward=hashlib.sha256(
                said.encode()).hexdigest()[:16])
        elif kind == "rules":
            fact = rules(rnd, now, k + 2)
        if fact.get("friend"):
            fact["who"] = who(fact["friend"])
        if fact.get("referrer"):
            fact["referrer_who"] = more.choice([
                "", who("9" + fact["referrer"])])
        facts.append(fact)
    if rnd.random() < .1:       # a fact or two before the first rules
        facts[0]["time"] = facts[2]["time"]
        facts[:3] = facts[1], facts[2], facts[0]
    return facts


def who(friend):
    return f"{int(friend):016x}"


def rules(rnd, now, version):
    lapses = {"bind": "window", "window": str(rnd.choice([1, 5]) * 86400)} \
        if rnd.random() < .2 else {}
    return {**lapses, "type": "rules", "time": str(now), "version": str(version),
            "text": program(rnd), "transitions": f"{T - 400 * DAY}:"
            + rnd.choice(["0", "480", "-480", "840", "-720", "-210",
                          f"120,{T + 5 * DAY + 3600000}:60",
                          f"-240,{T + 12 * DAY + 14400000}:-180"]),
            "seed": "00112233445566778899aabbccddeeff"}


def ticked(facts, seed):
    """The same facts with ticks between them."""
    rnd, more = random.Random(seed), facts[:1]
    for before, fact in zip(facts, facts[1:]):
        span = int(before["time"]), int(fact["time"])
        more += [{"type": "tick", "event": "", "time": str(when)} for when
                 in sorted(rnd.randint(*span) for _ in range(rnd.choice(
                     [0, 1, 3])))]
        more.append(fact)
    return more


def shrink(facts, fails):
    """Facts left out one by one while it still fails."""
    k = len(facts) - 1
    while k >= 0:
        fewer = facts[:k] + facts[k + 1:]
        if fails(fewer):
            facts = fewer
        k = min(k, len(facts)) - 1
    return facts
