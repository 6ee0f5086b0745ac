"""The whole command line: every command, and exceptions as exit codes; or,
for programs that answer with it, as a function."""

from __future__ import annotations

import io
import os
import sys
from typing import Sequence

import click
from redis.exceptions import RedisError

from .. import VERSION
from ..store.session import Session
from ..store.store import explain
from ..text.output import JSON, Output, say, stop_writing
from ..text.problem import (EXIT_CODES, INTERRUPTED, MACHINE, NEGATIVE, OK,
                            USAGE, Problem)
from .audit import audit
from .bots import bots
from .clicks import show_click, tail
from .compare import compare
from .conversions import conversions
from .convert import convert
from .forget import forget
from .friend import friend
from .funnel import funnel
from .hook import hook
from .journal import journal
from .key import key
from .known import known
from .ledger import ledger
from .link import link
from .link_test import test_link
from .options import Group
from .payout import payout
from .program import program
from .referrer import referrer
from .rejects import rejects
from .reset import reset
from .review import review
from .reward import reward
from .reward_show import show_reward as _show_reward  # noqa: F401
from .rewards import rewards
from .rewards_edit import set_rewards as _set  # noqa: F401
from .rewards_try import attempt as _attempt  # noqa: F401
from .settle import settle
from .stats import stats
from .top import top
from .wallet import wallet
from .wallet_show import show_wallet as _show_wallet  # noqa: F401


@click.group(cls=Group, root=True, epilog=EXIT_CODES)
@click.version_option(VERSION, message="nginx-referral %(version)s",
                      help="Say which version this is.")
def cli() -> None:
    """Programs, links and counts of nginx-referral, in Redis.

    Edits are live at once.  The options below may stand before a command's
    name or after it.  Redis's password comes with the address (better in
    REFERRAL_REDIS than on the command line, which others can see), in
    REFERRAL_PASSWORD or in a --password-file.

    Notes say what an answer means; in a table for people they stand below it,
    else they go to stderr.  --quiet leaves them out, which is good in cron:
    what is left on stderr is what went wrong.
    """


for command in (program, link, referrer, show_click, stats, top, compare,
                funnel, audit, tail, convert, conversions, ledger, friend,
                known, rejects, forget, reset, journal, bots, rewards, wallet,
                reward, review, payout, settle, hook, key):
    cli.add_command(command)

link.add_command(test_link)


def main(args: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    # a caller that closed stdout or stderr does not want the output
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
        stop_writing(sys.stdout)
        return OK
    except OSError as error:
        stop_writing(sys.stdout)
        return complain(unwritten(error), MACHINE)
    except Exception as error:  # pylint: disable=broad-except
        return complain(f"a fault of this program: {type(error).__name__}:"
                        f" {error}; please report it with the command that"
                        " you gave", MACHINE)

    return result if isinstance(result, int) else OK


def call(session: Session, args: Sequence[str]) -> str:
    """What the command answers with --json; raises Problem where it would
    have said one."""
    written = io.StringIO()
    session.form = JSON
    session.output = Output(JSON, quiet=True)
    session.output.out = written
    session.output.terminal = False

    try:
        cli.main(args=list(args), prog_name="nginx-referral", obj=session,
                 standalone_mode=False)
    except Problem as problem:
        # "no" may be an answer, such as whether somebody is known
        if problem.code != NEGATIVE or not written.getvalue():
            raise
    except click.ClickException as error:
        raise Problem(USAGE, error.format_message().rstrip(".")) from None
    except RedisError as error:
        raise explain(error) from None

    return written.getvalue()


def complain(text: str, code: int) -> int:
    """Prints the problem below what was written of an answer; returns the exit
    code."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        stop_writing(sys.stdout)
    except OSError as error:
        stop_writing(sys.stdout)
        say(text)
        text, code = unwritten(error), MACHINE

    say(text)

    return code


def unwritten(error: OSError) -> str:
    return f"the answer cannot be written: {error.strerror or error}"


def usage(error: click.UsageError) -> int:
    where = error.ctx.command_path if error.ctx else "nginx-referral"

    return complain(f"{error.format_message().rstrip('.')}; \"{where} --help\""
                    " tells more", USAGE)
