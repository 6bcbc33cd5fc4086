"""The command line: which commands there are, and how a command ends. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from odefit.commands.ending import Endings
from odefit.commands.errors import interrupted, report
from odefit.commands.quick import DoubtfulError, arguments_of, command_at
from odefit.commands.wording import Exit

COMMANDS = {
    "fit": "fit:fit",
    "import": "files:import_",
    "export": "files:export",
    "merge": "merge:merge",
    "simulate": "files:simulate",
    "plot": "look:plot",
    "profile": "profile:profile",
    "predict": "predict:predict",
    "compare": "compare:compare",
    "design": "design:design",
    "discover": "discover:discover",
    "report": "report:report",
    "runs": "runs:runs",
    "bootstrap": "bootstrap:bootstrap",
    "sample": "sample:sample",
    "symbols": "symbols:symbols",
    "check": "look:check",
    "solvers": "look:solvers",
    "init": "init:init",
    "models": "look:models",
    "demo": "demo:demo",
    "schema": "files:schema",
}
"""Of each command the module in `odefit/commands`, and its function; help lists them in this order."""


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    from odefit.commands.app import application

    return application(COMMANDS)


def _asked(line: Sequence[str]) -> Callable[[], int | None]:
    """What a command line asks for."""
    if line and line[0] in COMMANDS:
        command = command_at(COMMANDS[line[0]])
        with suppress(DoubtfulError):
            return partial(command, **arguments_of(command, line[1:]))
    from odefit.commands.app import application

    # Not standalone: an exit comes back as a number, and errors come to `main`.
    return partial(application(COMMANDS), list(line), standalone_mode=False)


def main() -> None:
    """The entry point: one error handler, distinct exit codes.

    2 input, 3 numerics, 4 a result that cannot be written, 124 --time-limit, 130 Ctrl-C, 128 + n another signal.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    # What a batch system or a shutdown sends deserves as orderly an end as Ctrl-C.
    endings = Endings()
    try:
        code = _asked([argument for argument in arguments if argument != "--debug"])() or 0
    except Exit as end:
        code = end.exit_code
    except KeyboardInterrupt:
        code = interrupted()
    except Exception as error:
        code = report(error, debug, "--json" in arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        from odefit.screen import unread

        unread(sys.stdout)
        if not isinstance(error, BrokenPipeError):  # which is `odefit check … | head`
            code = report(error, debug)
    code = endings.code(code)
    endings.is_over(code)
    sys.exit(code)


def run() -> None:
    """What the command `odefit` runs: `main` in a process of its own."""
    from odefit.process_end import run_and_end

    run_and_end(main)


if __name__ == "__main__":
    run()
