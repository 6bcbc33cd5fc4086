"""One round of a training, by each fitting method: an objective that is a torch module, minimised where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from odefit.config.fit_methods import LBFGS, METHODS, FitMethod, Need, imported
from odefit.fitting.stage_checkpoint import TrainingCheckpoint
from odefit.fitting.stages import Round, TrainingState, whole_batch
from odefit.records import dataclass
from odefit.training.adam import AdamOptions, minimize_adam
from odefit.training.best_state import LowestScore
from odefit.training.levenberg_marquardt import minimize_damped
from odefit.training.linearised import Linearisation
from odefit.training.loss_history import Epoch, TrainingOutcome
from odefit.training.matching import MatchingObjective
from odefit.training.whole_batch import minimize_whole
from odefit.training.windows import WindowObjective


@dataclass(frozen=True)
class Setting:
    """What the rounds of a training have in common.

    Attributes
    ----------
    method
        The fitting method.
    state
        What goes from stage to stage.
    options
        Those of Adam; the weight decay is every method's.
    callback
        Called with every epoch, and the module in training.
    checkpoint
        The memory of the minimisers.
    """

    method: FitMethod
    state: TrainingState
    options: AdamOptions
    callback: Callable[[Epoch, nn.Module], None]
    checkpoint: TrainingCheckpoint


Trainer = Callable[[Round, Setting], TrainingOutcome]
"""Minimises the module of a round in place, and leaves it at its best state."""


def minimise(part: Round, setting: Setting) -> TrainingOutcome:
    """One round with the training's method.

    L-BFGS takes its place where it cannot do the round: gradient matching has one batch and no solver, and a method
    that needs residuals has no use for a loss that is no sum of squares.
    """
    method = setting.method
    lacks_residuals = method.needs is Need.RESIDUALS and not _is_sum_of_squares(part.module)
    if isinstance(part.module, MatchingObjective) or lacks_residuals:
        method = METHODS[LBFGS]
    train: Trainer = by_minimizer if method.train is None else imported(method.train)
    return train(part, replace(setting, method=method))


def _is_sum_of_squares(module: nn.Module) -> bool:
    return isinstance(module, WindowObjective) and module.is_least_squares


def by_adam(part: Round, setting: Setting) -> TrainingOutcome:
    options = replace(setting.options, epochs=part.epochs)
    module, everything = part.module, part.everything
    # Losses of random parts of the data cannot be compared.
    keeper = None if everything is None else LowestScore(module, lambda: float(module(everything)))
    return minimize_adam(module, part.batches, options, setting.callback, setting.checkpoint, keeper)


def by_levenberg_marquardt(part: Round, setting: Setting) -> TrainingOutcome:
    module, state = part.module, setting.state
    assert isinstance(module, WindowObjective)
    low, high = state.problem.table.search_bounds()
    return minimize_damped(
        module,
        Linearisation(module),
        whole_batch(part.batches, state.generator),
        part.epochs,
        (torch.as_tensor(low).to(module.u), torch.as_tensor(high).to(module.u)),
        module.starts if module.start_kind == "free" else None,
        setting.options.weight_decay,
        setting.callback,
        setting.checkpoint,
    )


def by_minimizer(part: Round, setting: Setting) -> TrainingOutcome:
    """Any `Minimizer`, over the parameters of the module as one vector."""
    assert setting.method.minimize is not None
    return minimize_whole(
        part.module,
        whole_batch(part.batches, setting.state.generator),
        part.epochs,
        {"u": setting.state.problem.table.search_bounds()},
        setting.options.weight_decay,
        setting.callback,
        setting.checkpoint,
        minimize=imported(setting.method.minimize),
    )
