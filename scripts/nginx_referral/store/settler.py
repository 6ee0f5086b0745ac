"""Runs nginx-referral-settle, the program that counts conversions."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Iterator

from redis.connection import parse_url

from ..text.problem import REDIS, USAGE, Problem
from .ctool import broken, find_tool
from .session import Session
from .store import read_address

NAME = "nginx-referral-settle"

SAME, DIFFERENT, FAILED = 0, 1, 2


@dataclass
class Replay:
    """What a replay said: a line for each difference, or one with the chain
    that it came to."""

    same: bool
    lines: list[str]


def find_settler() -> Path:
    """Beside the other programs of the module, else on PATH."""
    try:
        return find_tool(NAME, "counts conversions")
    except Problem:
        found = shutil.which(NAME)

        if not found:
            raise

        return Path(found)


def replay(session: Session, program: str, path: str | None) -> Replay:
    """Counts the stream, or a dump of it, in memory, and compares."""
    if path is not None and not os.access(path, os.R_OK):
        raise Problem(USAGE, f"{path} cannot be read")

    with options(session) as given:
        command = [str(find_settler()), "--replay",
                   *([path] if path is not None else []),
                   "--program", program, *given]

        # what is set there may be an address that it does not know
        environ = {name: value for name, value in os.environ.items()
                   if name != "REFERRAL_REDIS"}

        try:
            done = subprocess.run(command, env=environ, check=False,
                                  stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True,
                                  errors="surrogateescape")
        except OSError as error:
            raise broken(NAME, f"it does not run: {error.strerror}") from None

    if done.returncode == FAILED:
        said = done.stderr.strip().splitlines() or ["it did not say why"]
        raise Problem(REDIS, f"the replay failed: {said[-1]}")

    if done.returncode not in (SAME, DIFFERENT):
        raise broken(NAME, f"it ended with status {done.returncode}")

    # a name may hold what Python would take for the end of a line
    return Replay(done.returncode == SAME,
                  [line for line in done.stdout.split("\n") if line])


@contextmanager
def options(session: Session) -> Iterator[list[str]]:
    """The options that lead it to the same Redis.  A password is in a file
    for as long as it runs: others can see a command line."""
    address = read_address(session.redis)

    if address.startswith("rediss:"):
        raise Problem(USAGE, f"{NAME} does not speak TLS: give the address of"
                      " a Redis, or of a tunnel, that does without")

    parts = parse_url(address)
    where = (f"unix:{parts['path']}" if "path" in parts else
             f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}")
    given = ["--redis", where, "--prefix", session.prefix,
             "--db", str(parts.get("db", 0))]

    if parts.get("username"):
        given.extend(["--username", parts["username"]])

    password = parts.get("password") or session.password

    if not password:
        yield given
        return

    with NamedTemporaryFile("w", encoding="utf-8",
                            errors="surrogateescape") as file:
        file.write(f"{password}\n")
        file.flush()

        yield [*given, "--password_file", file.name]
