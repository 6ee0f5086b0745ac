"""Where a click would lead, without counting it."""

from __future__ import annotations

from typing import Any, Mapping

import click

from ..store.session import Session
from ..text.problem import NEGATIVE, Problem
from .options import Command, pass_session


@click.command("test", cls=Command)
@click.argument("program", metavar="PROGRAM")
@click.argument("code")
@click.option("--country", metavar="CC", help="Like JP.")
@click.option("--region", metavar="TEXT", help="Like JP-13.")
@click.option("--city", metavar="TEXT")
@click.option("--lang", metavar="TEXT",
              help="What the browser prefers: ja, or a whole"
              " Accept-Language.")
@click.option("--device", metavar="WORD", help="Like mobile.")
@click.option("--os", metavar="WORD", help="Like ios.")
@click.option("--app", metavar="WORD", help="Like line.")
@click.option("--user-agent", metavar="TEXT",
              help="Gives device, os and app where they are not said.")
@click.option("--channel", metavar="WORD", help="Like mail.")
@click.option("--visitor", metavar="ID",
              help="Whose bucket; as in the events.")
@click.option("--bucket", type=click.IntRange(0, 99), metavar="0-99",
              help="The bucket itself.")
@click.option("--at", metavar="TIME", help="Instead of now, like"
              " 2026-12-24T18:00Z.")
@click.option("--query", metavar="TEXT",
              help="The visitor's own arguments, where"
              " referral_forward_args is on.")
@click.option("--default-landing", metavar="URL",
              help="The configuration's referral_landing.")
@click.option("--default-args", metavar="TEXT",
              help="The configuration's referral_landing_args.")
@click.option("--default-fallback", metavar="URL",
              help="The configuration's referral_fallback.")
@click.option("--allow", metavar="HOST", multiple=True,
              help="The configuration's referral_allow; without it every"
              " host is allowed here.")
@pass_session
def test_link(session: Session, program: str, code: str,
              default_landing: str | None, default_args: str | None,
              default_fallback: str | None, allow: tuple[str, ...],
              **request: Any) -> None:
    """Where would this visitor land, and why?

    Nothing is counted.  What stands in nginx's configuration only is not
    known here: say it with --default-landing and its neighbours.
    """
    keys = session.keys(program)
    code = session.code(code)
    redis = session.store.redis

    for name in ("country", "region", "device", "os", "app", "channel"):
        if request.get(name):
            session.rules.possible(name, request[name],
                                   f"--{name} {request[name]!r}")

    with redis.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.program)
        pipe.hgetall(keys.link(code))
        hashes = pipe.execute()

    referrer = hashes[1].get("referrer")
    hashes.append(redis.hgetall(keys.referrer(referrer)) if referrer else {})

    answer = session.rules.test(program, code, hashes, request, {
        "landing": default_landing or "", "landing_args": default_args or "",
        "fallback": default_fallback or "", "allow": " ".join(allow)})

    session.output.record(explain(answer) if session.output.for_people
                          else answer)

    if not answer.get("landed"):
        raise Problem(NEGATIVE, "this visitor would not reach a landing:"
                      f" {answer.get('refused') or answer.get('result')}"
                      + advice(answer, default_landing, default_fallback))


def advice(answer: Mapping[str, Any], landing: str | None,
           fallback: str | None) -> str:
    """Which option would tell what only nginx's configuration says."""
    name = ("landing" if answer.get("result") in ("landing", "refused")
            else "fallback")

    if answer.get("from") or (landing if name == "landing" else fallback):
        return ""

    return (f"; if nginx's configuration has a referral_{name}, say it with"
            f" --default-{name}")


def explain(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer of the C program, reworded for people."""
    chosen = str(answer.get("from") or "nothing says where to")

    if answer.get("line"):
        chosen += f", line {answer['line']}"

    tried = [f"{rule.get('of')} rule, line {rule.get('line')}: "
             + ("matches" if rule.get("matched")
                else f"no, {rule.get('why')}")
             for rule in answer.get("rules", [])]

    wrong = [f"{item.get('of')} {item.get('field')}"
             + (f", line {item['line']}" if item.get("line") else "")
             + f": {item.get('problem')}"
             for item in answer.get("complaints", [])]

    shown = {"result": answer.get("result"), "goes to": answer.get("url"),
             "because": chosen, "variant": answer.get("variant"),
             "refused": answer.get("refused"), "tried": "\n".join(tried),
             "with": {name: value for name, value
                      in answer.get("values", {}).items()
                      if value not in ("", None)},
             "class": answer.get("class"), "not taken": "\n".join(wrong)}

    return {name: value for name, value in shown.items() if value}
