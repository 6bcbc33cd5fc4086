"""The command line: which commands there are, and how a command ends. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import sys
from collections import UserDict
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from odefit import undescribed_schemas
from odefit._version import __version__
from odefit.commands.ending import Endings
from odefit.commands.errors import INTERRUPTED, report

COMMANDS = {
    "fit": "fit.fit",
    "import": "files.import_",
    "export": "files.export",
    "merge": "merge.merge",
    "simulate": "files.simulate",
    "plot": "look.plot",
    "profile": "profile.profile",
    "predict": "predict.predict",
    "compare": "compare.compare",
    "design": "design.design",
    "discover": "discover.discover",
    "report": "report.report",
    "runs": "runs.runs",
    "bootstrap": "bootstrap.bootstrap",
    "sample": "sample.sample",
    "symbols": "symbols.symbols",
    "check": "look.check",
    "solvers": "look.solvers",
    "init": "init.init",
    "models": "look.models",
    "demo": "demo.demo",
    "schema": "files.schema",
}
"""By name, in the order of `odefit --help`: where each stands in `odefit.commands`, imported when it is asked for."""


class _Described(UserDict[str, Any]):
    """What typer makes of functions, of each when it is asked for: all of them take as long as to read a config."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            module, function = found.split(".")
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(name)(getattr(import_module(f"odefit.commands.{module}"), function))
            self[name] = found = typer.main.get_command(alone)
        return found


class _Commands(TyperGroup):
    """All commands."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Described(COMMANDS)

    def invoke(self, ctx: Any) -> object:
        """Run one; Ctrl-C in it is an exit code, which the one that knows what was reached has said itself."""
        undescribed_schemas.leave_out_types()  # which typer, and what reads configs, are about to import
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


app = typer.Typer(
    name="odefit",
    cls=_Commands,
    help="Fit the parameters of differential equations to time series, and say how sure you are.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"odefit {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Fit the parameters of differential equations to time series, and say how sure you are."""


def main() -> None:
    """The entry point: one error handler, distinct exit codes.

    2 input, 3 numerics, 4 a result that cannot be written, 124 --time-limit, 130 Ctrl-C, 128 + n another signal.
    """
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    # What a batch system or a shutdown sends deserves as orderly an end as Ctrl-C.
    endings = Endings()
    try:
        # Not standalone: `typer.Exit` comes back as a number, and errors come here.
        code = app([argument for argument in arguments if argument != "--debug"], standalone_mode=False) or 0
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        code = INTERRUPTED
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
