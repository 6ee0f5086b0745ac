"""The names of all keys in Redis.  The module has those that it reads or
writes in src/schema/referral_keys.c; t/house/key_names.t compares the two."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PREFIX = "ref:"

# keys that hold counts: what they are called in reports, their family, and a
# regular expression for what follows the program; in the order in which
# "reset" removes them
COUNTS = (
    ("stats", "stats", r""),
    ("days", "days", r""),
    ("hours", "hours", r""),
    ("boards", "board", r":(referrers:)?clicks(:[0-9-]+)?"),
    ("day", "day", r":[0-9-]+"),
    ("visitors", "visitors", r":day:[0-9-]+"),
    ("addresses", "addresses", r":day:[0-9-]+"),
    ("events", "events", r""),
    ("errors", "errors", r""),
    ("links", "(?:stats|days)", r":[A-Za-z0-9_-]+"),
    ("clicks", "clicks", r":[0-9T:-]+"),
)

# the same of the keys that the settler writes
SETTLED = (
    ("stats", "stats", r"(:.+)?"),
    ("days", "days:(?:leads|sales|refunds|customers|(?:amount|rewards):[^:]+)",
     r"(:.+)?"),
    ("day", "day", r":.+"),
    ("cohorts", "cohort", r":.+"),
    ("progress", "progress", r":.+"),
    ("boards", "board", r":(?:referrers:)?(?:leads|sales|amount:).*"),
    ("friends", "friend", r":.+"),
    ("orders", "order", r":.+"),
    ("rules", "rules", r""),
)

# the same of its keys about rewards
REWARDED = (
    ("rewards", "reward", r":[0-9a-f]+"),
    ("wallets", "wallet", r"(?::[0-9]+(?::entries)?)?"),
)

# families of keys that name visitors
PERSONAL = ("events", "clicks")


def programs(prefix: str) -> str:
    """Set: the names of all programs."""
    return f"{prefix}programs"


def api_keys(prefix: str) -> str:
    """Set: the ids of the API's keys."""
    return f"{prefix}apikeys"


def api_key(prefix: str, name: str) -> str:
    """Hash: a key of the API."""
    return f"{prefix}apikey:{name}"


