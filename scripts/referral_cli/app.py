"""The command line, whole."""

from __future__ import annotations

import os
import sys

import click
from redis.exceptions import RedisError

from .audit import audit
from .bots import bots
from .compare import compare
from .forget import forget
from .frame import Group, Session
from .journal import journal
from .link import link
from .output import safe
from .problem import EXIT_CODES, INTERRUPTED, MACHINE, OK, USAGE, Problem
from .program import program
from .referrer import referrer
from .report import show_click, tail
from .reset import reset
from .stats import stats
from .store import explain
from .top import top


@click.group(cls=Group, root=True, epilog=EXIT_CODES)
def cli() -> None:
    """Programs, links and counts of nginx-referral, in Redis.

    Edits are live at once.  The options below may stand before a command's
    name or after it.  Redis's password comes with the address (better in
    REFERRAL_REDIS than on the command line, which others can see), in
    REFERRAL_PASSWORD or in a --password-file.
    """


for command in (program, link, referrer, show_click, stats, top, compare,
                audit, tail, forget, reset, journal, bots):
    cli.add_command(command)


def main(args: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    # who closed them wants to read nothing
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    session = Session(password=os.environ.get("REFERRAL_PASSWORD", ""))

    try:
        result = cli.main(args=args, prog_name="nginx-referral", obj=session,
                          standalone_mode=False)
        sys.stdout.flush()
    except Problem as problem:
        return complain(str(problem), problem.code)
    except RedisError as error:
        refusal = explain(error)
        return complain(str(refusal), refusal.code)
    except click.UsageError as error:
        return usage(error)
    except click.ClickException as error:
        return complain(error.format_message(), USAGE)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # click exits with 1, "not found", when a pipe is closed
        return stop_writing()
    except OSError as error:
        return complain(f"the answer cannot be written: {error.strerror}",
                        MACHINE)
    except Exception as error:  # pylint: disable=broad-except
        return complain(f"a fault of this program: {type(error).__name__}:"
                        f" {error}; please report it with the command that"
                        " you gave", MACHINE)

    return result if isinstance(result, int) else OK


def complain(text: str, code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        stop_writing()

    print(f"nginx-referral: {safe(text)}", file=sys.stderr)

    return code


def usage(error: click.UsageError) -> int:
    where = error.ctx.command_path if error.ctx else "nginx-referral"

    return complain(f"{error.format_message().rstrip('.')}; \"{where} --help\""
                    " tells more", USAGE)


def stop_writing() -> int:
    """Whoever read the answer had enough; the interpreter must not complain
    when it closes the pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return OK
