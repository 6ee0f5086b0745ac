"""The options that every command takes, before its name or after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, Callable, Sequence

import click

from ..store.ctool import Rooms
from ..store.store import Keys, Store
from ..text.output import CSV, JSON, TABLE, Output
from ..text.problem import REFUSED, USAGE, Problem, near

DEFAULT_REDIS = "127.0.0.1:6379"
DEFAULT_PREFIX = "ref:"


@dataclass
class Session:
    """One run of the program: what it was told, and what it opened."""

    redis: str = DEFAULT_REDIS
    prefix: str = DEFAULT_PREFIX
    password: str = ""
    form: str = TABLE
    case_sensitive: bool = False
    quiet: bool = False

    @cached_property
    def store(self) -> Store:
        if not self.prefix or re.search(r"[{}\s]", self.prefix):
            raise Problem(USAGE, "a prefix is not empty and holds no spaces"
                          " and no braces, like ref:")

        return Store(self.redis, self.password, self.prefix)

    @cached_property
    def output(self) -> Output:
        return Output(self.form, self.quiet)

    @cached_property
    def rooms(self) -> Rooms:
        return Rooms()

    def keys(self, program: str) -> Keys:
        """Of a program that is to be read: only what cannot be a name is
        refused here."""
        if not re.fullmatch(r"[a-z0-9_.-]{1,64}", program):
            raise Problem(REFUSED, f"{program!r} is no program's name: 1 to"
                          " 64 of a-z 0-9 _ . -")

        return self.store.keys(program)

    def code(self, text: str) -> str:
        """A code as it lies in Redis, where the module looks for it."""
        return text if self.case_sensitive else text.lower()


def _set(name: str, value: Any) -> Callable[..., None]:
    """A callback that writes what an option said into the session."""
    def callback(ctx: click.Context, _: click.Parameter, given: Any) -> None:
        if given:
            session = ctx.ensure_object(Session)
            setattr(session, name, given if value is None else value)

    return callback


def _read_password(ctx: click.Context, _: click.Parameter,
                   path: str | None) -> None:
    if not path:
        return

    try:
        with open(path, encoding="utf-8") as file:
            password = file.readline().rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Problem(USAGE, f"the password file cannot be read: {why}"
                      ) from None

    if not password:
        raise Problem(USAGE, "the password file's first line is empty")

    ctx.ensure_object(Session).password = password


def shared_options(root: bool) -> list[click.Option]:
    """Shown and with their environment variables at the root only."""
    def option(*names: str, env: str = "", **more: Any) -> click.Option:
        return click.Option(list(names), expose_value=False,
                            hidden=not root, show_envvar=bool(root and env),
                            envvar=env if root and env else None, **more)

    return [
        option("--redis", metavar="ADDRESS", env="REFERRAL_REDIS",
               callback=_set("redis", None),
               help="redis://[USER[:PASSWORD]@]HOST:PORT/DB, unix:///PATH or"
               f" HOST:PORT; {DEFAULT_REDIS} if not said."),
        option("--password-file", metavar="FILE",
               env="REFERRAL_PASSWORD_FILE", callback=_read_password,
               help="Its first line is Redis's password, unless the address"
               " holds one."),
        option("--prefix", metavar="TEXT", env="REFERRAL_PREFIX",
               callback=_set("prefix", None),
               help=f"Of all keys; {DEFAULT_PREFIX} if not said."),
        option("--json", is_flag=True, callback=_set("form", JSON),
               help="Answer in JSON."),
        option("--csv", is_flag=True, callback=_set("form", CSV),
               help="Answer in CSV."),
        option("--quiet", is_flag=True, env="REFERRAL_QUIET",
               callback=_set("quiet", True),
               help="No notes, only the answer and what went wrong."),
        option("--case-sensitive", is_flag=True,
               env="REFERRAL_CASE_SENSITIVE",
               callback=_set("case_sensitive", True),
               help="Take codes as they are, for a site that says"
               " \"referral_code_case sensitive\"; else they are written and"
               " looked up in lower case, as the module does."),
    ]


class Command(click.Command):
    """A command that takes the shared options too."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params.extend(shared_options(root=False))


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, root: bool = False, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params.extend(shared_options(root))

    def resolve_command(self, ctx: click.Context, args: list[str]
                        ) -> tuple[Any, Any, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            error.message = (error.message.rstrip(".")
                             + near(args[0], self.list_commands(ctx)))
            raise


class Choice(click.Choice):
    """One of some words; a word that is none is told what it was to be."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(words, case_sensitive=False)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            error.message = (error.message.rstrip(".")
                             + near(str(value), list(self.choices)))
            raise


pass_session = click.make_pass_decorator(Session, ensure=True)


def field_options(names: dict[str, str]) -> Callable[[Any], Any]:
    """An option for each field, and one that reads the rules from a file.
    The command gets them as "fields": those that were given."""
    def decorate(command: Any) -> Any:
        @wraps(command)
        def wrapped(*args: Any, **given: Any) -> Any:
            fields = {name: given.pop(name) for name in names}
            rules = given.pop("rules_file", None)

            if rules is not None:
                if fields["rules"] is not None:
                    raise Problem(USAGE, "give --rules or --rules-file, not"
                                  " both")
                fields["rules"] = _read_rules(rules)

            return command(*args, **given, fields={
                name: value for name, value in fields.items()
                if value is not None})

        options = [click.option(f"--{name.replace('_', '-')}", name,
                                metavar="TEXT", help=text)
                   for name, text in names.items()]

        if "rules" in names:
            options.append(click.option(
                "--rules-file", metavar="FILE",
                help="Reads the rules from a file; - is the standard"
                " input."))

        for option in reversed(options):
            wrapped = option(wrapped)

        return wrapped

    return decorate


def _read_rules(path: str) -> str:
    try:
        with click.open_file(path, "rb") as file:
            text = file.read(65536).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise Problem(USAGE, f"{path} cannot be read: {error.strerror}"
                      ) from None

    return "\n".join(text.splitlines())
