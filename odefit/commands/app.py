"""All commands as an application of typer: for help, for completion, and for what a command line has wrong."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from odefit._version import __version__
from odefit.commands.quick import command_at
from odefit.commands.wording import BadParameter, Exit, Said


class _Commands(TyperGroup):
    """All commands."""

    def invoke(self, ctx: Any) -> object:
        """Run one; Ctrl-C in it is an exit code, which the one that knows what was reached has said itself."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Abort from None


def application(commands: Mapping[str, str]) -> typer.Typer:
    """The application. commands: of each name the module in here, and its function: `fit:fit`."""
    app = typer.Typer(
        name="odefit",
        cls=_Commands,
        help="Fit the parameters of differential equations to time series, and say how sure you are.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
    )
    app.callback()(_options)
    for name, place in commands.items():
        app.command(name)(_in_typer(command_at(place)))
    return app


def _version(value: bool) -> None:
    if value:
        typer.echo(f"odefit {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Fit the parameters of differential equations to time series, and say how sure you are."""


def _in_typer(command: Callable[..., None]) -> Callable[..., None]:
    """The same command, declared and ended in the words of typer."""
    hints = typing.get_type_hints(command, include_extras=True)

    @functools.wraps(command)
    def called(**values: Any) -> None:
        try:
            command(**values)
        except Exit as end:
            raise typer.Exit(end.exit_code) from None

    signature = inspect.signature(command)
    parameters = [one.replace(annotation=_hint(hints[name])) for name, one in signature.parameters.items()]
    called.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    return called


def _hint(hint: Any) -> Any:
    """The type of a parameter, with what is said of it in the words of typer."""
    said = getattr(hint, "__metadata__", (None,))[0]
    if not isinstance(said, Said):
        return hint
    more, parser = dict(said.said), said.said.get("parser")
    if parser is not None:

        @functools.wraps(parser)
        def parsed(text: Any) -> Any:
            try:
                return parser(text)
            except BadParameter as error:
                raise typer.BadParameter(str(error)) from None

        more["parser"] = parsed
    word: Any = typer.Option if said.names else typer.Argument
    return Annotated[hint.__origin__, word(*said.names, **more)]
