"""The options that every command takes, before its name or after it."""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable, Sequence

import click

from ..reports.days import GivenZone
from ..store.keys import DEFAULT_PREFIX
from ..store.session import DEFAULT_REDIS, Session
from ..text.output import CSV, JSON
from ..text.problem import USAGE, Problem, near


def _set(name: str, value: Any) -> Callable[..., None]:
    """A callback that stores the option's value in the session."""
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
    """The options; only at the root are they in --help and read from the
    environment."""
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
    """One of a list of words; for an unknown word the error suggests a similar
    one."""

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


def zone_options(command: Any) -> Any:
    """What nginx's configuration says; the command gets it as "given"."""
    @wraps(command)
    def wrapped(*args: Any, timezone: str | None, utc_offset: str | None,
                **more: Any) -> Any:
        return command(*args, given=GivenZone(timezone, utc_offset), **more)

    offset = click.option(
        "--utc-offset", metavar="+HH:MM", envvar="REFERRAL_UTC_OFFSET",
        show_envvar=True,
        help="What nginx's referral_utc_offset says, for a program that says"
        " neither timezone nor utc_offset.")
    name = click.option(
        "--timezone", metavar="NAME", envvar="REFERRAL_TIMEZONE",
        show_envvar=True,
        help="What nginx's referral_timezone says, likewise; it wins over"
        " --utc-offset.")

    return name(offset(wrapped))
