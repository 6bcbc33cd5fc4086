"""A command line that says what a command wants is read without typer, and as typer reads it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from odefit.cli import COMMANDS
from odefit.commands import app
from odefit.commands.quick import DoubtfulError, arguments_of, command_at

READ = """
fit c.yaml
fit c.yaml --no-plots
fit a.yaml b.yaml --plots --out=runs/x -q --verbose
fit --set fit.starts=1 c.yaml --set fit.seed=2 --starts 0:4 --time-limit 1.5h --from runs/a --resume
fit ./a/../c.yaml --only-beside --json --show --overwrite --accept-changes --part 1/3
check c.yaml
check c.yaml --gradients --identifiability --json
simulate c.yaml --out x.csv
profile runs/x
profile runs/x --level 0.9 --seconds 5
predict runs/x --out p.csv
compare runs/a runs/b --no-plots
compare runs/a runs/b --out x.csv --dates
report runs/x
runs
runs here
bootstrap runs/x --seconds 3
sample runs/x
symbols c.yaml
merge a b
solvers c.yaml --evaluations 10 --seconds 2
models
models lorenz --json
schema
"""
DOUBTFUL = """
fit
fit --help
fit c.yaml --nonsense
fit c.yaml --out
fit c.yaml --out --show
fit c.yaml --show=yes
fit c.yaml --out a --out b
fit c.yaml --time-limit soon
fit c.yaml -- --show
check a.yaml b.yaml
solvers c.yaml --evaluations 0
solvers c.yaml --evaluations 1e3
solvers c.yaml --seconds 0.5
"""


def read_by_typer(name: str, line: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def recording(place: str) -> Callable[..., None]:
        @functools.wraps(command_at(place))
        def command(**values: Any) -> None:
            found.update(values)

        return command

    monkeypatch.setattr(app, "command_at", recording)
    app.application({name: COMMANDS[name], "schema": COMMANDS["schema"]})([name, *line], standalone_mode=False)
    return found


@pytest.mark.parametrize("text", READ.strip().splitlines())
def test_what_is_read_here_is_read_as_by_typer(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, *line = text.split()
    assert arguments_of(command_at(COMMANDS[name]), line) == read_by_typer(name, line, monkeypatch)


@pytest.mark.parametrize("text", DOUBTFUL.strip().splitlines())
def test_what_is_wrong_or_unusual_is_left_to_typer(text: str) -> None:
    name, *line = text.split()
    with pytest.raises(DoubtfulError):
        arguments_of(command_at(COMMANDS[name]), line)


def test_completion_is_left_to_typer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_ODEFIT_COMPLETE", "complete_bash")
    with pytest.raises(DoubtfulError):
        arguments_of(command_at(COMMANDS["fit"]), ["c.yaml"])
