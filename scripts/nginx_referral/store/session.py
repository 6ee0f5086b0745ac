"""What one run has: Redis, the output, the module's rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from ..text.output import TABLE, Output
from ..text.problem import REFUSED, USAGE, Problem
from .ctool import Rules
from .keys import DEFAULT_PREFIX, Keys
from .store import Store

DEFAULT_REDIS = "127.0.0.1:6379"


@dataclass
class Session:
    """The shared options of one run, and what is opened when it is first
    used."""

    redis: str = DEFAULT_REDIS
    prefix: str = DEFAULT_PREFIX
    password: str = ""
    form: str = TABLE
    case_sensitive: bool = False
    quiet: bool = False
    # amounts come as whole numbers of the smallest part of their unit
    minor: bool = False

    @cached_property
    def store(self) -> Store:
        if not self.prefix or re.search(r"[{}\s]", self.prefix):
            raise Problem(USAGE, "a prefix is not empty and holds no spaces"
                          f" and no braces, like {DEFAULT_PREFIX}")

        return Store(self.redis, self.password, self.prefix)

    @cached_property
    def output(self) -> Output:
        return Output(self.form, self.quiet)

    @cached_property
    def rules(self) -> Rules:
        return Rules()

    def keys(self, program: str) -> Keys:
        """The keys of a program; only a name that no program can have is
        refused."""
        if not re.fullmatch(r"[a-z0-9_.-]{1,64}", program):
            raise Problem(REFUSED, f"{program!r} is no program's name: 1 to"
                          " 64 of a-z 0-9 _ . -")

        return self.store.keys(program)

    def code(self, text: str) -> str:
        """The code as it is spelled in Redis."""
        return text if self.case_sensitive else text.lower()
