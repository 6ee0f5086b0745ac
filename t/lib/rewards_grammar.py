"""The text of a program's rules, read slowly and plainly for the model in
rewards_model.py.  Any mistake raises Mistake: the whole text is refused."""

import datetime
import re

DAY = 86400000
SPAN = {"s": 1000, "m": 60000, "h": 3600000, "d": DAY}
ISO = {"USD": 2, "EUR": 2, "GBP": 2, "SGD": 2, "CHF": 2, "JPY": 0, "KRW": 0,
       "KWD": 3, "BHD": 3}

CONDITIONS = set("on nth sum friends within since min max product role segment"
                 " friend tier country region city channel variant code party"
                 " known starts ends clock place".split())
EFFECTS = set("to give upto hold life slide use use_min restore choose pay cap"
              " over undo count each months".split())
WORDS = {
    "unit": set(),
    "set": set(),
    "rule": CONDITIONS | EFFECTS,
    "cap": {"per", "count", "amount", "every"},
    "boost": {"rule", "to", "segment", "tier", "starts", "ends", "clock", "x"},
    "tier": {"friends", "of", "every"},
    "badge": {"friends", "of", "every"},
    # C1: a contest takes life, hold, pay and cap too
    "contest": set("of every min rank give tie grace life hold pay cap"
                   " starts ends".split()),
    # C2: a step or a rule, after another rule if on= says one
    "nudge": {"missing", "on", "after", "since"},
    "fraud": {"do", "review", "then"},
    "item": {"price", "stock"},
    "goal": {"metric", "target", "every"},
    "step": {"on"},
}
# C7: any other name refuses the text
SIGNALS = set("self same_email known same_device same_payment"
              " same_address_browser same_address shared_click fast_lead"
              " fast_sale lead_flood address_flood hosting country disposable"
              " coupon_site paid_click mutual".split())
# A3: zone, late, bind and attribution are fields of the program, no words
SETS = {"terms": {"lead", "event"}, "boosts": {"max", "multiply"},
        "debt": {"yes", "no"}, "refunds": None}
CHOICES = {
    "to": {"referrer", "friend", "both"}, "over": {"clip", "deny"},
    "undo": {"full", "share", "keep"},
    "each": {"friend", "order", "event", "referrer"},
    "slide": {"yes", "no"}, "restore": {"yes", "no"}, "use": {"once", "many"},
    "clock": {"event", "lead", "order"}, "place": {"lead", "event"},
    "known": {"yes", "no"}, "per": {"referrer", "friend", "program"},
    "every": {"ever", "year", "month", "week", "day"}, "tie": {"first"},
    "metric": {"leads", "sales", "rate"}, "then": {"approve", "wait"},
}
NAME = re.compile(r"[a-z0-9_.-]{1,32}\Z")


class Mistake(Exception):
    pass


class NotModelled(Exception):
    pass


def need(true, what):
    if not true:
        raise Mistake(what)


def span(text):
    m = re.match(r"([1-9][0-9]{0,5})([smhd])\Z", text)
    need(m, f"duration {text!r}")
    return int(m[1]) * SPAN[m[2]]


def number(text, least=1):
    need(re.match(r"[0-9]{1,15}\Z", text), f"number {text!r}")
    need(int(text) >= least, f"number {text!r} is too small")
    return int(text)


def decimal(text, places):
    """A decimal with at most so many places, as an integer of the last one."""
    m = re.match(r"([0-9]{1,12})(?:\.([0-9]+))?\Z", text)
    need(m and len(m[2] or "") <= places, f"decimal {text!r}")
    return int(m[1] + (m[2] or "").ljust(places, "0"))


def money(text, units):
    """5.00USD -> (500, "USD"): exactly the decimals of the unit."""
    m = re.match(r"([0-9.]+)([A-Za-z]+)\Z", text)
    need(m and m[2] in units, f"amount {text!r}")
    places = len(m[1].partition(".")[2])
    need(places == units[m[2]] and ("." in m[1]) == (places > 0),
         f"decimals of {text!r}")
    return decimal(m[1], places), m[2]


def ordinals(text):
    m = re.match(r"([1-9][0-9]*)(-([1-9][0-9]*)?)?\Z", text)
    need(m, f"range {text!r}")
    high = int(m[3]) if m[3] else None if m[2] else int(m[1])
    need(high is None or high >= int(m[1]), f"range {text!r}")
    return int(m[1]), high


