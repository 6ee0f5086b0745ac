"""Options of nginx-referral-relay: arguments, and a file of the same with a
name and a value a line."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import stat
from dataclasses import dataclass, field
from urllib.parse import quote

from ..store.keys import DEFAULT_PREFIX
from ..store.moments import length
from ..text.problem import USAGE, Problem
from .address import Guard, Network

USAGE_TEXT = """\
usage: nginx-referral-relay [-c FILE] [OPTION VALUE...]

Sends what stands in the outboxes of all programs to their endpoints, as
webhooks, until it is told to end.

  -c FILE             these options, a name and a value a line:
  --redis ADDRESS     HOST:PORT or unix:PATH (127.0.0.1:6379)
  --username NAME     and
  --password_file F   the user of Redis
  --db N              database (0)
  --prefix TEXT       of all keys (ref:)
  --program NAME      this program alone; may be repeated
  --metrics FILE      metrics for Prometheus, written every ten seconds
  --lease TIME        how long an endpoint is one's own (10s)
  --replicas N        replicas that have a message before it is sent (0: it is
                      two seconds old instead)
  --connections N     to one endpoint at once (4)
  --timeout TIME      for one try (15s)
  --retries TIMES     between tries, with commas
                      (5s,5m,30m,2h,5h,10h,14h,20h,24h)
  --probe TIME        between tries of an endpoint that is down (5m)
  --pause_after TIME  of failures alone (3d)
  --keep TIME         how long what was sent can be replayed (30d)
  --allow NETWORK     of addresses that are not public, like 10.1.0.0/16; may
                      be repeated
  --port N            beside 443 and 8443; may be repeated
  --loopback on       endpoints on this machine, any port, also http://
  --ca_file FILE      certificates of authorities, instead of the system's
"""

PROGRAM = re.compile(r"[a-z0-9_.-]{1,64}")


@dataclass
class Options:
    """What the process does; times in seconds."""

    redis: str = "127.0.0.1:6379"
    username: str = ""
    password: str = ""
    db: int = 0
    prefix: str = DEFAULT_PREFIX
    programs: list[str] = field(default_factory=list)
    metrics: str = ""
    lease: float = 10
    replicas: int = 0
    connections: int = 4
    timeout: float = 15
    retries: list[float] = field(default_factory=lambda: [
        5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400])
    probe: float = 300
    pause_after: float = 3 * 86400
    keep: float = 30 * 86400
    allowed: list[Network] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    loopback: bool = False
    ca_file: str = ""

    @property
    def guard(self) -> Guard:
        return Guard(self.allowed, self.ports, self.loopback)

    @property
    def address(self) -> str:
        """Of Redis, for the client."""
        user = f"{quote(self.username, safe='')}@" if self.username else ""

        if self.redis.startswith(("unix:", "/")):
            path = self.redis.removeprefix("unix:")

            return f"unix://{user}{path}?db={self.db}"

        return f"redis://{user}{self.redis}/{self.db}"

    def tls(self) -> ssl.SSLContext:
        """Certificates are checked, always."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise Problem(USAGE, f"ca_file \"{self.ca_file}\": {error}"
                          ) from None

        context.minimum_version = ssl.TLSVersion.TLSv1_2

        return context


def read_options(arguments: list[str]) -> Options | None:
    """The options; None if help is asked for."""
    options = Options(redis=os.environ.get("REFERRAL_REDIS")
                      or "127.0.0.1:6379")
    rest = list(arguments)

    while rest:
        name = rest.pop(0)

        if name in ("-h", "--help"):
            return None

        if not rest or not (name == "-c" or name.startswith("--")):
            raise Problem(USAGE, f"{name!r} needs a value, or is no option;"
                          " --help has all")

        if name == "-c":
            _read_file(options, rest.pop(0))
        else:
            _set(options, name[2:], rest.pop(0), "")

    if re.search(r"[\s{}*?\[\]\\]", options.prefix) or not options.prefix:
        raise Problem(USAGE, "a prefix is not empty and has no spaces and"
                      " none of {}*?[]\\ in it")

    return options


def _read_file(options: Options, path: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno())
            lines = file.read().splitlines()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Problem(USAGE, f"\"{path}\": {why}") from None

    for number, line in enumerate(lines, 1):
        words = re.sub(r"(^|\s)#.*", "", line).split()
        where = f"{path}, line {number}: "

        if not words:
            continue

        if len(words) != 2:
            raise Problem(USAGE, f"{where}\"{words[0]}\" takes one value")

        if words[0] == "password":
            _private(mode, path)

        _set(options, words[0], words[1], where)


def _private(mode: os.stat_result, path: str) -> None:
    if stat.S_ISREG(mode.st_mode) and mode.st_mode & (stat.S_IWGRP
                                                      | stat.S_IRWXO):
        raise Problem(USAGE, f"\"{path}\" has a password and mode"
                      f" {mode.st_mode & 0o777:03o}, so that others may read"
                      " or change it; 600 is right")


def _set(options: Options, name: str, value: str, where: str) -> None:
    try:
        _take(options, name, value)
    except ValueError as error:
        raise Problem(USAGE, f"{where}{name}: {error}") from None


def _take(options: Options, name: str, value: str) -> None:
    if name in ("redis", "username", "password", "prefix", "metrics",
                "ca_file"):
        setattr(options, name, value)

    elif name == "password_file":
        options.password = _password(value)

    elif name == "program":
        if not PROGRAM.fullmatch(value):
            raise ValueError("1 to 64 of a-z 0-9 _ . -")

        options.programs.append(value)

    elif name in ("lease", "timeout", "probe", "pause_after", "keep"):
        setattr(options, name, _time(value))

    elif name == "retries":
        options.retries = [_time(word) for word in value.split(",")]

    elif name == "replicas":
        options.replicas = _number(value, 0, 16)

    elif name == "connections":
        options.connections = _number(value, 1, 64)

    elif name == "db":
        options.db = _number(value, 0, 10 ** 9)

    elif name == "port":
        options.ports.append(_number(value, 1, 65535))

    elif name == "allow":
        options.allowed.append(ipaddress.ip_network(value))

    elif name == "loopback":
        if value not in ("on", "off"):
            raise ValueError("on or off")

        options.loopback = value == "on"

    else:
        raise ValueError("there is no such option; --help has all")


def _password(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            _private(os.fstat(file.fileno()), path)
            password = file.readline().rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise ValueError(getattr(error, "strerror", None)
                         or "it is not text") from None

    if not password:
        raise ValueError("no password in its first line")

    return password


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal()
            and least <= int(text[:12]) <= most):
        raise ValueError(f"a number from {least} to {most}")

    return int(text)


def _time(text: str) -> float:
    ms = length(text, 0)

    if not ms:
        raise ValueError("a time like 10s, 5m, 2h or 3d")

    return ms / 1000
