"""What the model of rewards says that moves no money: tiers, badges, contests
(but for their prizes), nudges, goals.

Each is a tuple in "notices": position, moment, kind, who (a referrer's or a
friend's number), name, detail.
"""

import datetime

EPOCH = datetime.datetime(1970, 1, 1)


def num(fact, key):
    return int(fact[key]) if fact.get(key, "") != "" else None


def through(r):
    """The friend by whose event the reward stands; none of an adjust."""
    return r["event"].get("friend", "")


def between(line, local):
    """starts= and ends=, a day or a minute and the whole of it."""
    wall = f"{local:%Y-%m-%dT%H:%M}"
    starts, ends = line.get("starts", ""), line.get("ends", wall)
    return starts <= wall[:len(starts)] and wall[:len(ends)] <= ends


class Notices:
    def __init__(self):
        self.notices = []
        self.tiers = {}         # (referrer, tier, period) -> [[from, to]]
        self.badges = set()     # (referrer, badge, period)
        self.contests = {}      # (contest, period) -> its closed table
        self.nudged = set()     # (friend, nudge)
        self.goals = set()      # (goal, period)

    def say(self, kind, who, name, detail=""):
        self.notices.append((self.n, self.moment, kind, who, name, detail))

    def qualified(self, line):
        """The rewards that a line with of= looks at, with their periods."""
        for r in self.rewards.values():
            if r["rule"] == line["of"] and through(r) and \
                    between(line, self.local(r["period"], r["offset"])):
                yield r, self.period_of(line.get("every", "ever"), r)

    def friends_of(self, line, referrer):
        """Period -> friend -> the position since which the friend counts as
        one who reached the rule: B3, B4, B10, without those in review."""
        found = {}
        for r, period in self.qualified(line):
            friend = through(r)
            if r["referrer"] == referrer and friend not in self.reviews \
                    and self.upheld(r):
                mine = found.setdefault(period, {})
                mine[friend] = min(r["since"], mine.get(friend, r["since"]))
        return found

    # ---- tiers and badges: of the newest rules, kept for their period

    def tier(self, e):
        """The referrer's tier when the event came: of those of its period
        that were reached before, the one that asks for the most friends."""
        referrer, best = self.binding(e["friend"])["referrer"], {}
        for line in self.versions[-1][1]["tier"]:
            key = (referrer, line["name"],
                   self.period(line.get("every", "ever"), int(e["at"])))
            if any(start < e["n"] and (end is None or e["n"] <= end)
                   for start, end in self.tiers.get(key, [])) \
                    and line["friends"] >= best.get("friends", 0):
                best = line
        return best.get("name", "")

    def reach(self, friend):
        """B20: after all rules of a fact."""
        bound = self.binding(friend)
        if bound is None or not self.versions:
            return
        referrer = bound["referrer"]
        for kind in ("tier", "badge"):
            for line in self.versions[-1][1][kind]:
                found = self.friends_of(line, referrer)
                for period in sorted(found):
                    key = referrer, line["name"], period
                    if len(found[period]) < line["friends"]:
                        continue
                    if kind == "badge" and key not in self.badges:
                        self.badges.add(key)
                    elif kind == "tier" and (
                            key not in self.tiers
                            or self.tiers[key][-1][1] is not None):
                        self.tiers.setdefault(key, []).append([self.n, None])
                    else:
                        continue
                    self.say(kind, referrer, line["name"], period)

    def lose(self, friend):
        """Fraud alone takes a tier within its period: those in which a
        rejected friend counted are asked again."""
        referrer = (self.binding(friend) or {}).get("referrer")
        for line in self.versions[-1][1]["tier"] if self.versions else []:
            left = self.friends_of(line, referrer)
            for period in sorted({period for r, period in self.qualified(line)
                                  if through(r) == friend}):
                held = self.tiers.get((referrer, line["name"], period))
                if held and held[-1][1] is None and \
                        len(left.get(period, {})) < line["friends"]:
                    held[-1][1] = self.n
                    self.say("tier_lost", referrer, line["name"], period)

    # ---- contests: C1

    def instant(self, local):
        """The first moment at which the program's zone shows that time."""
        wall = (local - EPOCH) // datetime.timedelta(milliseconds=1)
        zone = self.zone or [(0, 0)]
        for k, (start, minutes) in enumerate(zone):
            when = wall - minutes * 60000
            if k:
                when = max(when, start)
            if k + 1 == len(zone) or when < zone[k + 1][0]:
                return when
        raise AssertionError

    def bounds(self, line, period):
        """The first moment of a line's period, None if there is none, and the
        first behind it."""
        every = line.get("every", "ever")
        first = behind = None
        if every != "ever":
            parts = [int(part) for part in period.split("-")]
            day = datetime.datetime(*(parts + [1, 1])[:3])
            days = {"year": 366, "month": 31, "week": 7, "day": 1}[every]
            after = day + datetime.timedelta(days=days)
            if every in ("year", "month"):
                after = after.replace(day=1)
            if every == "year":
                after = datetime.datetime(day.year + 1, 1, 1)
            first, behind = self.instant(day), self.instant(after)
        if "starts" in line:
            said = self.instant(datetime.datetime.fromisoformat(
                line["starts"]))
            first = said if first is None else max(first, said)
        if "ends" in line:
            whole = {"minutes": 1} if "T" in line["ends"] else {"days": 1}
            said = self.instant(datetime.datetime.fromisoformat(line["ends"])
                                + datetime.timedelta(**whole))
            behind = said if behind is None else min(behind, said)
        return first, behind

    def running(self):
        """(contest, period) -> closing moment, line, version, rules: those
        that somebody takes part in."""
        found = {}
        for version, rules in self.versions:
            for line in rules["contest"]:
                for r, period in self.qualified(line):
                    if (line["name"], period) in self.contests:
                        continue
                    first, behind = self.bounds(line, period)
                    closing = behind + line.get("grace", 0)
                    # B22: by the rules of the period's first moment
                    if r["born"] < closing and \
                            self.rules_at(first, line["name"]) is rules:
                        found[line["name"], period] = (closing, line, version,
                                                       rules)
        return found

    def rules_at(self, first, name):
        texts = [rules for _, rules in self.versions]
        if first is None:       # no first moment: that which brought it
            return next(rules for rules in texts
                        if name in (c["name"] for c in rules["contest"]))
        return ([texts[0]] + [rules for rules in texts
                              if rules["time"] <= first])[-1]

    def close_contest(self, name, period, line, version, rules):
        rows = []
        for referrer in {r["referrer"] for r, _ in self.qualified(line)}:
            friends = self.friends_of(line, referrer).get(period)
            if friends:
                rows.append((-len(friends), max(friends.values()), referrer))
        table = self.contests[name, period] = []
        label = period or "ever"
        self.say("contest", "", name, f"{label} {len(rows)}")
        for k, (count, _, referrer) in enumerate(sorted(rows), 1):
            rank = k if -count >= line.get("min", 1) else 0
            table.append((referrer, -count, rank))
            self.say("contest", referrer, name, f"{label} {rank} {-count}")
            if 0 < rank <= len(line.get("give", [])):
                self.prize(line, label, line["give"][rank - 1], referrer,
                           version, rules)

    def prize(self, contest, label, gift, referrer, version, rules):
        who = self.digest(referrer)
        line = {key: contest[key] for key in ("name", "life", "hold", "cap")
                if key in contest}
        line.update(give=gift, on=("any", []), undo="keep")
        self.start(self.fresh(
            self.id(f"{line['name']}:referrer:contest {label} {who}"), line,
            gift[1][1] if gift[0] == "flat" else "prize", owner=referrer,
            referrer=referrer, version=version, rules=rules))

    # ---- nudges: C2, of the friend's terms, each asked once

    def nudges(self):
        friends = {f["friend"] for f in self.events()
                   if f.get("friend") and f.get("referrer")}
        for friend in friends if self.versions else ():
            for line in self.terms(friend)[1]["nudge"]:
                start, known = self.since_of(line.get("since", "lead"), friend)
                key = int(friend), line["name"]
                if start is not None and key not in self.nudged:
                    yield max(start + line["after"], known), key

    def nudge(self, number, name):
        friend = str(number)
        rules = self.terms(friend)[1]
        line = next(line for line in rules["nudge"] if line["name"] == name)
        self.nudged.add((number, name))
        if self.eligible(friend) and (
                "on" not in line
                or self.has_rule(line["on"][1][0][5:], friend)) \
                and not self.has(rules, line["missing"], friend):
            self.say("nudge", friend, name, line["missing"])

    def has(self, rules, name, friend):
        """A rule, a line step=, or an event of that name."""
        if any(line["name"] == name for line in rules["rule"]):
            return self.has_rule(name, friend)
        how, kinds = next((line["on"] for line in rules["step"]
                           if line["name"] == name), ("any", [name]))
        return (all if how == "all" else any)(self.had(friend, kind)
                                              for kind in kinds)

    # ---- goals: of the newest rules

    def activity(self, every):
        """Period -> leads, sales, the first fact of them: what reports count,
        a friend's first lead and each order's sale, refunded or not."""
        found, seen = {}, set()
        for f in self.events():
            friend = f.get("friend")
            what = ("leads", friend) if f["type"] == "lead" else \
                ("sales", f.get("order")) if f["type"] == "sale" and \
                num(f, "amount") is not None else (None, None)
            if not friend or not what[1] or what in seen:
                continue
            seen.add(what)
            if self.eligible(friend):
                period = self.period(every, int(f["at"]), f["offset"])
                mine = found.setdefault(period, {"leads": 0, "sales": 0,
                                                 "first": int(f["time"])})
                mine[what[0]] += 1
        return found

    def goal_lines(self):
        """Each newest goal, with the periods that are not told of yet."""
        for line in self.versions[-1][1]["goal"] if self.versions else []:
            for period, sums in sorted(self.activity(line["every"]).items()):
                if (line["name"], period) not in self.goals:
                    yield line, period, sums, self.bounds(line, period)[1]

    def goal_ends(self):
        return [(end, (line["name"], period)) for line, period, sums, end
                in self.goal_lines() if sums["first"] < end]

    def reach_goals(self):
        for line, period, sums, end in list(self.goal_lines()):
            if line["metric"] != "rate" and self.now < end \
                    and sums[line["metric"]] >= line["target"]:
                self.goals.add((line["name"], period))
                self.say("goal", "", line["name"], period + " reached")

    def goal_end(self, name, period):
        line, _, sums, _ = next(one for one in self.goal_lines()
                                if (one[0]["name"], one[1]) == (name, period))
        self.goals.add((name, period))
        reached = line["metric"] == "rate" and \
            sums["sales"] * 100 >= line["target"] * sums["leads"]
        self.say("goal", "", name,
                 period + (" reached" if reached else " missed"))
