"""What may leave: nothing that a failover could still lose."""

from __future__ import annotations

import time
from collections import deque

from ..store.hooks import Place

# seconds after which a replica has what was written, and between two looks at
# most for the first to count
AGE = 2.0
GAP = 1.5


class Fence:
    """What is old enough: what was in the stream two seconds ago."""

    def __init__(self) -> None:
        self.seen: deque[tuple[float, Place]] = deque()
        self.safe: Place = (0, 0)
        self.generation = 0

    def look(self, last: Place) -> None:
        """The stream ends here now."""
        now = time.monotonic()

        if self.seen and (last < self.seen[-1][1]
                          or now - self.seen[-1][0] > GAP):
            self.reset()

        self.seen.append((now, last))

        while now - self.seen[0][0] >= AGE:
            self.safe = self.seen.popleft()[1]

    def reset(self) -> None:
        """Redis may be another one now: whoever read from it reads again."""
        self.seen.clear()
        self.safe = (0, 0)
        self.generation += 1

    def passes(self, message: Place) -> bool:
        return message <= self.safe
