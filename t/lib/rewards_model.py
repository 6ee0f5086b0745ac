"""The slow plain model of rewards: what is decided of a stream of facts.

Orders, sums, counts and conditions are computed anew from all facts up to the
present one; kept are only what history fixes: rewards granted, denied, and the
entries.  Times are milliseconds, amounts integers of the smallest part.
What the model does not cover raises NotModelled: it never guesses.
"""

import calendar
import datetime
import hashlib
import hmac

from rewards_grammar import DAY, Mistake, NotModelled, check_edit, parse
from rewards_fraud import Fraud
from rewards_notices import Notices, between, num, through

ACCOUNTS = ("pending", "available", "reserved", "spent", "expired",
            "cancelled", "written_off")
MOST = 2 ** 63 - 1
NO_EVENTS = {"rules", "tick", "reserve", "commit", "release", "adjust",
             "payout", "paid", "failed", "forget",
             "skip", "choose", "approve", "reject"}
RESERVE_LIFE = 30 * 60000


def needs(line):
    """The rules of on=rule:."""
    return [on[5:] for on in line["on"][1] if on.startswith("rule:")]


def milestone(line):
    """B11; what is given for each order or event goes with it."""
    return bool(needs(line)) and line.get("each") not in ("order", "event")


def in_order(rules):
    """B20: the names of rules as in the text, on=rule:X after X."""
    left = list(dict.fromkeys(line["name"] for line in rules["rule"]))
    done = []
    while left:
        done.append(next(
            name for name in left
            if all(need in done for line in rules["rule"]
                   if line["name"] == name for need in needs(line))))
        left.remove(done[-1])
    return done


def listed(text, said):
    not_, texts = said
    return (text in texts) != bool(not_)


def uncovered(rules):
    """The first thing in a text that this model does not cover, or None."""
    for line in rules["rule"] + rules["contest"]:
        if line.get("pay", "credit") != "credit":
            return "pay="
    return None


