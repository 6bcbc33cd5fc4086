"""The table of fitting methods: how each is called, what it needs, how long it goes on, which keys it takes.

Whoever asks for a method reads this table: the config's schema and its checks, the search from many starts, and the
training of networks. A method more is one file with its minimiser and one line in `METHODS`. Nothing is imported before
it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from enum import Enum, auto
from importlib import import_module
from typing import Any

from odefit.records import dataclass

AUTO = "auto"
"""Leaves the choice to the model."""
ADAM, LEAST_SQUARES, LBFGS, GLOBAL = "adam", "least_squares", "lbfgs", "global"


class Need(Enum):
    """What a minimiser asks of an objective."""

    VALUES = auto()
    GRADIENT = auto()
    RESIDUALS = auto()
    """Derivatives in score form (`linalg/score.py`); of a network, a loss that is a sum of squares."""


@dataclass(frozen=True)
class FitMethod:
    """One way of finding parameters.

    Attributes
    ----------
    name
        As in `fit.method`.
    needs
        What it asks of an objective.
    minimize
        `module:function` of an `optimizers.base.Minimizer`. None: it minimises torch modules only, so that equations
        are trained with it as networks are, by epochs and from one start.
    minimize_many
        `module:function` of the same for many starts in lockstep, as `optimizers.least_squares.minimize_many`. None:
        `minimize` takes them one after the other.
    train
        `module:function` of a `fitting.rounds.Trainer`, which minimises the loss of a torch module. None: `minimize`
        does that too, over the module's parameters as one vector and all data at once.
    by_batches
        Whether `train` may see a part of the data at a time.
    iterations
        Most iterations of one search, where the config names no number.
    fine, coarse
        Arguments of `minimize`, and those for one search of many, whose objective need be right to about 1e-5 only.
    epochs
        Iterations of a training on whole series, where the config names no number.
    stage_epochs
        The same for its first stage on parts of the series, and for those that follow.
    keys
        Keys of the config's section `fit` that only methods with this entry take.
    by_population
        Whether its starts are the best of a population that has searched the whole box.
    """

    name: str
    needs: Need
    minimize: str | None = None
    minimize_many: str | None = None
    train: str | None = None
    by_batches: bool = False
    iterations: int = 500
    fine: Mapping[str, float] = field(default_factory=dict)
    coarse: Mapping[str, float] = field(default_factory=dict)
    epochs: int = 150
    stage_epochs: tuple[int, ...] = (60, 150)
    keys: tuple[str, ...] = ()
    by_population: bool = False

    def __post_init__(self) -> None:
        if self.minimize is None and self.train is None:
            raise ValueError(f"the fitting method {self.name} has nothing that minimises")

    @property
    def searches(self) -> bool:
        """Whether it searches the parameters of equations from many starts; else it trains them."""
        return self.minimize is not None


METHODS: dict[str, FitMethod] = {
    method.name: method
    for method in (
        FitMethod(
            ADAM,
            Need.GRADIENT,
            train="odefit.fitting.rounds:by_adam",
            by_batches=True,
            epochs=500,
            stage_epochs=(300, 600),
            keys=("batch_size", "learning_rate", "schedule", "gradient_clip", "patience"),
        ),
        # fine: estimates right to a millionth of their standard errors, or so: less than a solver's errors move them.
        # coarse: a relative gradient that makes the objective right to about 1e-5. stage_epochs: benchmarks/windows.py.
        FitMethod(
            LEAST_SQUARES,
            Need.RESIDUALS,
            "odefit.optimizers.least_squares:minimize_least_squares",
            minimize_many="odefit.optimizers.least_squares:minimize_many",
            train="odefit.fitting.rounds:by_levenberg_marquardt",
            fine={"gtol": 1e-7},
            coarse={"gtol": 1e-3},
            epochs=10,
            stage_epochs=(4, 6),
        ),
        FitMethod(LBFGS, Need.GRADIENT, "odefit.optimizers.lbfgs:minimize_lbfgs", coarse={"gtol": 1e-3}),
    )
}
"""All methods by name, in the order in which they are listed for people."""

METHODS[GLOBAL] = replace(METHODS[LEAST_SQUARES], name=GLOBAL, train=None, keys=("evaluations",), by_population=True)

TRAINING_KEYS = ("horizon", "epochs", "loss", "weight_decay", "plot_every")
"""Keys of the section `fit` for trainings: of networks, and of equations with a method that does not search."""


def method_names() -> tuple[str, ...]:
    """What may stand at `fit.method`."""
    return (AUTO, *METHODS)


def trains_equations(name: str) -> bool:
    """Whether equations are trained with the method of that name, rather than searched from starts."""
    return name in METHODS and not METHODS[name].searches


def own_keys() -> dict[str, str]:
    """Each key that some methods take and others don't -> these methods, as a user writes them."""
    keys = dict.fromkeys(key for method in METHODS.values() for key in method.keys)
    return {key: as_written(m for m in METHODS.values() if key in m.keys) for key in keys}


def as_written(methods: Iterable[FitMethod]) -> str:
    """`method: adam`, with the marks that code has in a message; with several, the word `or` between them."""
    return " or ".join(f"`method: {method.name}`" for method in methods)


def imported(place: str) -> Any:
    """What stands at `module:name`."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
