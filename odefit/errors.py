"""Everything that can go wrong, sorted by whose turn it is to act.

The command line turns these into one line each and an exit code; nothing else prints or exits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from odefit.text import printable


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
    """Base of every error that odefit raises on purpose."""

    exit_code = 3


class InputError(OdefitError):
    """The user's input is at fault: every fault that was found, not only the first.

    `InputError("data.csv:3", "…")` states one fault, `InputError(faults=[...])` several.
    """

    exit_code = 2

    def __init__(self, where: str = "", what: str = "", *, faults: Sequence[Fault] = ()) -> None:
        self.faults = tuple(faults) or (Fault(where, what),)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ConfigError(InputError):
    """The YAML file, or an option that overrides it."""


class NewerConfigError(ConfigError):
    """A config that was written for a newer odefit."""


class DataError(InputError):
    """The measurements: a CSV file that is missing, malformed or contradicts the config."""


class ModelError(InputError):
    """The equations: a formula that cannot be read, an unknown symbol, an unknown model."""


class RunError(InputError):
    """A run folder that is missing, damaged, locked or in the way."""


class SolveError(OdefitError):
    """The differential equation could not be integrated."""


class FitError(OdefitError):
    """The fit could not produce a result."""


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
