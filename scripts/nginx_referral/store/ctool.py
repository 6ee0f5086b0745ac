"""Asks the C programs that hold the module's own rules, which are therefore
not repeated in Python."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Mapping, Sequence

from ..text.output import Output
from ..text.problem import MACHINE, REFUSED, Problem, near
from .store import BATCH, batches

TOOL = "referral_link_test"
TIMEOUT = 60

# where this package is: installed from the Debian package, or in a checkout
HERE = Path(__file__).resolve().parents[2]
INSTALLED = HERE == Path("/usr/share/nginx-referral")
INSTALLED_TOOLS = "/usr/lib/nginx-referral"
REMEDY = ("install the package libnginx-mod-http-referral again" if INSTALLED
          else "build it with scripts/build")

Complaint = dict[str, Any]

# options of "link test" that the C program knows by other names
REQUEST = {"lang": "accept_language", "query": "args"}

# an example of each, for messages
EXAMPLES = {"country": "JP", "region": "JP-13", "lang": "ja",
            "device": "mobile", "os": "ios", "app": "line",
            "channel": "mail", "segment": "vip"}

# in a message of the C program: the words that would be right
OFFERED = re.compile(r": there are (.*)|must be ([a-z]+(?:, [a-z]+)+.*)")


class Rules:
    """The module's rules, as the C program applies them."""

    def check(self, kind: str,
              items: Sequence[tuple[str, Mapping[str, str]]]
              ) -> list[list[str]]:
        """What is wrong with each of these programs, links or referrers, by
        name (empty: it has none yet) and fields; an empty list for what is
        right."""
        if not items:
            return []

        label = "@code" if kind == "link" else f"@{kind}"
        hashes = [{**({label: name} if name else {}), **fields}
                  or {label[1:]: ""} for name, fields in items]
        text = b"0:,0:,".join(map(_strings, hashes))
        lines = self._run(["--check", kind], text).splitlines()
        answers = [_parse(line) for line in lines]

        if len(answers) == len(items) and all(isinstance(answer, list)
                                              for answer in answers):
            return [[_sentence(complaint, fields) for complaint in answer]
                    for answer, (_, fields) in zip(answers, items)]

        # an item that spoils the whole answer is found by asking for each
        # alone
        if len(items) > 1:
            return [self.check(kind, [item])[0] for item in items]

        if answers and isinstance(answers[-1], dict):
            return [[str(answers[-1].get("error"))]]

        raise broken(TOOL, "its answer is not understood")

    def must(self, kind: str, name: str, fields: Mapping[str, str]) -> None:
        """Raises a problem if a program, link or referrer is wrong."""
        complaints = self.check(kind, [(name, fields)])[0]

        if complaints:
            raise Problem(REFUSED, "refused, nothing was written: "
                          + "; ".join(complaints))

    def possible(self, name: str, value: str, said: str) -> None:
        """Raises a problem for a value that no visitor can have."""
        # a rule takes a list of words; here it must be one
        complaints = (self.wrong("rules", f"{name}={value} https://shop"
                                 ".example.com/")
                      if re.fullmatch(r"[^\s,!#][^\s,]*", value)
                      else [f"one {name}, like {EXAMPLES[name]}"])

        if complaints:
            raise Problem(REFUSED, f"not tried: {said}: {complaints[0]}")

    def wrong(self, field: str, value: str) -> list[str]:
        """What is wrong with a link's field; "code" is its name."""
        item = ((value, {}) if field == "code" else ("", {field: value}))

        return [complaint.partition(": ")[2]
                for complaint in self.check("link", [item])[0]]

    def read(self, what: str, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Each of these dates, days, offsets or units as the module reads it,
        or "problem" and what would be right."""
        if not texts:
            return []

        text = b"0:,0:,".join(_strings({what: text}) for text in texts)
        answers = [_parse(line)
                   for line in self._run(["--read"], text).splitlines()]

        if len(answers) != len(texts) or not all(
                isinstance(answer, dict) and "error" not in answer
                for answer in answers):
            raise broken(TOOL, "its answer is not understood")

        return answers

    def warn(self, output: Output, kind: str, name: str,
             fields: Mapping[str, str]) -> None:
        """Notes what is wrong with values that are in Redis already."""
        try:
            complaints = self.check(kind, [(name, fields)])[0]
        except Problem as problem:
            output.note(f"these values were not checked: {problem}")
            return

        for complaint in complaints:
            output.note(f"the module does not take this: {complaint}")

    def test(self, program: str, code: str,
             hashes: Sequence[Mapping[str, str]],
             request: Mapping[str, Any],
             defaults: Mapping[str, str]) -> dict[str, Any]:
        """Where this click would lead; the hashes are those of program, link
        and referrer."""
        fields = {"click.program": program, "click.code": code}

        for of, values in zip(("program", "link", "referrer"), hashes):
            fields.update({f"{of}.{name}": value
                           for name, value in values.items()})

        fields.update({f"click.{REQUEST.get(name, name)}": str(value)
                       for name, value in request.items()
                       if value is not None})
        fields.update({f"default.{name}": value
                       for name, value in defaults.items() if value})

        return self._asked([fields])[0]

    def states(self, program: Mapping[str, str],
               links: Sequence[Mapping[str, str]]) -> list[str]:
        """What a click on each of these links would be now, by their dates
        alone: "ended", "not_started" or "landing"."""
        said = {name: value for name, value in (
            ("program.timezone", program.get("timezone")),
            ("program.utc_offset", program.get("utc_offset")),
            ("default.landing", "https://shop.example.com/")) if value}
        known: dict[tuple[str, str], str] = {("", ""): "landing"}
        pairs = [(link.get("starts", ""), link.get("ends", ""))
                 for link in links]

        for part in batches(dict.fromkeys(pair for pair in pairs
                                          if pair not in known), BATCH):
            answers = self._asked([
                {**said, "click.program": "x", "click.code": "x",
                 "link.starts": starts, "link.ends": ends}
                for starts, ends in part])
            known.update(zip(part, (str(answer["result"])
                                    for answer in answers)))

        return [known[pair] for pair in pairs]

    def _asked(self, clicks: Sequence[Mapping[str, str]]
               ) -> list[dict[str, Any]]:
        """The answer to each of these clicks."""
        text = b"0:,0:,".join(map(_strings, clicks))
        answers = list(map(_parse, self._run([], text).splitlines()))

        for answer in answers:
            if isinstance(answer, dict) and "error" in answer:
                raise Problem(REFUSED, f"not tried: {answer['error']}")

        if len(answers) != len(clicks) or not all(isinstance(answer, dict)
                                                  for answer in answers):
            raise broken(TOOL, "its answer is not understood")

        return answers

    def _run(self, args: Sequence[str], text: bytes) -> bytes:
        command = [str(find_tool()), *args]

        try:
            done = subprocess.run(command, input=text, timeout=TIMEOUT,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=False,
                                  start_new_session=True)
        except subprocess.TimeoutExpired:
            raise broken(TOOL, f"it gave no answer in {TIMEOUT} s") from None
        except OSError as error:
            raise broken(TOOL, f"it does not run: {error.strerror}") from None

        if done.returncode not in (0, 1, 2):
            raise broken(TOOL, f"it ended with status {done.returncode}")

        return done.stdout


def find_tool(name: str = TOOL, does: str = "holds the module's rules"
              ) -> Path:
    """The path of a C program; a problem if it is missing."""
    place = Path(os.environ.get("REFERRAL_TOOLS")
                 or (INSTALLED_TOOLS if INSTALLED else HERE.parent / "build"))

    if os.access(place / name, os.X_OK):
        return place / name

    raise Problem(MACHINE, f"{name}, which {does}, is not in {place};"
                  f" {REMEDY}; if it is elsewhere, name its directory in"
                  " REFERRAL_TOOLS")


def broken(name: str, why: str) -> Problem:
    """The problem of a C program that fails or answers nonsense."""
    return Problem(MACHINE, f"{name} is broken ({why}); {REMEDY}")


def _strings(fields: Mapping[str, str]) -> bytes:
    """Names and values as length, colon, bytes, comma."""
    parts = []

    for pair in fields.items():
        for text in pair:
            data = text.encode("utf-8", "surrogateescape")
            parts.append(b"%d:%s," % (len(data), data))

    return b"".join(parts)


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _sentence(complaint: Complaint, fields: Mapping[str, str]) -> str:
    field = str(complaint.get("field", "")).lstrip("@")
    line = complaint.get("line")
    problem = str(complaint.get("problem"))

    return (field + (f", line {line}" if line else "") + f": {problem}"
            + _wrong_word(problem, fields.get(field, ""), int(line or 0)))


def _wrong_word(problem: str, value: str, line: int) -> str:
    """If the message lists the right words: which word of the value is wrong,
    and which one may have been meant."""
    found = OFFERED.search(problem)

    if not found:
        return ""

    offered = re.findall(r"[a-z_]+", re.sub(r"\b(and|or)\b", "",
                                            found[1] or found[2]))
    text = "".join(value.split("\n")[line - 1:line]) if line else value

    if "placeholder" in problem:
        given = re.findall(r"\{([^{}|]*)", text)
    elif "condition" in problem:
        given = re.findall(r"(?:^|\s)([\w.-]+)=", text, re.ASCII)
    else:
        given = [word.removeprefix("!") for words in re.findall(
                     rf"(?:^|\s){problem.split()[0]}=(\S+)", text)
                 for word in words.split(",")]

    wrong = [word for word in given if word.lower() not in offered]

    return (f"; {wrong[0]!r} is none of them{near(wrong[0], offered)}"
            if wrong else "")
