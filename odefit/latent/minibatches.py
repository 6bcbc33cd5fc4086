"""Series in minibatches, for the training loop of `training/adam.py`, which trains latent ODEs.

All randomness of a training (which series are together, what is drawn in a step) comes from one generator, and a
batch says how far the training is, since the horizon of the objective grows with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from odefit.records import dataclass
from odefit.training.adam import AdamOptions, Memory, minimize_adam
from odefit.training.best_state import SCORE_EVERY, Keeper, LastState, LowestScore
from odefit.training.learning_rate import Schedule
from odefit.training.loss_history import Epoch, TrainingOutcome

Callback = Callable[[Epoch, nn.Module], None]

ADAM = AdamOptions(epochs=200, learning_rate=1e-2, schedule=Schedule("cosine"), gradient_clip=1.0)
"""What suits most latent ODEs."""


@dataclass(frozen=True)
class TrainingOptions:
    """How a latent ODE is trained.

    Parameters
    ----------
    adam
        Epochs, learning rate and the like.
    batch_size
        Series in a step.
    score_every
        Epochs between two looks at the series that are set aside.
    seed
        Of the weights at the start, the series set aside, and every draw.
    """

    adam: AdamOptions = ADAM
    batch_size: int = 50
    score_every: int = SCORE_EVERY
    seed: int = 0


@dataclass(frozen=True)
class Minibatch:
    """Some series, and what their loss may depend on beside them.

    Parameters
    ----------
    rows
        Positions of the series.
    progress
        0 in the first epoch of the training; it grows towards 1.
    generator
        Where random numbers come from.
    """

    rows: Tensor
    progress: float
    generator: torch.Generator


class Minibatches:
    """Each of n series once per epoch, in another order each time."""

    def __init__(self, n: int, options: TrainingOptions) -> None:
        self.n, self.options = n, options
        self.generator = torch.Generator().manual_seed(options.seed)
        self.epochs_started = 0

    def __iter__(self) -> Iterator[Minibatch]:
        progress = self.epochs_started / self.options.adam.epochs
        self.epochs_started += 1
        order = torch.randperm(self.n, generator=self.generator)
        for rows in torch.split(order, self.options.batch_size):
            yield Minibatch(rows, progress, self.generator)


def train(
    objective: nn.Module,
    n: int,
    options: TrainingOptions,
    score: Callable[[], float] | None = None,
    callback: Callback | None = None,
    memory: Memory | None = None,
) -> TrainingOutcome:
    """Train a module on n series, in place.

    Parameters
    ----------
    objective
        Its forward(Minibatch) is the loss.
    n
        How many series there are.
    options
        Epochs, learning rate and the like.
    score
        How good the module is now, on series that it is not trained on; lower is better. The state with the lowest
        score is kept; without it, the last one, since the loss of an epoch with a short horizon says nothing of a later
        one's.
    callback
        Called after every epoch.
    memory
        Keeps what was reached, and gives back that from which to go on: the training then ends as if it had never been
        broken off.

    Returns
    -------
    TrainingOutcome
        How it ended. Its `best_epoch` is 0 where it broke off before there was any score; the state is then the last.
    """
    batches = Minibatches(n, options)
    keeper: Keeper = LastState(objective)
    if score is not None:
        keeper = LowestScore(objective, score, options.score_every, with_start=False)
    place = None if memory is None else _Place(memory, objective, batches)
    return minimize_adam(objective, batches, options.adam, callback, place, keeper)


@dataclass(frozen=True)
class _Place:
    """The Memory of the loop, which keeps the module and its batches as well."""

    memory: Memory
    objective: nn.Module
    batches: Minibatches

    def restored(self) -> Mapping[str, Any] | None:
        kept = self.memory.restored()
        if kept is None:
            return None
        self.objective.load_state_dict(kept["module"])
        self.batches.generator.set_state(kept["generator"])
        self.batches.epochs_started = kept["epochs_started"]
        loop: Mapping[str, Any] = kept["loop"]
        return loop

    def offer(self, state: Callable[[], dict[str, Any]]) -> None:
        self.memory.offer(
            lambda: {
                "module": {name: tensor.clone() for name, tensor in self.objective.state_dict().items()},
                "generator": self.batches.generator.get_state(),
                "epochs_started": self.batches.epochs_started,
                "loop": state(),
            }
        )
