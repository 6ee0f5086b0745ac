"""Signals of fraud in the model of rewards: scores, review, reject.

A fact's field "signals" has their names, with commas between; what a friend's
facts have said adds up, each name once.
"""

from rewards_notices import through

REVIEW, REJECT = 50, 120
DEFAULTS = {
    "self": "reject", "same_email": "reject", "same_device": 80,
    "same_payment": 80, "same_address_browser": 40, "same_address": 20,
    "shared_click": 60, "fast_lead": 40, "fast_sale": 40, "lead_flood": 30,
    "address_flood": 30, "hosting": 30, "country": 10, "disposable": 40,
    "coupon_site": 50, "paid_click": 50, "mutual": 40}


class Fraud:
    def __init__(self):
        super().__init__()
        self.reviews = {}       # friend -> deadline, approve, signals
        self.cleared = {}       # friend -> signals that were approved
        self.rejected = set()

    def fraud_line(self, signal):
        """Program rule 12: of the newest rules."""
        for line in self.versions[-1][1]["fraud"] if self.versions else []:
            if signal in line["name"].split(","):
                return line
        return {}

    def action(self, signal):
        """B24: a line replaces what holds for its signals otherwise."""
        return self.fraud_line(signal).get("do", DEFAULTS.get(signal, 0))

    def signals(self, friend):
        mine = self.events(friend)
        found = {name for f in mine for name in f.get("signals", "").split(",")
                 if name in DEFAULTS}
        # one that rejects only ends what the friend may earn, in eligible()
        if any(f.get("self") == "1" for f in mine) and \
                self.action("self") != "reject":
            found.add("self")
        if self.known(friend):
            found.add("known")
        return found - self.cleared.get(friend, set())

    def look(self, friend):
        """At each event of the friend, before it is decided."""
        if friend in self.rejected or not self.versions:
            return
        found = {name for name in self.signals(friend) if self.action(name)}
        acts = [self.action(name) for name in found]
        score = sum(act for act in acts if isinstance(act, int))
        if "reject" in acts or score >= REJECT:
            self.reject(friend, str(score))
        elif "hold" in acts or score >= REVIEW:
            self.review(friend, found, str(score))

    def review(self, friend, found, score):
        old = self.reviews.get(friend)
        if old is not None and found <= old["signals"]:
            return
        # A8: its end is that of the lines, and a line has to say "approve";
        # a new signal begins it anew
        lines = [self.fraud_line(name) for name in found]
        ends = [line["review"] for line in lines if "review" in line]
        self.reviews[friend] = {
            "signals": found, "score": score,
            "deadline": self.moment + max(ends) if ends else None,
            "approve": all(line.get("then") == "approve" for line in lines)}
        if old is None:
            self.say("review", friend, "opened", score)

    def review_end(self, friend):
        if self.reviews[friend]["approve"]:
            self.approve(friend)
            return
        self.reviews[friend]["deadline"] = None
        self.say("review", friend, "reminder", self.reviews[friend]["score"])

    def approve(self, friend):
        """B15, program rule 10: as if never held, but for the moment."""
        score = self.reviews.pop(friend)["score"]
        self.cleared.setdefault(friend, set()).update(self.signals(friend))
        self.say("review", friend, "approved", score)
        for r in self.rewards.values():
            if through(r) == friend:
                self.ripen_if(r)
        self.reach(friend)

    def reject(self, friend, score):
        """B15: ineligible for good, also when a score says so."""
        self.rejected.add(friend)
        self.reviews.pop(friend, None)
        self.say("review", friend, "rejected", score)
        for r in self.rewards.values():
            if through(r) == friend and not r["denied"]:
                r["down"] = True
        self.sweep()
        self.lose(friend)

    def sweep(self):
        """Of a rejected friend nothing is pending or available, also what a
        reserve gives back later."""
        for r in self.rewards.values():
            for account in ("pending", "available"):
                if through(r) in self.rejected and r["sums"][account] > 0:
                    self.move(r, account, "cancelled", r["sums"][account],
                              "rejected")
            if r["owner"] in self.forgotten and r["sums"]["available"] > 0:
                self.move(r, "available", "cancelled", r["sums"]["available"],
                          "forgotten")

    def take_approve(self, fact):
        if fact["friend"] in self.reviews:
            self.approve(fact["friend"])
        else:
            self.flags.append((self.n, "refused"))

    def take_reject(self, fact):
        if fact["friend"] in self.rejected:
            self.flags.append((self.n, "refused"))
        else:
            score = self.reviews.get(fact["friend"], {}).get("score", "")
            self.reject(fact["friend"], score)
