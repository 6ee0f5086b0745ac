"""Lines of the log, as those of the settler."""

from __future__ import annotations

import os
import re
import time

LEVELS = {"crit": 2, "error": 3, "warn": 4, "notice": 5}


def log(level: str, text: str) -> None:
    """One line to stderr.  systemd takes the level from "<N>"."""
    text = re.sub(r"[^ -~]", "?", text)

    if "JOURNAL_STREAM" in os.environ:
        start = f"<{LEVELS[level]}>"
    else:
        start = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())

    # in one write: others write too

    try:
        os.write(2, f"{start}[{level}] {text}\n".encode("ascii"))
    except OSError:
        pass
