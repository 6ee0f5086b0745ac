"""What the ledger's entries come to, and what is wrong with them: a plain
program of its own, which shares nothing with the settler's."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Iterator, Mapping

from ..store.entries import ACCOUNTS, BUDGET, Entry, read_entry
from ..store.facts import Fact
from ..store.keys import Keys
from ..store.reward_text import RewardText
from .ledger_counts import State, day_name
from .ledger_facts import Terms, Unread, terms_of
from .ledger_stream import Row
from .reward_caps import Caps, Granted

EDITS = ("refund", "update", "cancel")

# words of entries by which an amount is new, or comes back
NEW = ("granted", "adjust")


@dataclass(slots=True)
class Account:
    """A reward as its entries tell it."""

    owner: int
    unit: str
    rule: str
    version: str
    granted: int = 0
    times: int = 0
    friend: int = 0
    side: str = ""
    code: str = ""
    by_hand: bool = False
    sums: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(ACCOUNTS, 0))

    @property
    def net(self) -> int:
        return self.granted - self.sums["cancelled"]

    @property
    def state(self) -> str | None:
        return next((name for name in ACCOUNTS if self.sums[name]), None)

    @property
    def fields(self) -> dict[str, str]:
        """As the settler writes it; sums of 0 are left out."""
        return {"owner": str(self.owner), "unit": self.unit,
                "rule": self.rule, "version": self.version,
                "granted": str(self.granted), "state": self.state or "",
                **{name: str(n) for name, n in self.sums.items() if n}}


@dataclass(frozen=True, slots=True)
class Event:
    """Of a fact what rewards rest on."""

    position: int
    kind: str
    name: str
    friend: int
    referrer: int
    who: str
    referrer_who: str
    order: str
    at: int
    order_at: int | None
    time: int
    cap: str
    code: str


class RewardAudit:
    """Takes the facts, then the entries, each in its order."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.rows: list[Row] = []
        self.position = 0
        self.next = 0
        self.entries = 0
        self.rewards: dict[str, Account] = {}
        self.names: dict[int, dict[str, str]] = defaultdict(dict)
        self.days: dict[tuple[str, str, str], int] = defaultdict(int)
        self.lacking: dict[tuple[int, str], int] = defaultdict(int)
        self.having: dict[tuple[int, str], int] = defaultdict(int)
        self.touched: set[tuple[int, str]] = set()
        self.events: dict[int, Event] = {}
        self.friends: dict[int, list[Event]] = defaultdict(list)
        self.orders: dict[str, int] = {}
        self.referrers: dict[int, set[str]] = defaultdict(set)
        self.bound: dict[int, Event] = {}
        self.texts: dict[str, RewardText] = {}
        self.newest: dict[str, tuple[str, str, str]] = {}
        self.terms: list[tuple[int, Terms]] = []
        self.caps = Caps(self.texts)

    # --- facts ---

    def fact(self, fact: Fact) -> None:
        kind = fact.text("type")

        if kind == "rules":
            self.rules(fact)
            return

        if not fact.has_id:
            return

        order = fact.text("order")
        friend = fact.number("friend") or self.orders.get(order) or 0

        # a refund or an update may name the order alone

        if order and friend and fact.is_event:
            self.orders.setdefault(order, friend)

        event = Event(fact.position, kind, fact.text("event"), friend,
                      fact.number("referrer") or 0, fact.text("who"),
                      fact.text("referrer_who"), order,
                      fact.number("at") or 0, fact.number("order_at"),
                      fact.number("time") or 0, fact.text("cap"),
                      fact.text("code"))
        self.events[fact.position] = event
        self.referrers[event.referrer].add(event.referrer_who)

        if event.friend and fact.is_event and kind not in EDITS:
            self.friends[event.friend].append(event)

            if event.referrer:
                self.bound.setdefault(event.friend, event)

    def rules(self, fact: Fact) -> None:
        """A text that changes what a cap counts would be refused: the one
        before it holds, and its zone."""
        text = RewardText(fact.text("text"))
        caps = text.caps

        if any(caps.get(name, how) != how
               for name, how in self.newest.items()):
            return

        self.newest = caps
        self.texts[fact.text("version")] = text

        try:
            self.terms.append((fact.position, terms_of(fact)))
        except Unread:
            pass

    def terms_at(self, position: int) -> Terms:
        """What held then; before the first what the first says."""
        found = [terms for at, terms in self.terms if at <= position]

        return (found[-1] if found else
                self.terms[0][1] if self.terms else Terms([], [], 0, 0))

    # --- entries ---

    def told(self, name: str, stands: object, should: object) -> None:
        self.rows.append([self.keys.ledger, name, stands, should, None])

    def take(self, name: str, fields: Mapping[str, str]) -> None:
        """The next entry of the ledger."""
        self.entries += 1

        try:
            entry = read_entry(name, fields)
        except ValueError as error:
            self.told(f"{name} {error}", fields.get(str(error)),
                      "what can be read")
            return

        self.numbered(entry)

        if self.moves(entry):
            account = self.account(entry)
            before = account.net
            self.move(entry, account)
            self.follow(entry, account, before)

    def numbered(self, entry: Entry) -> None:
        """Entries of a fact have numbers from 0 on, without a gap."""
        if entry.position != self.position:
            self.of_fact()
            self.position = entry.position
            self.next = 0

        if entry.index != self.next:
            self.told(entry.name, entry.name,
                      f"{entry.position}-{self.next} before it")

        self.next = entry.index + 1

    def moves(self, entry: Entry) -> bool:
        right = (entry.amount > 0 and entry.target in ACCOUNTS
                 and entry.source in (BUDGET, *ACCOUNTS)
                 and entry.source != entry.target)

        if not right:
            self.told(entry.name, f"{entry.amount} from {entry.source} to"
                      f" {entry.target}", "an amount above 0, from the budget"
                      " or an account to another account")

        return right

    def account(self, entry: Entry) -> Account:
        """Each entry of a reward says the same of it; one that is new comes
        from the budget, once."""
        account = self.rewards.get(entry.reward)

        if account is None:
            account = self.rewards[entry.reward] = Account(
                entry.owner, entry.unit, entry.rule, entry.version)
            self.opened(entry, account)

        for name, should in (("owner", account.owner), ("unit", account.unit),
                             ("rule", account.rule),
                             ("version", account.version)):
            if getattr(entry, name) != should:
                self.told(f"{entry.name} {name}", getattr(entry, name),
                          should)

        if entry.why in NEW and entry.source == BUDGET:
            account.times += 1

            if account.times > 1:
                self.told(f"{entry.name} reward", entry.reward,
                          "a reward that is granted once")

        return account

    def opened(self, entry: Entry, account: Account) -> None:
        """Who brought it, for whom, and whether its id is that."""
        event = self.events.get(entry.position)
        account.friend = event.friend if event else 0

        if entry.source != BUDGET:
            self.told(f"{entry.name} from", entry.source, BUDGET)

        account.by_hand = entry.why == "adjust"

        if account.by_hand or self.of_contest(account):
            account.friend = 0

        if account.friend in self.bound:
            account.code = self.bound[account.friend].code

        account.side = ("friend" if account.friend == entry.owner
                        else "referrer")

        if entry.version not in self.texts:
            self.told(f"{entry.name} version", entry.version,
                      "a version of the rules")
        elif event is not None and not self.of_contest(account) and (
                entry.reward not in self.ids(entry, account, event)):
            self.told(f"{entry.name} reward", entry.reward,
                      "the id of a reward of that rule, side and friend")

    def of_contest(self, account: Account) -> bool:
        text = self.texts.get(account.version)

        return text is not None and bool(text.of("contest", account.rule))

    def ids(self, entry: Entry, account: Account, event: Event
            ) -> Iterator[str]:
        """What the id of this reward may be."""
        if entry.why == "adjust":
            yield self.digest(f"adjust:{event.name}")
            return

        start = f"{account.rule}:{account.side}:"
        bound = self.bound.get(account.friend, event)
        who = bound.who or str(account.friend)
        of_friend = f" friend {who}" if account.side == "friend" else ""

        yield self.digest(f"{start}friend {who}")

        # that of the first fact that names the referrer holds for good; in an
        # old one there is none, and it is the number

        for referrer in (*self.referrers[bound.referrer], bound.referrer):
            yield self.digest(f"{start}referrer {referrer}{of_friend}")

        for one in self.asked(event):
            yield self.digest(f"{start}order {one.order}")
            yield self.digest(f"{start}event {one.name}")

    def digest(self, text: str) -> str:
        return hashlib.sha256(f"{self.keys.program_name}:{text}".encode(
            "utf-8", "surrogateescape")).hexdigest()[:16]

    def asked(self, event: Event) -> list[Event]:
        """The events that this one may have been granted for: by the first
        with a referrer all before it count too, by an update its order's."""
        binds = self.bound.get(event.friend) is event

        if not binds and event.kind != "update":
            return [event]

        return [one for one in self.friends.get(event.friend, [])
                if one.position <= event.position
                and (binds or one.order == event.order)]

    def move(self, entry: Entry, account: Account) -> None:
        whose = account.owner, account.unit
        had = account.sums["available"]

        if entry.source == BUDGET:
            account.granted += entry.amount
        else:
            account.sums[entry.source] -= entry.amount

        account.sums[entry.target] += entry.amount
        has = account.sums["available"]
        self.lacking[whose] += (has < 0) - (had < 0)
        self.having[whose] += (has > 0) - (had > 0)
        self.touched.add(whose)
        self.names[entry.owner][entry.name] = str(entry.position)

        for name, number in account.sums.items():
            if number < 0 and name not in ("available", "written_off"):
                self.told(f"{entry.name} {name}", number, "0 or more")

        if account.sums["written_off"] > 0:
            self.told(f"{entry.name} written_off",
                      account.sums["written_off"], "0 or less: a loss")

        debt = account.sums["spent"] + account.sums["reserved"]

        if account.sums["available"] + account.sums["written_off"] < -debt:
            self.told(f"{entry.name} available", account.sums["available"],
                      f"-{debt} or more: a debt of what was used")

        if account.net < 0:
            self.told(f"{entry.name} cancelled", account.sums["cancelled"],
                      f"{account.granted} or less: what was granted")

    def follow(self, entry: Entry, account: Account, before: int) -> None:
        """What the program gave by it: of days, and of caps."""
        change = account.net - before

        if not change:
            return

        day = self.terms_at(entry.position).moment(entry.at).day
        self.days[entry.unit, day_name(day), ""] += change

        if account.code:
            self.days[entry.unit, day_name(day), account.code] += change

        self.cap(entry, account, before)

    def cap(self, entry: Entry, account: Account, before: int) -> None:
        key = entry.reward

        if not self.caps.knows(key):
            self.caps.begin(key, self.granted(entry, account))

        used = self.caps.move(key, before, account.net,
                              entry.why != "adjust")

        if used:
            self.told(f"{entry.name} cap {used.name}", used.used,
                      f"{used.limit} or less")

    def granted(self, entry: Entry, account: Account) -> Granted:
        event = self.events.get(entry.position)
        contest = self.of_contest(account)
        terms = self.terms_at(entry.position)
        clocks: list[Event] = []

        if event and not contest and entry.why != "adjust":
            clocks = self.asked(event)

        return Granted(
            account.rule, account.version, account.unit, account.side,
            account.friend, self.referrer(account, event),
            "contest" if contest else "adjust" if entry.why == "adjust"
            else "rule", event.cap if event else "",
            [(one.at, one.order_at) for one in clocks],
            {one.kind for one in clocks},
            self.bound[account.friend].at if account.friend in self.bound
            else None,
            event.time if event and entry.why == "adjust" else entry.at,
            terms)

    def referrer(self, account: Account, event: Event | None) -> int:
        if account.side == "referrer":
            return account.owner

        bound = self.bound.get(account.friend)

        return bound.referrer if bound else event.referrer if event else 0

    def of_fact(self) -> None:
        """At the end of a fact nobody lacks something in one reward and has
        some in another."""
        for owner, unit in sorted(self.touched):
            if self.lacking[owner, unit] and self.having[owner, unit]:
                self.told(f"{self.position}-* available of u{owner}",
                          f"{unit} below 0 in one reward, above in another",
                          "a debt that is filled by what there is")

        self.touched.clear()

    def finish(self) -> None:
        """What holds at the end alone."""
        self.of_fact()
        seen: dict[tuple[str, str, int], str] = {}

        for name, account in self.rewards.items():
            text = self.texts.get(account.version)
            lines = text.of("rule", account.rule) if text else []

            if account.net <= 0 or not lines or not account.friend or any(
                    line.word("each", "friend") != "friend"
                    for line in lines):
                continue

            other = seen.setdefault((account.rule, account.side,
                                     account.friend), name)

            if other != name:
                self.told(f"reward {name}", f"{account.rule} for u"
                          f"{account.friend}", f"once: there is {other}")

    # --- what it comes to ---

    def state(self) -> State:
        """Key, field and value of what the settler writes of it."""
        keys = self.keys
        state: State = {}
        sums: dict[str, dict[str, int]] = defaultdict(
            lambda: defaultdict(int))

        for name, account in self.rewards.items():
            state[keys.reward(name)] = account.fields
            self.add(account, sums)

        for (unit, day, code), n in self.days.items():
            name = f"rewards:{unit}"
            sums[keys.days_of(name, code)][day] += n
            sums[keys.stats(code)][name] += n

            if not code:
                sums[keys.day(day)][name] += n

        for owner, names in self.names.items():
            state[keys.wallet_entries(owner)] = dict(names)

        for key, fields in sums.items():
            state[key] = {name: str(n) for name, n in fields.items() if n}

        return state

    def add(self, account: Account, sums: dict[str, dict[str, int]]) -> None:
        keys, unit = self.keys, account.unit

        for name, n in account.sums.items():
            sums[keys.wallet(account.owner)][f"{unit}:{name}"] += n
            sums[keys.wallets][f"{unit}:{name}"] += n

        sums[keys.wallets][f"{unit}:budget"] -= account.granted

        if account.side == "friend" or account.by_hand:
            return

        progress = sums[keys.progress(account.owner)]
        progress[f"rewards:{unit}"] += account.net
        progress[f"rewards_pending:{unit}"] += account.sums["pending"]
