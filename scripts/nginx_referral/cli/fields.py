"""The fields of a program, a link, a referrer, as options and in an answer."""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable

import click

from ..text.problem import USAGE, Problem


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


def in_order(fields: dict[str, Any], order: Any) -> dict[str, Any]:
    """The known fields first, then fields that somebody added by hand."""
    known = {name: fields[name] for name in order if name in fields}
    more = {name: fields[name] for name in sorted(fields)
            if name not in known}

    return {**known, **more}
