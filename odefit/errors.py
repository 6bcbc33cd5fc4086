"""Everything that can go wrong, sorted by whose turn it is to act.

The command line turns these into one line each and an exit code; nothing else prints or exits.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from odefit.records import dataclass
from odefit.text import printable

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What the system says where nothing more can be written."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with the user's input: where it stands, and what to do about it."""

    where: str
    what: str

    def __post_init__(self) -> None:
        # Whatever text of the user's is quoted, a fault is one line, and no command to a terminal; only a formula is
        # shown below, on lines of its own.
        object.__setattr__(self, "where", printable(self.where))
        object.__setattr__(self, "what", "\n    ".join(map(printable, self.what.split("\n    "))))

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class OdefitError(Exception):
    """Base of every error that odefit raises on purpose.

    Examples
    --------
    >>> import odefit
    >>> try:
    ...     odefit.load_run("no such folder")
    ... except odefit.OdefitError as error:
    ...     print(error)
    no such folder: does not exist: give the folder that `odefit fit` wrote; `odefit runs` lists them
    """

    exit_code = 3


class InputError(OdefitError):
    """The user's input is at fault: every fault that was found, not only the first.

    `InputError("data.csv:3", "…")` states one fault, `InputError(faults=[...])` several.

    Examples
    --------
    >>> import odefit
    >>> try:
    ...     odefit.check({"model": {"equations": {"x": "-k*x"}}, "data": {"csv": "d.csv"}, "fit": {"starts": 0}})
    ... except odefit.InputError as error:
    ...     for fault in error.faults:
    ...         print(fault.where, "|", fault.what)
    fit.starts | must be at least 1 (got 0)
    """

    exit_code = 2

    def __init__(self, where: str = "", what: str = "", *, faults: Sequence[Fault] = ()) -> None:
        self.faults = tuple(faults) or (Fault(where, what),)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ConfigError(InputError):
    """The YAML file or the mapping, or an option that overrides it.

    Examples
    --------
    >>> import odefit
    >>> try:
    ...     odefit.check({"model": {"equations": {"x": "-k*x"}}, "data": {"csv": "d.csv"}}, ["fit.strats=2"])
    ... except odefit.ConfigError as error:
    ...     print(error)
    --set fit.strats: unknown key; did you mean 'starts'?
    """


class NewerConfigError(ConfigError):
    """A config that was written for a newer odefit."""


class DataError(InputError):
    """The measurements: a CSV file or frame that is missing, malformed or contradicts the config.

    Examples
    --------
    >>> import odefit, pandas
    >>> frame = pandas.DataFrame({"time": [0, 1], "x": [1.0, "4,7"]})
    >>> try:
    ...     odefit.load({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}}, data=frame)
    ... except odefit.DataError as error:
    ...     print(error)
    data: row 1, column x: '4,7' has a decimal comma; write 4.7
    """


class ModelError(InputError):
    """The equations: a formula that cannot be read, an unknown model, or something that the model does not have.

    Examples
    --------
    >>> import odefit
    >>> problem = odefit.load(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}, "noise": {"x": "poisson"}},
    ...     data=[odefit.Experiment("a", [0, 1, 2], {"x": [9, 4, 2]})],
    ... )
    >>> try:
    ...     problem.residuals(problem.x0)
    ... except odefit.ModelError as error:
    ...     print(error)
    x: has other noise, and residuals are for normal and log-normal noise; use nll, gradient and fisher
    """


class RunError(InputError):
    """A run folder that is missing, damaged, locked or in the way; or a run that has not what is asked for.

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3], {"x": [2.0, 1.2, 0.75, 0.45]})],
    ... )
    >>> try:
    ...     run.starts
    ... except odefit.RunError as error:
    ...     print(error)
    in memory: this run has no table `starts`
    """


class StorageError(RunError):
    """A result that cannot be written: the disk is full, or refuses.

    Attributes
    ----------
    run : Run or None
        The fit's result, which is in memory still: `run.save(path)` writes it elsewhere.

    Examples
    --------
    >>> import odefit
    >>> issubclass(odefit.StorageError, odefit.RunError), odefit.StorageError.exit_code
    (True, 4)
    """

    exit_code = 4

    def __init__(self, where: str = "", what: str = "", *, run: Any = None) -> None:
        super().__init__(where, what)
        self.run = run


class SolveError(OdefitError):
    """The differential equation could not be integrated.

    Parameters
    ----------
    message : str
        What went wrong, and what may help.
    what : str, optional
        The same without what may help; default the message.

    Examples
    --------
    >>> import odefit
    >>> problem = odefit.load(
    ...     {"model": {"equations": {"x": "k*x^2"}, "initial": {"x": 1}}, "parameters": {"k": 0.1}},
    ...     data=[odefit.Experiment("a", [0, 1, 2], {"x": [1, 1.1, 1.3]})],
    ... )
    >>> try:
    ...     problem.simulate([9.0, 0.1])
    ... except odefit.SolveError as error:
    ...     print(str(error).split(":")[0])
    experiment a
    """

    def __init__(self, message: str = "", *, what: str | None = None) -> None:
        super().__init__(message)
        self.what = message if what is None else what


class FitError(OdefitError):
    """The fit could not produce a result.

    Examples
    --------
    >>> import odefit
    >>> issubclass(odefit.FitError, odefit.OdefitError), issubclass(odefit.FitError, odefit.InputError)
    (True, False)
    """


class Faults:
    """Faults of one input, gathered so that all of them are told at once.

    >>> faults = Faults()
    >>> with faults.catching():
    ...     raise ConfigError("x.yaml:1", "wrong")
    >>> faults.check()
    Traceback (most recent call last):
    odefit.errors.ConfigError: x.yaml:1: wrong
    """

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, where: str, what: str) -> None:
        self.found.append(Fault(where, what))

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Keep the faults of an InputError raised inside, and go on."""
        try:
            yield
        except InputError as error:
            self.found.extend(error.faults)

    def check(self) -> None:
        """Raise ConfigError if anything was found."""
        if self.found:
            raise ConfigError(faults=tuple(dict.fromkeys(self.found)))