def gift(text, units):
    """What give= says: percent (in 1/10000), flat, prizes or a draw."""
    if text.endswith("%"):
        rate = decimal(text[:-1], 2)
        need(0 < rate <= 10000, f"percentage {text!r}")
        return "percent", rate

    if text.startswith("prize:"):
        names = text[6:].split("|")
        need(all(NAME.match(n) for n in names), f"prize {text!r}")
        return "prize", names

    if text.startswith("draw:"):
        parts = [p.partition("@") for p in text[5:].split(",")]
        said = [(*money(a, units), number(w)) for a, _, w in parts]
        need(len({unit for _, unit, _ in said}) == 1, f"units of {text!r}")
        need(sum(weight for _, _, weight in said) == 100, f"draw {text!r}")
        return "draw", said

    return "flat", money(text, units)


def value(kind, key, text, units):
    if key == "give" and kind == "contest":
        return [gift(part, units) for part in text.split(",")]
    if key == "give":
        return gift(text, units)
    if kind == "tier" or kind == "badge" or key in ("nth", "target", "count"):
        if key in ("friends", "nth", "target") or kind == "cap":
            return number(text)
    if key == "min" and kind == "contest":
        return number(text)
    if key in ("min", "max", "sum", "upto", "use_min", "amount", "price"):
        return money(text, units)
    if key in ("friends", "rank"):
        return ordinals(text)
    if key in ("months", "stock"):
        return number(text)
    if key == "hold" and text.startswith("until:"):
        return "until", text[6:]
    if key in ("within", "hold", "life", "choose", "after", "grace", "review"):
        return span(text)
    if key in ("starts", "ends"):
        if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d.", text):
            raise NotModelled("dates with seconds or a zone")
        need(re.match(r"\d{4}-\d\d-\d\d(T\d\d:\d\d)?\Z", text),
             f"date {text!r}")
        try:
            datetime.datetime.fromisoformat(text)
        except ValueError:
            raise Mistake(f"date {text!r}") from None
        return text
    if key == "x":
        need(decimal(text, 3) > 0, "x=0")
        return decimal(text, 3)
    if key in CHOICES:
        need(text in CHOICES[key], f"{key}={text}")
        return text
    if key == "do":
        m = re.match(r"(?:score:([0-9]{1,3})|hold|reject)\Z", text)
        need(m, f"do={text}")
        return int(m[1]) if m[1] else text
    if key == "on" and "+" in text:
        return "all", text.split("+")
    if key == "on":
        return "any", text.split(",")
    if key in ("rule", "product", "segment", "friend", "country", "city",
               "channel", "variant", "code", "role", "region", "tier",
               "party") or key.startswith("x."):
        not_ = text.startswith("!")
        # C8: _ in a place stands for a space
        if key == "city":
            text = text.replace("_", " ")
        names = text[not_:].split(",")
        need(key != "party" or set(names) <= {"referrer", "friend"}, text)
        return not_, names
    return text


def parse(text):
    """A dict: units, set, and for each kind a list of lines in their order."""
    need(len(text.encode()) <= 16384, "text is too long")
    rules = {"units": {}, "set": {},
             **{k: [] for k in WORDS if k not in ("set", "unit")}}
    raw = []

    for line in text.split("\n"):
        words = line.partition("#")[0].split()
        if words:
            need(all("=" in w and w.partition("=")[2] for w in words), line)
            raw.append([w.partition("=")[::2] for w in words])

    need(len(raw) <= 64, "too many lines")

    for words in raw:
        if words[0][0] == "unit":
            for one in words[0][1].split(","):
                m = re.match(r"([A-Za-z][A-Za-z0-9]{1,7})/([0-4])\Z", one)
                need(m and m[1] not in rules["units"], f"unit {one!r}")
                need(ISO.get(m[1], int(m[2])) == int(m[2]), f"unit {one!r}")
                rules["units"][m[1]] = int(m[2])

    for words in raw:
        kind, name = words[0]
        need(kind in WORDS, f"no line begins with {kind!r}")

        if kind == "set":
            for key, text_ in words:
                need(key == "set", key)
                what, _, said = text_.partition(":")
                need(what in SETS and what not in rules["set"], text_)
                need(SETS[what] is None or said in SETS[what], text_)
                rules["set"][what] = span(said) if what == "refunds" else said
            continue

        if kind == "unit":
            need(len(words) == 1, "a unit line has one word")
            continue

        if kind == "fraud":
            need(all(n in SIGNALS for n in name.split(",")), name)
        else:
            need(NAME.match(name), f"name {name!r}")

        line = {"name": name}

        for key, text_ in words[1:]:
            need(key in WORDS[kind]
                 or kind == "rule" and re.match(r"x\.[a-z0-9_]{1,64}\Z", key),
                 f"{kind} knows no {key!r}")
            need(key not in line, f"{key} twice")
            line[key] = value(kind, key, text_, rules["units"])

        rules[kind].append(line)

    check(rules)
    return rules


