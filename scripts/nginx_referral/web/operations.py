"""The operations of the API, one declaration each: its path, the command that
answers it, the scope that it needs, and what it answers.

What a path names in braces are the command's arguments, in the command's
order; its other arguments and its options come in the query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OBJECT = "object"
ARRAY = "array"

# options of commands about rewards that the request says otherwise
HOW = {"wait", "patience", "event_id", "token"}

# what the body calls otherwise than the command, as events do
RENAMED = {"order": "order_id"}

# amounts, which are whole numbers of the smallest part of their unit
MONEY = {"amount", "order_amount", "min"}

# options that are not for others: what takes long, or never ends
LEFT_OUT: dict[tuple[str, ...], set[str]] = {
    ("link", "list"): {"scan"},
}


@dataclass(frozen=True)
class Operation:
    """A request below /api/v1.  "has" are fields that each answer has, of an
    array each of its items.  What is posted is a command about rewards, whose
    arguments and options come in the body."""

    path: str
    command: tuple[str, ...]
    scope: str
    answers: str
    has: tuple[str, ...] = ()
    method: str = "get"

    @property
    def posts(self) -> bool:
        return self.method == "post"

    @property
    def name(self) -> str:
        return "_".join(self.command) + ("_of_link" if "{code}/" in self.path
                                         else "")

    @property
    def in_path(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


def _of(path: str, command: str, scope: str, answers: str, *has: str
        ) -> Operation:
    return Operation(f"/programs/{{program}}{path}", tuple(command.split()),
                     f"read:{scope}", answers, has)


def _post(path: str, command: str) -> Operation:
    return Operation(f"/programs/{{program}}{path}", tuple(command.split()),
                     "write:rewards", OBJECT,
                     ("program", "type", "event_id", "position", "replayed",
                      "settled", "entries"), "post")


OPERATIONS = (
    Operation("/programs", ("program", "list"), "read:reports", ARRAY,
              ("program",)),
    _of("", "program show", "reports", OBJECT, "program"),
    _of("/links", "link list", "reports", ARRAY, "code"),
    _of("/links/{code}", "link show", "reports", OBJECT, "code"),
    _of("/links/{code}/stats", "stats", "reports", OBJECT),
    _of("/stats", "stats", "reports", OBJECT),
    _of("/top", "top", "reports", ARRAY, "rank"),
    _of("/funnel", "funnel", "reports", OBJECT, "rows", "notes"),
    _of("/compare", "compare", "reports", OBJECT, "rows", "notes"),
    _of("/referrers", "referrer list", "reports", ARRAY),
    _of("/referrers/{who}", "referrer show", "reports", OBJECT),
    _of("/settle", "settle status", "reports", OBJECT),
    _of("/friends/{customer}", "friend show", "people", OBJECT),
    _of("/known/{customer}", "known test", "people", OBJECT),
    _of("/conversions", "conversions list", "people", ARRAY),
    _of("/conversions/{event_id}", "conversions show", "people", OBJECT),
    _of("/rejects", "rejects list", "people", ARRAY),
    _of("/rewards", "reward list", "rewards", ARRAY, "reward"),
    _of("/rewards/{name}", "reward show", "rewards", OBJECT, "reward"),
    _of("/wallets", "wallet list", "rewards", OBJECT, "rows", "total"),
    _of("/wallets/{customer}", "wallet show", "rewards", OBJECT, "balances",
        "rewards", "entries"),
    _of("/reviews", "review list", "rewards", ARRAY, "friend"),
    _of("/reviews/{customer}", "review show", "rewards", OBJECT, "friend",
        "rows"),
    _of("/payouts", "payout list", "rewards", ARRAY, "payout"),
    _of("/rules", "rewards show", "rewards", OBJECT),
    _of("/rules/history", "rewards history", "rewards", ARRAY),
    _post("/reservations", "wallet reserve"),
    _post("/reservations/{token}/commit", "wallet commit"),
    _post("/reservations/{token}/cancel", "wallet release"),
    _post("/payouts", "payout start"),
    _post("/payouts/{token}/paid", "payout paid"),
    _post("/payouts/{token}/failed", "payout failed"),
    _post("/rewards/{reward_id}/choose", "reward choose"),
    _post("/wallets/{customer}/adjustments", "reward adjust"),
    _post("/reviews/{customer}/approve", "review approve"),
    _post("/reviews/{customer}/reject", "review reject"),
)
