"""What a command says of an error, and the exit code that follows."""

from __future__ import annotations

from contextlib import suppress

import typer

from odefit.errors import NO_ROOM, InputError, OdefitError, StorageError

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes of a fit that was interrupted: by Ctrl-C, by SIGTERM."""

PYTORCH = ("torch", "torchdiffeq")
"""Installed with odefit, but equations are fitted, checked and drawn without them."""


def report(error: Exception, debug: bool) -> int:
    """Say what went wrong, one line per fault, and give the exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, InputError):
        for fault in error.faults:
            _say(f"error: {fault}")
        return error.exit_code
    if isinstance(error, OdefitError):
        _say(f"error: {error}")
        return error.exit_code
    if isinstance(error, OSError) and error.errno in NO_ROOM:  # of a file the error would say which
        _say(f"error: the output cannot be written: {(error.strerror or str(error)).lower()}")
        return StorageError.exit_code
    if isinstance(error, MemoryError):
        _say(f"error: not enough memory for this problem ({error}): fewer experiments or parameters")
        return OdefitError.exit_code
    if isinstance(error, ModuleNotFoundError) and error.name in PYTORCH:
        what = "networks, `fit.method: adam` and the solvers of torchdiffeq need PyTorch, which is not installed"
        _say(f"error: {what}: pip install {' '.join(PYTORCH)}")
        return InputError.exit_code
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(code, int):  # click's own usage errors
        with suppress(OSError):
            show()
        return code
    _say(f"error: odefit failed in a way it should not: {type(error).__name__}: {error}")
    _say("Run again with --debug to see where, and please report it.")
    return 1


def _say(line: str) -> None:
    """A line of an error, whose exit code stands whether it can be read or not."""
    with suppress(OSError):
        typer.echo(line, err=True)
