"""What an operation takes, read from its command: the one declaration that
checks a request and describes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import click

from ..cli.app import cli
from ..text.problem import near
from .operations import HOW, LEFT_OUT, MONEY, RENAMED, Operation

LENGTH_MAX = 512
TIMES_MAX = 16
AMOUNT = {"type": "integer", "minimum": 0, "maximum": 2 ** 53 - 1}
CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class Mistake:
    """One of the mistakes of a request."""

    parameter: str
    code: str
    detail: str


@dataclass(frozen=True)
class Parameter:
    """"option" is empty for an argument of the command."""

    name: str
    option: str
    place: str
    required: bool
    multiple: bool
    help: str
    schema: Mapping[str, Any]

    def mistakes(self, values: Sequence[str]) -> list[Mistake]:
        if len(values) > (TIMES_MAX if self.multiple else 1):
            return [Mistake(self.name, "repeated", "it is given too often")]

        return [Mistake(self.name, *wrong) for wrong
                in map(self._wrong, values) if wrong]

    def _wrong(self, value: str) -> tuple[str, str] | None:
        if len(value) > LENGTH_MAX:
            return "too_long", f"at most {LENGTH_MAX} characters"

        if CONTROLS.search(value):
            return "characters", "control characters or no UTF-8"

        if not value and not self.option:
            return "empty", "it is empty"

        words = self.schema.get("enum")

        if words and value not in words:
            return "unknown_value", (f"one of {', '.join(words)}"
                                     + near(value, words))

        if self.schema["type"] == "boolean" and value not in ("true", "false"):
            return "boolean", "true or false"

        if self.schema["type"] == "integer":
            return self._wrong_number(value)

        return None

    def _wrong_number(self, value: str) -> tuple[str, str] | None:
        least = self.schema.get("minimum", 0)
        most = self.schema.get("maximum", 1000000)

        if re.fullmatch(r"[0-9]{1,16}", value) and least <= int(value) <= most:
            return None

        return "integer", f"a number from {least} to {most}"


def command_of(operation: Operation) -> click.Command:
    found: click.Command = cli

    for word in operation.command:
        assert isinstance(found, click.Group)
        found = found.commands[word]

    return found


def parameters(operation: Operation) -> list[Parameter]:
    """In the order of the command.  An argument that the path does not name
    and that the command does not need is of another operation."""
    hidden = LEFT_OUT.get(operation.command, set())
    in_path = operation.in_path
    found: list[Parameter] = []

    for one in command_of(operation).params:
        argument = isinstance(one, click.Argument)
        name = _name(one, in_path)

        if (name in hidden or operation.posts and not argument and name in HOW
                or not one.expose_value and name not in HOW
                or not operation.posts and argument and name not in in_path
                and not one.required):
            continue

        if operation.posts:
            name = RENAMED.get(name, name)

        found.append(Parameter(
            name, "" if argument else one.opts[-1],
            "path" if name in in_path else
            "body" if operation.posts else "query",
            one.required or name in in_path, one.multiple,
            getattr(one, "help", None) or "",
            AMOUNT if operation.posts and name in MONEY else _schema(one)))

    return found


def _name(one: click.Parameter, in_path: Sequence[str]) -> str:
    if isinstance(one, click.Argument):
        # "program show" calls its program NAME
        return ("program" if one.name == "name" and in_path == ["program"]
                else str(one.name))

    return one.opts[-1].lstrip("-").replace("-", "_")


def _schema(one: click.Parameter) -> dict[str, Any]:
    if isinstance(one.type, click.Choice):
        return {"type": "string", "enum": list(one.type.choices)}

    if isinstance(one.type, click.IntRange):
        return {"type": "integer",
                "minimum": 0 if one.type.min is None else int(one.type.min),
                "maximum": (1000000 if one.type.max is None
                            else int(one.type.max))}

    if getattr(one, "is_flag", False):
        return {"type": "boolean"}

    return {"type": "string", "maxLength": LENGTH_MAX}


def read(operation: Operation, path: Mapping[str, str],
         given: Mapping[str, list[str]]) -> tuple[list[str], list[Mistake]]:
    """The command's words, or all mistakes; "given" is what query or body
    say."""
    known = {one.name: one for one in parameters(operation)}
    mistakes = [Mistake(name[:64], "unknown", "there is no such parameter"
                        + near(name, [one.name for one in known.values()
                                      if one.place != "path"]))
                for name in given
                if name not in known or known[name].place == "path"]
    options: list[str] = []
    arguments: list[str] = []

    for name, one in known.items():
        values = [path[name]] if one.place == "path" else given.get(name, [])

        if one.required and not values:
            mistakes.append(Mistake(name, "missing", "it must be given"))

        mistakes += one.mistakes(values)

        if not one.option:
            arguments += values

        elif one.schema["type"] == "boolean":
            options += [one.option for value in values if value == "true"]

        else:
            options += [f"{one.option}={value}" for value in values]

    return [*operation.command, *options, "--", *arguments], mistakes
