"""What a command says of an error, and the exit code that follows."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import typer

from odefit.errors import NO_ROOM, InputError, OdefitError, StorageError

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes of a fit that was interrupted: by Ctrl-C, by SIGTERM."""

PYTORCH = ("torch", "torchdiffeq")
"""Installed with odefit, but equations are fitted, checked and drawn without them."""


def report(error: Exception, debug: bool, json: bool = False) -> int:
    """Say what went wrong, one line per fault, and give the exit code. json: print it as a document, too."""
    if debug:
        import traceback

        traceback.print_exception(error)
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if not isinstance(error, OdefitError) and callable(show) and isinstance(code, int):  # click's own usage errors
        with suppress(OSError):
            show()
    else:
        code, lines = _said_of(error)
        for line in lines:
            _say(line)
    if json:
        from odefit.documents import text_of

        with suppress(OSError):
            typer.echo(text_of(failed(error, code)))
    return code


def failed(error: Exception, code: int | None = None) -> dict[str, Any]:
    """What `--json` prints of an error; code: by which the command ends, where that is not the error's own."""
    if isinstance(error, InputError):
        said = [{"where": fault.where, "what": fault.what} for fault in error.faults]
    else:
        message = getattr(error, "message", None)  # click's
        said = [{"where": "", "what": str(message or error) or type(error).__name__}]
    return {"errors": said, "exit_code": _said_of(error)[0] if code is None else code}


def _said_of(error: Exception) -> tuple[int, list[str]]:
    """The exit code, and a line for each fault."""
    if isinstance(error, InputError):
        return error.exit_code, [f"error: {fault}" for fault in error.faults]
    if isinstance(error, OdefitError):
        return error.exit_code, [f"error: {error}"]
    if isinstance(error, OSError) and error.errno in NO_ROOM:  # of a file the error would say which
        what = f"error: the output cannot be written: {(error.strerror or str(error)).lower()}"
        return StorageError.exit_code, [what]
    if isinstance(error, MemoryError):
        what = f"error: not enough memory for this problem ({error}): fewer experiments or parameters"
        return OdefitError.exit_code, [what]
    if isinstance(error, ModuleNotFoundError) and error.name in PYTORCH:
        what = "networks, `fit.method: adam` and the solvers of torchdiffeq need PyTorch, which is not installed"
        return InputError.exit_code, [f"error: {what}: pip install {' '.join(PYTORCH)}"]
    what = f"error: odefit failed in a way it should not: {type(error).__name__}: {error}"
    return 1, [what, "Run again with --debug to see where, and please report it."]


def _say(line: str) -> None:
    """A line of an error, whose exit code stands whether it can be read or not."""
    with suppress(OSError):
        typer.echo(line, err=True)
