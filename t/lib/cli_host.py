#!/usr/bin/python3
"""Runs the commands of a test, for t/lib/Referral/Cli.pm.

A command is a child of this process, so Python and the command line's modules
are loaded once and not by each.  It has what a program of its own would have:
arguments, environment, files and an exit status.

    cli_host.py SCRIPT

Requests come on stdin, a line of JSON each: "args", "env", "stdin", "stdout",
"stderr".  The answer is the status that wait() gave.  Texts are bytes, each of
them a character.
"""

import importlib.machinery
import importlib.util
import json
import os
import sys


def text(value: str) -> str:
    return os.fsdecode(value.encode("latin-1"))


def become(request: dict, script: str) -> None:
    """Takes the place of a program that was just started."""
    os.environ.clear()

    for name, value in request["env"].items():
        os.environ[text(name)] = text(value)

    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC

    for number, name, flags in ((0, "stdin", os.O_RDONLY),
                                (1, "stdout", write), (2, "stderr", write)):
        opened = os.open(text(request[name]), flags, 0o666)
        os.dup2(opened, number)
        os.close(opened)

    sys.argv = [script] + [text(arg) for arg in request["args"]]


def end(status: int) -> None:
    """Ends without taking all that was loaded apart, which takes longest."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        status = 120

    os._exit(status)


def main() -> int:
    script = sys.argv[1]
    loader = importlib.machinery.SourceFileLoader("referral_script", script)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)

    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)

    for line in requests:
        pid = os.fork()

        if pid == 0:
            requests.close()
            answers.close()
            become(json.loads(line), script)

            end(module.main())

        answers.write(b"%d\n" % os.waitpid(pid, 0)[1])

    return 0


if __name__ == "__main__":
    sys.exit(main())