def check(rules):
    names = {line["name"] for line in rules["rule"]}
    caps = {line["name"] for line in rules["cap"]}

    for line in rules["cap"]:
        need(("count" in line) != ("amount" in line), "count= or amount=")
        need("per" in line, "per=")

    signals = [name for line in rules["fraud"]
               for name in line["name"].split(",")]
    need(len(set(signals)) == len(signals), "a signal twice")

    for line in rules["fraud"]:
        need("do" in line and ("then" not in line or "review" in line),
             "do=, and review= where then= is")
        need(line["do"] != "reject" or "review" not in line
             and "same_address" not in line["name"].split(","), "do=reject")

    for line in rules["contest"]:
        need("of" in line and "every" in line, "of= and every=")
        need(line["every"] != "ever" or "ends" in line, "every=ever ends=")
        need(line.get("rank", (1, 1))[0] == 1 and
             line.get("rank", (1, 1))[1] is not None, "rank= from 1 to N")
        need("give" not in line or
             len(line["give"]) == line.get("rank", (1, 0))[1] and
             all(kind == "flat" or kind == "prize" and len(said) == 1
                 for kind, said in line["give"]), "a gift for each rank")
        need("give" in line or not {"life", "hold", "pay", "cap"}
             & line.keys(), "of what a contest gives")
        need(line.get("cap") is None or line["cap"] in caps, "unknown cap")

    for line in rules["step"]:
        need("on" in line and not any(on.startswith("rule:")
                                      for on in line["on"][1]), "on=EVENT")

    waits = {}

    for line in rules["rule"]:
        need("on" in line and "give" in line and "to" in line,
             f"rule {line['name']} needs on=, give= and to=")
        need(line.get("cap") is None or line["cap"] in caps, "unknown cap")
        need("within" not in line or "since" in line, "within= needs since=")
        need("months" not in line or "since" in line, "months= needs since=")
        rules_on = [on[5:] for on in line["on"][1] if on.startswith("rule:")]
        waits.setdefault(line["name"], set()).update(rules_on)
        need(set(rules_on) <= names, "on= of an unknown rule")
        need(not rules_on or len(line["on"][1]) == 1, "on=rule: and more")
        # what counts events or takes a part of an order has none
        need(not rules_on or not {"nth", "sum"} & line.keys()
             and line["give"][0] != "percent", "on=rule: has no order")

    # B20: on=rule:X is asked after X
    while waits:
        free = [name for name in waits if not waits[name] & waits.keys()]
        need(free, "rules wait for each other")
        for name in free:
            del waits[name]

    tiers = {line["name"] for line in rules["tier"]}

    for line in rules["tier"] + rules["badge"]:
        need("friends" in line and "of" in line, "friends= and of=")

    for line in rules["rule"] + rules["boost"]:
        need(set(line.get("tier", (False, []))[1]) <= tiers, "unknown tier")

    for kind in WORDS:
        if kind not in ("set", "unit", "rule", "fraud"):
            lines = [line["name"] for line in rules[kind]]
            need(len(set(lines)) == len(lines), f"a {kind} twice")

    for kind in ("boost", "tier", "badge", "contest"):
        for line in rules[kind]:
            for of in (line["rule"][1] if "rule" in line
                       else [line["of"]] if "of" in line else []):
                need(of in names, f"unknown rule {of!r}")

    steps = {line["name"] for line in rules["step"]} | {
        on for kind in ("rule", "step") for line in rules[kind]
        for on in line["on"][1] if not on.startswith("rule:")}

    for line in rules["nudge"]:
        need("missing" in line and "after" in line, "missing= and after=")
        # C2: a name that is both step and rule is refused
        need((line["missing"] in steps) != (line["missing"] in names),
             f"missing={line['missing']}")
        need(all(on.startswith("rule:") and on[5:] in names
                 for on in line.get("on", (0, []))[1])
             and len(line.get("on", (0, [0]))[1]) == 1, "one rule")

    for line in rules["goal"]:
        need({"metric", "target", "every"} <= line.keys()
             and line["every"] != "ever", "metric=, target= and every=")

    for line in rules["item"]:
        need("price" in line, "price=")


def check_edit(old, new):
    """A13: under the same name a cap keeps per=, every= and its unit."""
    for was in old["cap"]:
        for now in new["cap"]:
            if was["name"] == now["name"]:
                shape = [(c["per"], c.get("every", "ever"),
                          c["amount"][1] if "amount" in c else None)
                         for c in (was, now)]
                need(shape[0] == shape[1], f"cap {was['name']} changes")
