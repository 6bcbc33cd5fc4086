"""What a command says of an error, and the exit code that follows."""

from __future__ import annotations

import errno

import typer

from odefit.errors import InputError, OdefitError, StorageError

PYTORCH = ("torch", "torchdiffeq")
"""Installed with odefit, but equations are fitted, checked and drawn without them."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Why nothing more can be written to where the output goes."""


def report(error: Exception, debug: bool) -> int:
    """Say what went wrong, one line per fault, and give the exit code."""
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, InputError):
        for fault in error.faults:
            typer.echo(f"error: {fault}", err=True)
        return error.exit_code
    if isinstance(error, OdefitError):
        typer.echo(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in FULL:  # of a file the error would say which
        typer.echo(f"error: the output cannot be written: {(error.strerror or str(error)).lower()}", err=True)
        return StorageError.exit_code
    if isinstance(error, MemoryError):
        typer.echo(f"error: not enough memory for this problem ({error}): fewer experiments or parameters", err=True)
        return OdefitError.exit_code
    if isinstance(error, ModuleNotFoundError) and error.name in PYTORCH:
        what = "networks, `fit.method: adam` and the solvers of torchdiffeq need PyTorch, which is not installed"
        typer.echo(f"error: {what}: pip install {' '.join(PYTORCH)}", err=True)
        return InputError.exit_code
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(code, int):  # click's own usage errors
        show()
        return code
    typer.echo(f"error: odefit failed in a way it should not: {type(error).__name__}: {error}", err=True)
    typer.echo("Run again with --debug to see where, and please report it.", err=True)
    return 1