@dataclass(frozen=True)
class Keys:
    """The keys of one program."""

    prefix: str
    program_name: str

    def _key(self, family: str, *rest: str) -> str:
        return ":".join([f"{self.prefix}{family}:{{{self.program_name}}}",
                         *rest])

    @property
    def program(self) -> str:
        """Hash: the program as its owner wrote it."""
        return self._key("program")

    @property
    def links(self) -> str:
        """Sorted set: code, and when the link was made."""
        return self._key("links")

    def link(self, code: str) -> str:
        """Hash: the link as its owner wrote it."""
        return self._key("link", code)

    def referrer(self, name: str) -> str:
        """Hash: the referrer as its owner wrote it."""
        return self._key("referrer", name)

    def referrer_links(self, name: str) -> str:
        """Set: the codes of a referrer's links."""
        return self._key("referrer", name, "links")

    def stats(self, code: str = "") -> str:
        """Hash: counters of all time, of the program or of a link."""
        return self._key("stats", *([code] if code else []))

    def day(self, day: str) -> str:
        """Hash: the same counters of one day."""
        return self._key("day", day)

    def days(self, code: str = "") -> str:
        """Hash: day and clicks, of the program or of a link."""
        return self._key("days", *([code] if code else []))

    @property
    def hours(self) -> str:
        """Hash: hour in UTC and clicks."""
        return self._key("hours")

    def board_clicks(self, day: str | None = None) -> str:
        """Sorted set: code and clicks, of all time or of one day."""
        return self._key("board", "clicks", *([] if day is None else [day]))

    def board_referrers(self, month: str | None = None) -> str:
        """Sorted set: referrer and clicks, of all time or of one month."""
        return self._key("board", "referrers", "clicks",
                         *([] if month is None else [month]))

    def visitors(self, day: str) -> str:
        """HyperLogLog: visitor ids."""
        return self._key("visitors", "day", day)

    def addresses(self, day: str) -> str:
        """HyperLogLog: salted hashes of address and browser."""
        return self._key("addresses", "day", day)

    def clicks(self, minute: str) -> str:
        """Hash: click id and its attribution, for a minute in UTC."""
        return self._key("clicks", minute)

    @property
    def events(self) -> str:
        """Stream: an entry for each hit."""
        return self._key("events")

    @property
    def errors(self) -> str:
        """Stream: operations that Redis refused, and why."""
        return self._key("errors")

    @property
    def journals(self) -> str:
        """Hash: journal id and the last record of it that was counted."""
        return self._key("journals")

    @property
    def forgotten(self) -> str:
        """Hash: SHA-1 of a forgotten click or visitor id, and until when."""
        return self._key("forgotten")

    @property
    def reset(self) -> str:
        """String: when the counts were last removed."""
        return self._key("reset")

    @property
    def conversions(self) -> str:
        """Stream: the facts of conversions, ids N-0 without a gap."""
        return self._key("conversions")

    def ids(self, bucket: str) -> str:
        """Hash: digest of an event_id to its position."""
        return self._key("ids", bucket)

    @property
    def person(self) -> str:
        """Hash: customer id to number, and the binding."""
        return self._key("person")

    @property
    def names(self) -> str:
        """Hash: number to customer id; "next": the last number given."""
        return self._key("person", "names")

    @property
    def rejects(self) -> str:
        """Stream: events that were refused when they were appended."""
        return self._key("rejects")

    @property
    def seed(self) -> str:
        """String: what people's digests are made with."""
        return self._key("seed")

    def known(self, bucket: str) -> str:
        """Set: digests of customers from before the program."""
        return self._key("known", bucket)

    def claimed(self, minute: str) -> str:
        """Hash: click id to whose event it was credited to."""
        return self._key("claimed", minute)

    def friend(self, number: int) -> str:
        """Hash: how far a friend is, by number; the settler writes it."""
        return self._key("friend", str(number))

    def days_of(self, what: str, code: str = "") -> str:
        """Hash: day and leads, sales, refunds or amount:UNIT, of the program
        or of a link."""
        return self._key(f"days:{what}", *([code] if code else []))

    def cohort(self, day: str) -> str:
        """Hash: what is counted of conversions, by the day of the click."""
        return self._key("cohort", day)

    def progress(self, number: int) -> str:
        """Hash: what is counted of a referrer, by number."""
        return self._key("progress", str(number))

    def board(self, what: str, day: str | None = None) -> str:
        """Sorted set: code and leads, sales or amount:UNIT, of all time or of
        one day."""
        return self._key("board", what, *([] if day is None else [day]))

    def board_people(self, what: str, month: str | None = None) -> str:
        """Sorted set: number of a referrer and the same, of all time or of
        one month."""
        return self._key("board", "referrers", what,
                         *([] if month is None else [month]))

    def order(self, bucket: str) -> str:
        """Hash: orders, by the digests of their ids."""
        return self._key("order", bucket)

    @property
    def rules(self) -> str:
        """Hash: version of the program's fields to its position."""
        return self._key("rules")

    @property
    def ledger(self) -> str:
        """Stream: what rewards moved, ids N-i."""
        return self._key("ledger")

    def reward(self, name: str) -> str:
        """Hash: a reward by its id."""
        return self._key("reward", name)

    def wallet(self, number: int) -> str:
        """Hash: what somebody has, by number."""
        return self._key("wallet", str(number))

    def wallet_entries(self, number: int) -> str:
        """Sorted set: ids of the ledger's entries of somebody."""
        return self._key("wallet", str(number), "entries")

    @property
    def wallets(self) -> str:
        """Hash: what all of them have."""
        return self._key("wallet")

    @property
    def review(self) -> str:
        """Hash: number of a friend in review, and SINCE SCORE ENDS THEN
        SIGNALS."""
        return self._key("review")

    @property
    def payouts(self) -> str:
        """Hash: event_id of a payout on its way, and OWNER UNIT AMOUNT
        SINCE."""
        return self._key("payouts")

    @property
    def due(self) -> str:
        """Sorted set: reward, and when something comes next for it."""
        return self._key("due")

    @property
    def settled(self) -> str:
        """Hash: how far the settler is."""
        return self._key("settled")

    @property
    def outbox(self) -> str:
        """Stream: what becomes of friends and rewards, ids N-i."""
        return self._key("outbox")

    @property
    def hooks(self) -> str:
        """Set: the names of the endpoints of webhooks."""
        return self._key("hooks")

    @property
    def outbox_marks(self) -> str:
        """Sorted set: a message, and when it was the last one."""
        return self._key("outbox", "marks")

    def hook(self, name: str) -> str:
        """Hash: an endpoint."""
        return self._key("hooks", name)

    def hook_retry(self, name: str) -> str:
        """Sorted set: message, and when it is sent again."""
        return self._key("hooks", name, "retry")

    def hook_tries(self, name: str) -> str:
        """Hash: message to what became of it so far."""
        return self._key("hooks", name, "tries")

    def hook_dead(self, name: str) -> str:
        """Sorted set: message, and when it was given up."""
        return self._key("hooks", name, "dead")

    def hook_secret(self, name: str) -> str:
        """Hash: what signs.  Outside of the prefix, so that a user of Redis
        who may read all that begins with it cannot read secrets."""
        return (f"{self.prefix.rstrip(':')}-secret:"
                f"{{{self.program_name}}}:{name}")
