"""What a replay by the settler comes to."""

from __future__ import annotations

import re
from typing import Any

from ..store.keys import Keys
from ..store.session import Session
from ..store.settler import replay
from ..store.store import count
from .audit import SHOWN

SAME = re.compile(r"the same up to entry (\d+), chain ([0-9a-f]*)")
CHAIN = re.compile(r"different: chain at entry (\d+): replay ([0-9a-f]*),"
                   r" Redis ([0-9a-f]*)")
KEY = re.compile(r"different: (\S*\{\S+) (.*): replay (.*), Redis (.*)")
PREFIX = "different: "


def replay_ledger(session: Session, keys: Keys, path: str | None) -> bool:
    """Shows what differs; True if nothing does."""
    position, settled = session.store.redis.hmget(keys.settled, "position",
                                                  "chain")
    answer = replay(session, keys.program_name, path)
    head: dict[str, Any] = {"program": keys.program_name, "from": path,
                            "position": count(position), "chain": settled,
                            "settled_chain": settled}
    rows: list[list[Any]] = []
    reached = False

    for line in answer.lines:
        same, chain, key = (form.fullmatch(line)
                            for form in (SAME, CHAIN, KEY))

        if same:
            head.update(position=int(same[1]), chain=same[2] or None,
                        settled_chain=same[2] or None)
            reached = True
        elif chain:
            head.update(position=int(chain[1]), chain=chain[2],
                        settled_chain=chain[3])
            rows.append([keys.settled, "chain", chain[3], chain[2]])
            reached = True
        elif key:
            rows.append([key[1], key[2], key[4], key[3]])
            reached = True
        else:
            rows.append([None, line.removeprefix(PREFIX), None, None])

    if not reached:
        head["chain"] = None

    head["same"] = answer.same
    show(session, head, rows)

    return answer.same


def show(session: Session, head: dict[str, Any], rows: list[list[Any]]
         ) -> None:
    output = session.output

    if not output.for_people:
        output.report(head, ["key", "field", "redis", "replay"], rows)
        return

    head["same"] = None
    output.record(head)
    output.text()

    if not rows:
        output.text("the replay comes to the same")
        return

    output.rows(["key", "field", "Redis", "replay"], rows[:SHOWN])

    if len(rows) > SHOWN:
        output.note(f"and {len(rows) - SHOWN} more: --csv has all of them")