class Model(Fraud, Notices):
    def __init__(self, program="shop"):
        super().__init__()
        self.program = program
        self.facts = []
        self.n = 0              # the position, as soon as there is a fact
        self.entries = []
        self.rewards = {}       # id -> reward, in the order of first grants
        self.ordinals = {}      # (counter, friend or order) -> its ordinal, B9
        self.closed = {}        # friend -> position of a closed account
        self.granted = {}       # unit -> all that ever was
        self.forgotten = set()  # owners
        self.reserves = {}      # token -> what is reserved
        self.versions = []      # (version, rules)
        self.zone = []
        self.lapses = None      # ms after which a new binding does
        self.flags = []         # (position, word)
        self.early = False      # the first rules are known before their fact

    def id(self, said):
        """A6: an id comes from what the reward is for, never from a number of
        the stream; another program has other ids."""
        return hashlib.sha256(
            f"{self.program}:{said}".encode()).hexdigest()[:16]

    # ---- the stream

    def take(self, fact):
        """Takes the next fact; the entries that it makes are returned."""
        first = len(self.entries)
        self.n = len(self.facts) + 1
        self.i = 0
        self.now = int(fact["time"])
        self.due(self.now)
        # the day of an event stays that of the zone that held
        self.facts.append(dict(
            fact, n=self.n, bound_for=self.lapses,
            offset=self.offset(int(fact.get("at", fact["time"])))))
        self.moment = self.now

        kind = fact["type"]
        if kind not in NO_EVENTS:
            self.event(self.facts[-1])
        elif kind in ("release", "failed"):
            res = self.reserves.get(fact["token"])
            if res and res["payout"] == (kind == "failed"):
                self.release(fact["token"], "cancel" if kind == "release"
                             else "failed")
            else:
                self.flags.append((self.n, "refused"))
        elif kind not in ("tick", "skip"):
            getattr(self, "take_" + kind)(fact)

        self.fill_debts()
        return self.entries[first:]

    def take_rules(self, fact):
        if self.early:
            self.early = False
            return
        try:
            rules = parse(fact.get("text", ""))
            if self.versions:
                check_edit(self.versions[-1][1], rules)
        except Mistake:     # program rule 13: the old version holds
            self.flags.append((self.n, "refused"))
            if self.facts:
                self.facts[-1]["type"] = "skip"
            return
        word = uncovered(rules)
        if word:
            raise NotModelled(word)
        rules["time"] = int(fact["time"])
        rules["seed"] = bytes.fromhex(fact.get("seed", ""))
        self.versions.append((fact["version"], rules))
        # A10: the zone is in the fact; later facts replace it
        self.lapses = int(fact["window"]) * 1000 \
            if fact.get("bind") == "window" else None
        self.zone = sorted(tuple(map(int, pair.split(":"))) for pair
                           in fact.get("transitions", "").split(",") if pair)

    # ---- B1: all that is due at or before the fact, each as of its own time

    def due(self, until):
        while True:
            ripe = []
            for r in self.rewards.values():
                # C10: an open prize is pending; at its end the first is taken
                if r["open"] is not None and r["sums"]["pending"] > 0:
                    ripe.append((r["open"], 0, r["id"]))
                elif r["due"] is not None and r["sums"]["pending"] > 0 \
                        and through(r) not in self.reviews:
                    ripe.append((r["due"], 1, r["id"]))
                if r["expires"] is not None and r["sums"]["available"] > 0:
                    ripe.append((r["expires"], 3, r["id"]))
            for token, res in self.reserves.items():
                if res["open"] and not res["payout"]:
                    ripe.append((res["ends"], 2, token))
            contests = self.running()
            ripe += [(contests[key][0], 5, key) for key in contests]
            ripe += [(when, 4, key) for when, key in self.nudges()]
            ripe += [(when, 6, key) for when, key in self.goal_ends()]
            ripe += [(mine["deadline"], -1, friend) for friend, mine
                     in self.reviews.items() if mine["deadline"] is not None]
            ripe = [one for one in ripe if one[0] <= until]
            if not ripe:
                return
            self.moment, order, name = min(ripe)
            if order == 0:
                self.choose(self.rewards[name], 0)
            elif order == 1:
                self.ripen(self.rewards[name])
            elif order == 2:
                self.release(name, "ended")
            elif order == -1:
                self.review_end(name)
            elif order == 4:
                self.nudge(*name)
            elif order == 6:
                self.goal_end(*name)
            elif order == 5:
                self.close_contest(*name, *contests[name][1:])
            else:
                r = self.rewards[name]
                self.move(r, "available", "expired", r["sums"]["available"],
                          "expired")
            self.fill_debts()

    def take_choose(self, fact):
        r = self.rewards.get(fact["reward"])
        names = r["line"]["give"][1] if r else []
        if r is None or r["open"] is None or fact["prize"] not in names:
            self.flags.append((self.n, "refused"))
            return
        self.choose(r, names.index(fact["prize"]))

    def choose(self, r, k):
        r["prize"], r["open"] = r["line"]["give"][1][k], None
        if r["due"] is not None:
            r["due"] = max(r["due"], self.moment)
        self.ripen_if(r)

    def ripen_if(self, r):
        """What waits for an event of the friend has no due moment."""
        if not r["sums"]["pending"] or r["open"] is not None \
                or through(r) in self.reviews:
            return
        hold = r["line"].get("hold", 0)
        if isinstance(hold, tuple):
            if not self.had(through(r), hold[1]):
                return
        elif r["due"] > self.moment:
            return
        self.ripen(r)

    def had(self, friend, kind):
        return any(f["type"] == kind and self.stands(f) and not self.again(f)
                   for f in self.events(friend))

    def ripen(self, r):
        r["due"] = None
        if milestone(r["asked"]) and "hold" in r["line"] \
                and not self.reached(r):
            for other in self.rewards.values():     # B11: both sides
                if other["rule"] == r["rule"] and \
                        other["event"] is r["event"] and \
                        other["sums"]["pending"]:
                    other["due"], other["down"] = None, True
                    self.move(other, "pending", "cancelled",
                              other["sums"]["pending"], "missed")
            return
        if r["life"] is not None and r["expires"] is None:
            r["expires"] = self.moment + r["life"]
        self.move(r, "pending", "available", r["sums"]["pending"], "ripe")
        # B14: all unexpired slide=yes of this owner and unit get its end
        if r["slide"] and r["expires"] is not None:
            for other in self.rewards.values():
                if other["slide"] and other["expires"] is not None \
                        and (other["owner"], other["unit"]) == \
                            (r["owner"], r["unit"]) \
                        and self.moment < other["expires"] < r["expires"]:
                    other["expires"] = r["expires"]

    def move(self, r, source, target, amount, why):
        """One entry; source "budget" grants."""
        if amount == 0:
            return
        assert amount > 0
        if source != "budget":
            r["sums"][source] -= amount
        else:
            self.granted[r["unit"]] = self.granted.get(r["unit"], 0) + amount
        r["sums"][target] += amount
        self.entries.append({
            "id": f"{self.n}-{self.i}", "reward": r["id"], "owner": r["owner"],
            "unit": r["unit"], "from": source, "to": target, "amount": amount,
            "rule": r["rule"], "version": r["version"], "at": self.moment,
            "due": r["due"], "expires": r["expires"], "why": why})
        self.i += 1

    def fill_debts(self):
        """B2: a reward above 0 takes over what one below 0 has spent."""
        self.sweep()
        # with debt:no it is a loss, which comes back with what comes back
        for r in self.rewards.values():
            have, lost = r["sums"]["available"], -r["sums"]["written_off"]
            if have < 0 and r["rules"]["set"].get("debt") == "no":
                self.move(r, "written_off", "available", -have, "written_off")
            elif have > 0 and lost:
                self.move(r, "available", "written_off", min(have, lost),
                          "recovered")
        while True:
            low = [r for r in self.rewards.values()
                   if r["sums"]["available"] < 0]
            for debt in low:
                fill = [r for r in self.rewards.values()
                        if r["sums"]["available"] > 0
                        and (r["owner"], r["unit"]) ==
                            (debt["owner"], debt["unit"])]
                if fill:
                    r = min(fill, key=self.soonest)
                    amount = min(r["sums"]["available"],
                                 -debt["sums"]["available"])
                    # spent there, or reserved there (B8), comes here
                    source = "spent" if debt["sums"]["spent"] else "reserved"
                    amount = min(amount, debt["sums"][source])
                    self.move(r, "available", source, amount, "debt")
                    self.move(debt, source, "available", amount, "debt")
                    if source == "reserved":
                        self.hand_over(debt["id"], r["id"], amount)
                    break
            else:
                return

    def hand_over(self, old, new, left):
        """So much of what the open reserves, the oldest first, have of one
        reward is of another now."""
        for res in self.reserves.values():
            if not res["open"]:
                continue
            for k, (name, part) in enumerate(res["parts"]):
                took = min(part, left) if name == old else 0
                if took:
                    res["parts"][k] = old, part - took
                    res["parts"].append((new, took))
                    left -= took
        assert left == 0

    def soonest(self, r):
        end = r["expires"]
        return (end is None, end or 0, r["id"])

    # ---- what the facts say, computed anew

    def events(self, friend=None):
        return [f for f in self.facts if f["type"] not in NO_EVENTS
                and (friend is None or f.get("friend") == friend)]

    def order(self, name):
        """The order as it is now: (total, rest, unit), or None."""
        mine = [f for f in self.events() if f.get("order") == name and name]
        sale = next((f for f in mine if f["type"] not in
                     ("refund", "update", "cancel")
                     and num(f, "amount") is not None), None)
        if sale is None:
            return None
        # B16: of several updates the latest at holds
        ups = [f for f in mine if f["type"] == "update"]
        total = num(max(ups, key=lambda f: (int(f["at"]), f["n"])), "amount") \
            if ups else num(sale, "amount")
        back = [f for f in mine if f["type"] == "refund"]
        parts = sum(num(f, "amount") or 0 for f in back
                    if num(f, "refunded") is None)
        refunded = max([parts] + [num(f, "refunded") or 0 for f in back])
        # A12: what is above the order is clamped
        rest = max(0, total - refunded)
        if any(f["type"] == "cancel" for f in mine):
            rest = 0
        return total, rest, sale["unit"]

    def rest(self, e):
        """What an event is worth now, or None if it says no amount."""
        if e.get("order"):
            now = self.order(e["order"])
            if now is not None:
                return now[1]
        return num(e, "amount")

    def stands(self, e):
        """B3: not what was refunded in full or cancelled."""
        if e.get("order"):
            if any(f["type"] == "cancel" and f.get("order") == e["order"]
                   for f in self.facts):
                return False
            now = self.order(e["order"])
            return now is None or now[1] > 0 or now[0] == 0
        return True

    def again(self, e):
        """B17: the same type and order under another id changes nothing."""
        return bool(e.get("order")) and any(
            f["type"] == e["type"] and f.get("order") == e["order"]
            and f["n"] < e["n"] for f in self.facts)

    def binding(self, friend):
        return next((f for f in self.events(friend) if f.get("referrer")),
                    None)

    def digest(self, referrer):
        """A6: what the first event says of them, for good: streams of a former
        version say nothing, and then it is the number."""
        return next(f.get("referrer_who") for f in self.facts
                    if f.get("referrer") == referrer) or referrer

    def eligible(self, friend, line=None, by=None):
        """known=yes is for known customers, all else for the others."""
        bound = self.binding(friend)
        if bound is None or friend in self.rejected:
            return False
        # program rule 1: a binding may lapse
        if by and bound["bound_for"] is not None and \
                int(by["at"]) - int(bound["at"]) > bound["bound_for"]:
            return False
        mine = self.events(friend)
        if any(f.get("self") == "1" for f in mine) and \
                self.action("self") == "reject":
            return False
        return self.known(friend) == ((line or {}).get("known") == "yes")

    def known(self, friend):
        """A5: a lead or an event with an amount that happened before it."""
        bound = self.binding(friend)
        mine = self.events(friend)
        return any(f.get("known") == "1" for f in mine) or any(
            int(f["at"]) < int(bound["at"]) and f["n"] < bound["n"]
            and (f["type"] == "lead" or num(f, "amount") is not None)
            for f in (mine if bound else ()))

    # ---- the calendar of the program

    def offset(self, ms):
        minutes = self.zone[0][1] if self.zone else 0
        for start, value in self.zone:
            if start <= ms:
                minutes = value
        return minutes * 60000

    def local(self, ms, offset=None):
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(
            milliseconds=ms + (self.offset(ms) if offset is None else offset))

    def period(self, every, ms, offset=None):
        day = self.local(ms, offset).date()
        if every == "week":     # B24: weeks begin on Monday
            day -= datetime.timedelta(days=day.weekday())
        return {"ever": "", "year": f"{day:%Y}", "month": f"{day:%Y-%m}",
                "week": str(day), "day": str(day)}[every]

    def period_of(self, every, r):
        """That of a reward is judged by the offset that held at its grant: a
        newer zone never moves it into another one."""
        return self.period(every, r["period"], r["offset"])

    def dated(self, line, ms):
        return between(line, self.local(ms))

    def months_after(self, ms, months):
        local = self.local(ms)
        month = local.month - 1 + months
        year, month = local.year + month // 12, month % 12 + 1
        day = min(local.day, calendar.monthrange(year, month)[1])
        wall = local.replace(year=year, month=month, day=day)
        utc = (wall - datetime.datetime(1970, 1, 1)) // \
            datetime.timedelta(milliseconds=1)
        return utc - self.offset(utc - self.offset(utc))

    # ---- one line asked of one event

    def since(self, line, e):
        # B19: the sign-up is the at of the first attributed event
        return self.since_of(line.get("since", "lead"), e["friend"])[0]

    def since_of(self, what, friend):
        """The moment, and when it came to be known; None: not yet."""
        bound = self.binding(friend)
        if what == "lead":
            return int(bound["at"]), int(bound["time"])
        if what == "click":
            return num(bound, "click_at"), int(bound["time"])
        return min(((int(f["at"]), int(f["time"]))
                    for f in self.events(friend) if f["type"] == what),
                   default=(None, None))

    def clock(self, line, e):
        what = line.get("clock", "event")
        if what == "lead":
            return int(self.binding(e["friend"])["at"])
        return (what == "order" and num(e, "order_at")) or int(e["at"])

    def kinds(self, line, e):
        """The words of on= that this event is."""
        return {on for on in line["on"][1] if on == e["type"]
                or on.startswith("rule:")
                and self.has_rule(on[5:], e["friend"], e)}

    def has_rule(self, name, friend, e=None):
        """Has the friend reached the rule, by this event?  B10: paid or
        denied, but what was reversed is not reached."""
        return any(r["rule"] == name and through(r) == friend
                   and (e is None or r["event"]["n"] == e["n"])
                   and self.upheld(r) for r in self.rewards.values())

    def upheld(self, r):
        return not r["down"] and self.still(r["asked"], r["event"]) and \
            self.eligible(through(r), r["asked"], r["event"])

    def still(self, line, e):
        """B3, B11, B12: does that stand by which e had qualified?"""
        friend = e["friend"]
        if needs(line):
            return self.has_rule(needs(line)[0], friend,
                                 None if milestone(line) else e)
        if not self.stands(e):
            # of steps and sums, others may carry it still
            if "sum" not in line and line["on"][0] != "all":
                return False
        if "min" in line and (self.rest(e) or 0) < line["min"][0] \
                and "sum" not in line:
            return False
        same = [f for f in self.events(friend)
                if self.fits(line, f) and self.stands(f)]
        if line["on"][0] == "all" and not self.complete(line, same):
            return False
        return "sum" not in line or self.total(same) >= line["sum"][0]

    def complete(self, line, events):
        return set().union(*(self.kinds(line, f) for f in events)) == \
            set(line["on"][1])

    def fits(self, line, e):
        """The conditions that concern the event alone."""
        if not self.kinds(line, e) or self.again(e):
            return False
        bound = self.binding(e["friend"])
        place = e if line.get("place") == "event" else bound
        said = {
            "role": e.get("role", ""), "code": bound.get("code", ""),
            "segment": e.get("referrer_segment", ""),
            "friend": next((f["segment"] for f in
                            reversed(self.events(e["friend"]))
                            if f.get("segment")), ""),
            "country": place.get("place") or place.get("country", ""),
            "city": place.get("city", ""),
            "region": place.get("region", ""),
            "channel": bound.get("channel", ""),
            "variant": bound.get("variant", ""),
        }
        if "tier" in line:
            said["tier"] = self.tier(e)
        for key, text in said.items():
            if key in line and not listed(text, line[key]):
                return False
        for key in line:
            if key.startswith("x."):
                pairs = dict(p.partition("=")[::2] for p
                             in e.get("x", "").split("&"))
                if not listed(pairs.get(key[2:], ""), line[key]):
                    return False
        if "product" in line:
            has = set(e.get("product", "").split(","))
            if bool(has & set(line["product"][1])) == line["product"][0]:
                return False
        if "party" in line:
            numbers = {"referrer": bound["referrer"], "friend": e["friend"]}
            takes_part = any(numbers[who] in e.get("parties", "").split(",")
                             for who in line["party"][1])
            if takes_part == line["party"][0]:
                return False
        if not self.dated(line, self.clock(line, e)):
            return False
        start = self.since(line, e) if "since" in line else 0
        if start is None:
            return False
        if "within" in line and int(e["at"]) > start + line["within"]:
            return False
        if "months" in line and \
                int(e["at"]) > self.months_after(start, line["months"]):
            return False
        # A1: only these compare units
        rest = self.rest(e)
        for key, ok in (("min", lambda a, b: a >= b),
                        ("max", lambda a, b: a <= b)):
            if key in line and (rest is None or e["unit"] != line[key][1]
                                or not ok(rest, line[key][0])):
                return False
        if "sum" in line and (rest is None or e["unit"] != line["sum"][1]):
            return False
        if line["give"][0] == "percent" and rest is None:
            return False
        return True

    def holds(self, line, e):
        """The whole line, with what it counts, at this moment."""
        if not self.fits(line, e) or not self.stands(e):
            return False
        # B3: what stands at this moment
        same = [f for f in self.events(e["friend"])
                if self.fits(line, f) and self.stands(f)]
        if line["on"][0] == "all" and not self.complete(line, same):
            return False
        if "nth" in line and \
                len([f for f in same if f["n"] <= e["n"]]) != line["nth"]:
            return False
        if "sum" in line:
            return self.total(same) >= line["sum"][0]
        return True

    def total(self, events):
        worth = {}
        for f in events:
            worth[f.get("order") or f["n"]] = self.rest(f)
        return sum(worth.values())

    # ---- grants

    def event(self, e):
        friend = e.get("friend") or next(
            (f["friend"] for f in self.facts if f.get("order")
             and f.get("order") == e.get("order") and f.get("friend")), "")
        if e.get("friend"):
            self.look(friend)
        self.decide(e, friend)
        self.reach(friend)
        self.reach_goals()

    def decide(self, e, friend):
        if e["type"] == "cancel" and not e.get("order"):
            self.close(e)
            return
        if e["type"] in ("refund", "update", "cancel"):
            if e["type"] == "refund":
                self.flag_above(e)
            self.restore(e)
        if not friend:
            return
        if e["type"] not in ("refund", "update", "cancel"):
            self.flags += [(e["n"], "order_again")] * self.again(e)

        asked = [e]
        bound = self.binding(friend)
        if bound is e:          # parked events are folded in, oldest first
            asked = self.events(friend)
        elif e["type"] == "update":     # B16
            asked = [f for f in self.events(friend)
                     if f.get("order") == e["order"]]
        self.ask_again(friend)
        for r in self.rewards.values():     # hold=until:, before new ones
            if through(r) == friend:
                self.ripen_if(r)
        if bound is not None:
            self.ask(friend, [f for f in asked if f["type"] not in
                              ("refund", "update", "cancel")])

    def flag_above(self, e):
        now = self.order(e["order"])
        if now is None:
            return
        back = [f for f in self.events() if f.get("order") == e["order"]
                and f["type"] == "refund"]
        parts = sum(num(f, "amount") or 0 for f in back
                    if num(f, "refunded") is None)
        if max([parts] + [num(f, "refunded") or 0 for f in back]) > now[0]:
            self.flags.append((e["n"], "refund_above_order"))

    def terms(self, friend):
        """Program rule 12: of the friend's first event, or the newest."""
        if self.versions[-1][1]["set"].get("terms") == "event":
            return self.versions[-1]
        first = self.binding(friend)["n"]
        before = [v for v in self.facts if v["type"] == "rules"
                  and v["n"] < first]
        return self.versions[max(0, len(before) - 1)]

    def ask(self, friend, events):
        state = events[-1] if events else {}
        if not self.versions:
            return
        version, rules = self.terms(friend)
        # B20: the referrer's side before the friend's is in grant()
        for name in in_order(rules):
            for e in events:
                for line in rules["rule"]:
                    if line["name"] == name \
                            and self.eligible(friend, line, e) \
                            and self.holds(line, e) \
                            and self.numbered(line, e):
                        self.grant(version, rules, line, e, state)
                        break

    def numbered(self, line, e):
        """B9, B10: the ordinal, given once, paid or denied."""
        key = e["friend"]
        if line.get("each") == "order":
            key = "order " + e.get("order", "")
        counter = (self.binding(e["friend"])["referrer"],
                   line.get("count", line["name"]))
        mine = self.ordinals.setdefault(counter, {})
        if key not in mine:
            mine[key] = 1 + self.counted(counter), line, e
        elif not self.counts(*mine[key][1:]):
            mine[key] = mine[key][0], line, e   # returned by another event
        low, high = line.get("friends", (1, None))
        return low <= mine[key][0] and (high is None or mine[key][0] <= high)

    def counted(self, counter):
        return sum(self.counts(line, e) for _, line, e
                   in self.ordinals.get(counter, {}).values())

    def counts(self, line, e):
        """B3, B10: does who qualified by this event stand?"""
        return self.eligible(e["friend"], line, e) and self.still(line, e) and \
            self.closed.get(e["friend"], 0) < e["n"]

    def reached(self, r):
        """B11: at the end of a milestone's hold."""
        line = r["asked"]
        if "friends" not in line and line.get("each") != "referrer":
            return self.still(line, r["event"])
        counter = r["referrer"], line.get("count", line["name"])
        return self.counted(counter) >= line.get("friends", (1, None))[0]

    def grant(self, version, rules, line, e, state):
        bound = self.binding(e["friend"])
        # A6: by the digest of the customer, not by the number
        who = "friend " + (bound.get("who") or e["friend"])
        each = {"order": "order " + e.get("order", ""),
                "event": "event " + e["event"], "friend": who,
                "referrer": "referrer " + self.digest(bound["referrer"])}[
                    line.get("each", "friend")]
        if line.get("each") == "order" and not e.get("order"):
            return
        for side in ("referrer", "friend"):
            if line["to"] not in (side, "both"):
                continue
            name = self.id(f"{line['name']}:{side}:{each}")
            if line.get("each") == "referrer" and side == "friend":
                # B21: of each friend its own, and one of them at a time
                name = self.id(f"{line['name']}:{side}:{each} {who}")
                mine = [r for r in self.rewards.values()
                        if (r["rule"], r["side"], r["each"]) ==
                        (line["name"], side, each)]
                if any(not r["down"] for r in mine):
                    continue
                if mine and name not in self.rewards:
                    self.rewards[name] = dict(
                        mine[0], id=name, owner=e["friend"],
                        friend=e["friend"], due=None, expires=None, open=None,
                        prize=None, sums=dict.fromkeys(ACCOUNTS, 0))
            old = self.rewards.get(name)
            if old is not None:
                self.come_back(old, line, e)
                continue
            if line["give"][0] == "flat":
                unit = line["give"][1][1]
            elif line["give"][0] == "draw":
                unit = line["give"][1][0][1]
            elif line["give"][0] == "prize":
                unit = "prize"
            else:
                unit = e["unit"]
            r = self.fresh(
                name, line, unit, side=side, friend=e["friend"],
                owner=bound["referrer"] if side == "referrer"
                else e["friend"], referrer=bound["referrer"],
                version=version, rules=rules, event=e, each=each,
                period=self.clock(line, e))
            r["rate"] = self.boost(rules, r, e)
            # A14: paused, deactivated: denied for good
            if state.get("program_state", "active") != "active" or \
                    bound is not None and side == "referrer" and \
                    state.get("referrer_state", "active") \
                    not in ("active", "absent"):
                r["denied"] = "state"
                continue
            if line["give"][0] == "percent" and unit not in rules["units"]:
                r["denied"] = "unit"
                continue
            self.start(r)

    def fresh(self, name, line, unit, **more):
        """A reward of which nothing is granted yet, known from now on."""
        r = {"id": name, "rule": line["name"], "line": line, "asked": line,
             "unit": unit, "side": "referrer", "friend": "", "event": {},
             "each": "", "rate": (1000, 1000), "first": 0, "clipped": False,
             "sums": dict.fromkeys(ACCOUNTS, 0), "due": None, "expires": None,
             "life": line.get("life"), "slide": line.get("slide") == "yes",
             "open": None, "prize": None, "denied": None, "down": False,
             "since": self.n, "born": self.moment, "period": self.moment,
             **more}
        r["offset"] = self.offset(r["period"])
        self.rewards[name] = r
        return r

    def start(self, r):
        amount = self.capped(r, self.target(r), True)
        if amount == 0 and self.target(r) > 0:
            r["denied"] = "cap"
        r["first"], r["clipped"] = amount, amount < self.target(r)
        self.pay(r, amount, r["event"], "granted")

    def pay(self, r, amount, e, why, source="budget"):
        if amount == 0:
            return
        hold = r["line"].get("hold", 0)
        if isinstance(hold, tuple):
            r["due"] = None
        else:
            # B7: a hold ends at its time or at arrival, the later
            at = int(e.get("at", self.moment))
            r["due"] = max(at + hold, self.moment) if hold else self.moment
        if r["line"]["give"][0] == "prize":
            names = r["line"]["give"][1]
            if r["prize"] is None and len(names) > 1:   # B6: from this fact
                r["open"] = self.moment + r["line"].get("choose", 0)
            else:
                r["prize"] = r["prize"] or names[0]
        self.move(r, source, "pending", amount, why)
        self.ripen_if(r)

    def boost(self, rules, r, e):
        rates = []
        for b in rules["boost"]:
            if "rule" in b and not listed(r["rule"], b["rule"]):
                continue
            if b.get("to", "both") not in ("both", r["side"]):
                continue
            if "segment" in b and not listed(e.get("referrer_segment", ""),
                                             b["segment"]):
                continue
            if "tier" in b and not listed(self.tier(e), b["tier"]):
                continue
            if self.dated(b, self.clock(b, e)):
                rates.append(b.get("x", 1000))
        if rules["set"].get("boosts", "max") == "multiply":
            # one product, floored with the amount: kept as a fraction
            top, bottom = 1, 1
            for rate in rates:
                top, bottom = top * rate, bottom * 1000
            return top, bottom
        return max(rates, default=1000), 1000

    def target(self, r):
        """What the reward is by its own frozen line, of what is left."""
        kind, said = r["line"]["give"]
        top, bottom = r["rate"]
        if kind == "percent":
            amount = (self.rest(r["event"]) or 0) * said * top // (
                10000 * bottom)
        elif kind == "prize":
            return 1
        elif kind == "draw":
            amount = said[self.drawn(r)][0] * top // bottom
        else:
            amount = said[0] * top // bottom
        upto = r["line"].get("upto")
        if upto and upto[1] == r["unit"]:
            amount = min(amount, upto[0])
        return min(amount, MOST)

    @staticmethod
    def drawn(r):
        """B24: HMAC-SHA256 of the 16 letters of the reward's id, its key the
        16 bytes of the seed; of it the first 8 bytes, the highest first,
        modulo the sum of the weights, fall into one of the choices."""
        said = r["line"]["give"][1]
        digest = hmac.new(r["rules"]["seed"], r["id"].encode(),
                          hashlib.sha256).digest()
        left = int.from_bytes(digest[:8], "big") % sum(w for _, _, w in said)
        for k, (_, _, weight) in enumerate(said):
            left -= weight
            if left < 0:
                return k
        raise AssertionError

    def capped(self, r, amount, new):
        """How much of it every cap leaves, 0 if denied; no sum is larger than
        all that was granted of the unit."""
        if self.granted.get(r["unit"], 0) + amount > MOST:
            return 0
        if r["owner"] in self.forgotten:
            return 0
        name = r["line"].get("cap")
        if name is None:
            return amount
        cap = next(c for c in r["rules"]["cap"] if c["name"] == name)
        if cap["per"] == "friend" and not r["friend"]:
            return amount       # the prize of a contest has no friend
        # a cap per=referrer does not bind the friend's side
        if cap["per"] == "referrer" and r["side"] == "friend":
            return amount
        if "amount" in cap and cap["amount"][1] != r["unit"]:
            return amount
        left = self.left(cap, r)
        if "count" in cap:
            # what has its place keeps it when it rises
            return amount if left > 0 or not new and net(r) > 0 else 0
        if amount <= left:
            return amount
        return max(0, left) if r["line"].get("over", "deny") == "clip" else 0

    def left(self, cap, r):
        """Program rule 8, A13: granted - cancelled of the period."""
        used = 0
        for o in self.rewards.values():
            if o is r and "count" in cap:
                continue
            if o["line"].get("cap") != cap["name"] or \
                    cap["per"] == "referrer" and o["side"] == "friend" or \
                    cap["per"] != "program" and \
                    o[cap["per"]] != r[cap["per"]] or \
                    self.period_of(cap.get("every", "ever"), o) != \
                    self.period_of(cap.get("every", "ever"), r):
                continue
            kept = net(o)
            if "count" in cap:
                used += kept > 0
            elif o["unit"] == cap["amount"][1]:
                used += kept
        return (cap["count"] if "count" in cap else cap["amount"][0]) - used

    # ---- reversal and return

    def ask_again(self, friend):
        for r in list(self.rewards.values()):
            if through(r) != friend or r["denied"] or r["down"] \
                    or milestone(r["asked"]):
                continue
            want, have = self.standing(r), net(r)
            # what already expired stays so and counts as kept, B8
            if want < have:
                r["down"] = want == 0
                self.reverse(r, have - want)
            elif want > have and r["line"]["give"][0] == "percent":
                more = self.capped(r, want - have, False)
                # rule 8: what the cap cuts is not paid later
                if more < want - have:
                    r["clipped"], r["first"] = True, have + more
                again = min(more, r["sums"]["cancelled"])
                self.pay(r, again, r["event"], "raised", "cancelled")
                self.pay(r, more - again, r["event"], "raised")

    def standing(self, r):
        """Of the amount first granted, what the order and line still carry."""
        line, e = r["asked"], r["event"]
        undo = r["line"].get("undo", "full")
        if undo == "keep":
            return net(r)
        if r["line"]["give"][0] == "percent":
            # what was clipped never rises above what was granted
            return min(r["first"], self.target(r)) if r["clipped"] \
                else self.target(r)
        if not self.stands(e) and not needs(line) and \
                "sum" not in line and line["on"][0] != "all":
            return 0
        if undo == "share" and e.get("order"):
            if self.order(e["order"]) is None:
                return r["first"] if self.still(line, e) else 0
            total, rest, _ = self.order(e["order"])
            return r["first"] * rest // total if total else 0
        return net(r) if self.still(line, e) else 0

    def reverse(self, r, amount):
        """Program rule 6, B8."""
        for source in ("pending", "available"):
            part = min(amount, max(0, r["sums"][source]))
            self.move(r, source, "cancelled", part, "reversed")
            amount -= part
        # what has expired stays so; what is a debt already is not taken again
        part = min(amount, r["sums"]["spent"] + r["sums"]["reserved"]
                   + min(0, r["sums"]["available"])
                   + r["sums"]["written_off"])
        self.move(r, "available", "cancelled", part, "reversed")

    def come_back(self, r, line, e):
        """Program rule 9, B4: the first amount, in its first period."""
        if r["denied"] or not r["down"]:
            if not self.still(r["asked"], r["event"]) and (
                    r["denied"] or r["line"].get("undo") == "keep"):
                r["event"], r["asked"], r["since"] = e, line, self.n
                self.ripen_if(r)
            return
        if r["line"]["give"][0] == "percent" and \
                (e.get("unit") != r["unit"] or self.rest(e) is None):
            return
        # amount, cap, hold and life are the first line's, what has to stand
        # is what the line says that it came back by
        r["event"], r["asked"], r["down"] = e, line, False
        r["since"] = self.n
        want = self.target(r) if line["give"][0] == "percent" else r["first"]
        amount = self.capped(r, max(0, want - net(r)), True)
        if amount == 0 and want > net(r):
            r["denied"] = "cap"
            return
        r["expires"] = None     # hold and life run anew
        again = min(amount, r["sums"]["cancelled"])
        self.pay(r, again, e, "again", "cancelled")
        self.pay(r, amount - again, e, "again")

    def close(self, e):
        """C4: the friend's account is closed."""
        bound = self.binding(e.get("friend"))
        if bound is None or not self.versions:
            return
        within = self.versions[-1][1]["set"].get("refunds", 400 * DAY)
        if int(e["at"]) > int(bound["at"]) + within:
            return
        self.closed[e["friend"]] = e["n"]
        for r in self.rewards.values():
            if through(r) == e["friend"] and not r["denied"] \
                    and r["line"].get("undo") != "keep" \
                    and not milestone(r["asked"]):
                r["down"] = True
                self.reverse(r, net(r))

    # ---- redemption

    def usable(self, owner, unit, order_amount):
        for r in sorted(self.rewards.values(), key=self.soonest):
            if r["owner"] != owner or r["unit"] != unit or \
                    r["sums"]["available"] <= 0:
                continue
            least = r["line"].get("use_min")
            # C5: without the order's amount it is not used
            if least and (order_amount is None or least[1] != unit
                          or order_amount < least[0]):
                continue
            yield r

    def take_forget(self, fact):
        """A16: what is available is cancelled, also what comes to be."""
        if fact["owner"] in self.forgotten:
            self.flags.append((self.n, "refused"))
            return
        self.forgotten.add(fact["owner"])
        for r in self.rewards.values():
            if r["owner"] == fact["owner"] and r["sums"]["available"] > 0:
                self.move(r, "available", "cancelled",
                          r["sums"]["available"], "forgotten")

    def take_payout(self, fact):
        """C6: like a reserve that ends by no time; without an amount of all."""
        self.take_reserve(fact)

    def take_paid(self, fact):
        res = self.reserves.get(fact["token"])
        if res is None or not res["open"] or not res["payout"]:
            self.flags.append((self.n, "refused"))
            return
        res["open"], res["spent"] = False, list(res["parts"])
        for name, part in res["parts"]:
            self.move(self.rewards[name], "reserved", "spent", part, "paid")

    def take_reserve(self, fact):
        want = num(fact, "amount")
        owner, unit = fact["owner"], fact["unit"]
        payout = fact["type"] == "payout"
        every = payout and not fact.get("amount")
        if every:
            want = MOST
        if fact.get("item") and not self.sold(fact["item"], want, unit):
            self.flags.append((self.n, "refused"))
            return
        parts, left = [], want
        for r in self.usable(owner, unit, num(fact, "order_amount")):
            part = r["sums"]["available"]
            if r["line"].get("use") == "once":  # B18: whole or not at all
                if part > left:
                    continue
            part = min(part, left)
            if part:
                parts.append((r["id"], part))
                left -= part
        balance = sum(r["sums"]["available"] for r in self.rewards.values()
                      if (r["owner"], r["unit"]) == (owner, unit))
        if every:
            want, left = want - left, 0
        if left or balance <= 0 or not want or \
                want < (num(fact, "least") or 0):
            self.flags.append((self.n, "refused"))
            return
        for name, part in parts:
            self.move(self.rewards[name], "available", "reserved", part,
                      "payout" if payout else "reserve")
        self.reserves[fact["event"]] = {
            "parts": parts, "open": True, "payout": payout,
            "order": "" if payout else fact.get("order", ""),
            "item": fact.get("item", ""), "price": want,
            "ends": self.now + (num(fact, "ttl") or RESERVE_LIFE)}

    def sold(self, item, amount, unit):
        """C11: for its price, while what was taken and what is reserved
        leaves one."""
        line = next((line for line in self.versions[-1][1]["item"]
                     if line["name"] == item), None) if self.versions else None
        if line is None or line["price"] != (amount, unit):
            return False
        return "stock" not in line or line["stock"] > sum(
            res["item"] == item and (res["open"] or "spent" in res)
            for res in self.reserves.values())

    def take_commit(self, fact):
        res = self.reserves.get(fact["token"])
        left = num(fact, "amount")
        if res is None or not res["open"] or res["payout"] or \
                left > res["price"] or \
                res["item"] and left < res["price"]:
            self.flags.append((self.n, "refused"))
            return
        res["open"], res["spent"] = False, []
        res["order"] = fact.get("order") or res["order"]    # B18
        for name, part in res["parts"]:
            r, took = self.rewards[name], min(part, left)
            self.move(r, "reserved", "spent", took, "commit")
            res["spent"].append((name, took))
            self.move(r, "reserved", "available", part - took, "commit")
            if r["line"].get("use") == "once" and took:     # B18
                self.move(r, "available", "expired", part - took, "once")
            left -= took

    def release(self, token, why):
        res = self.reserves.get(token)
        if res is None or not res["open"]:
            self.flags.append((self.n, "refused"))
            return
        res["open"] = False
        for name, part in res["parts"]:
            self.move(self.rewards[name], "reserved", "available", part, why)

    def restore(self, e):
        """B18: spent on an order that was cancelled comes back."""
        now = self.order(e["order"])
        gone = e["type"] == "cancel" or (now and now[0] and not now[1])
        for res in self.reserves.values():
            if gone and res["order"] == e["order"] and res.get("spent"):
                parts, res["spent"] = res["spent"], []
                for name, part in parts:
                    r = self.rewards[name]
                    part = min(part, r["sums"]["spent"])
                    if r["line"].get("restore") == "yes":
                        self.move(r, "spent", "available", part, "restore")

    def take_adjust(self, fact):
        """C6; the fact's id makes the reward's."""
        name = self.id("adjust:" + fact["event"])
        line = {"name": "adjust", "give": ("flat", (0, fact["unit"])),
                "on": ("any", []), "undo": "keep"}
        if fact.get("cap"):
            line["cap"] = fact["cap"]
        amount = num(fact, "amount")
        if not self.versions or fact.get("cap") and not any(
                cap["name"] == fact["cap"]
                for cap in self.versions[-1][1]["cap"]) or \
                self.granted.get(fact["unit"], 0) + amount > MOST:
            self.flags.append((self.n, "refused"))
            return
        r = self.fresh(name, line, fact["unit"], owner=fact["owner"],
                       referrer=fact["owner"], first=amount,
                       version=self.versions[-1][0],
                       rules=self.versions[-1][1])
        self.move(r, "budget", fact.get("state") or "available", amount,
                  fact.get("reason") or "adjust")

    # ---- what it says

    def balances(self):
        """(owner, unit, account) -> sum, without those that are 0."""
        sums = {}
        for r in self.rewards.values():
            for account, amount in r["sums"].items():
                key = r["owner"], r["unit"], account
                sums[key] = sums.get(key, 0) + amount
        return {key: amount for key, amount in sums.items() if amount}


def net(r):
    """Granted less cancelled."""
    return sum(r["sums"].values()) - r["sums"]["cancelled"]


def run(facts, program="shop"):
    """The model after each fact: yields (entries of the fact, model)."""
    model, facts = Model(program), list(facts)
    # what comes before the first rules is decided on these
    if facts and facts[0]["type"] != "rules":
        first = [f for f in facts if f["type"] == "rules"][:1]
        for fact in first:
            model.take_rules(fact)
            model.early = bool(model.versions)
    for fact in facts:
        yield model.take(fact), model
