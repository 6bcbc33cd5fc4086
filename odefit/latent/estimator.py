"""From experiments to a trained latent ODE, and from there to predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from odefit.arrays import FloatArray
from odefit.data.dataset import collate
from odefit.data.experiments import Experiment
from odefit.errors import ConfigError, DataError, Fault
from odefit.latent.minibatches import Callback, TrainingOptions, train
from odefit.latent.model import LatentODE, LatentOptions
from odefit.latent.objective import Elbo, ElboOptions
from odefit.latent.series import Reading, Series, read_backwards, series_of
from odefit.model.networks import same_architecture
from odefit.records import dataclass
from odefit.training.adam import Memory
from odefit.training.loss_history import TrainingOutcome

MAX_STATES = 20_000_000
"""Numbers of latent states that are held at a time when series are predicted."""

MAX_FAULTS = 20
"""Series that are named in an error."""


@dataclass(frozen=True)
class FittedLatent:
    """A trained latent ODE.

    Parameters
    ----------
    model
        In the state that was kept.
    training
        How it was trained.
    observed
        The encoder reads until this elapsed time; None: the whole series.
    """

    model: LatentODE
    training: TrainingOutcome
    observed: float | None


def fit_latent(
    experiments: Sequence[Experiment],
    latent: LatentOptions | None = None,
    elbo: ElboOptions | None = None,
    training: TrainingOptions | None = None,
    *,
    observed: float | None = None,
    validation: float = 0.1,
    callback: Callback | None = None,
    dtype: torch.dtype = torch.float32,
    memory: Memory | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> FittedLatent:
    """Train a latent ODE on experiments.

    Weights, batches and draws come from `training.seed` alone.

    Parameters
    ----------
    experiments
        The series.
    latent, elbo, training
        The model, its bound and the training; default: as the classes say.
    observed
        The encoder reads what was measured until then, since the start of each series, and is trained to predict the
        rest as well; None: everything.
    validation
        This share of the series is not trained on; the state that predicts them best is kept. 0: the last state.
    callback, memory
        As for `train`.
    dtype
        Of the weights and the solution.
    start
        Weights by name to start from, in place of those that the seed draws.

    Returns
    -------
    FittedLatent

    Raises
    ------
    DataError
        A series has nothing to read.
    ConfigError
        Too few series are left to train on, or `start` is of another model.
    """
    training = training or TrainingOptions()
    check_observed(experiments, observed)
    seen, kept = split(series_of(experiments, dtype), validation, training.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = LatentODE(seen.n_observables, latent or LatentOptions()).to(dtype)
    model.set_units(seen)
    if start is not None:
        if not same_architecture(model, start):
            raise ConfigError("the weights to start from", "are of a model of another shape; make them alike")
        model.load_state_dict(start)
    objective = Elbo(model, seen, elbo, observed)
    score = None if kept is None else _validation(model, kept, observed)
    trained = train(objective, len(seen), training, score, callback, memory)
    model.eval()
    return FittedLatent(model, trained, observed)


def _validation(model: LatentODE, kept: Series, observed: float | None) -> Callable[[], float]:
    """How far the model is from series that it is not trained on: the mean square, in units of the observables."""
    reading = read_backwards(kept, float(kept.grid[-1]) if observed is None else observed)

    def score() -> float:
        return _mean_square((model.predict(reading, kept.grid) - kept.values) / model.scale, kept.mask)

    return score


def check_observed(experiments: Sequence[Experiment], observed: float | None) -> None:
    """Check that the encoder finds something to read in each experiment. Raises DataError with all that fail."""
    faults = []
    for e in experiments:
        within = np.ones(len(e.times), bool) if observed is None else e.times - e.start <= observed * (1 + 1e-9)
        if np.isnan(e.values[within]).all():
            part = "" if observed is None else f" until {observed:g} after its start"
            faults.append(Fault(f"experiment {e.name}", f"has no measurement{part}, so there is nothing to encode"))
    if len(faults) > MAX_FAULTS:
        faults[MAX_FAULTS:] = [Fault("experiments", f"and {len(faults) - MAX_FAULTS} more")]
    if faults:
        raise DataError(faults=faults)


def split(series: Series, share: float, seed: int) -> tuple[Series, Series | None]:
    """Part the series into those to train on and a share, drawn by the seed, to choose the best state by."""
    kept = validation_rows(len(series), share, seed)
    if len(kept) == len(series):
        raise ConfigError("validation", f"{share:g} of {len(series)} series leaves none to train on; lower it")
    if not kept:
        return series, None
    seen = sorted(set(range(len(series))) - set(kept))
    return series.rows(torch.tensor(seen)), series.rows(torch.tensor(kept))


def validation_rows(n: int, share: float, seed: int) -> list[int]:
    """The positions of those of n series that `split` does not train on, increasing."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return sorted(order[: round(share * n)].tolist())


def predict(
    fitted: FittedLatent, experiments: Sequence[Experiment], times: Sequence[FloatArray] | None = None
) -> list[FloatArray]:
    """Predict experiments, from the most probable latent start given the observed part.

    Parameters
    ----------
    fitted
        The trained model.
    experiments
        What is read.
    times
        [T] each, absolute, none before the start; default: the experiments' own.

    Returns
    -------
    list of FloatArray
        Observables, [T, O] each.

    Raises
    ------
    DataError
        Nothing was measured in the observed part of an experiment.
    SolveError
        The latent equation cannot be integrated.
    """
    return solve(fitted.model, fitted.observed, experiments, times)[1]


@torch.no_grad()
def solve(
    model: LatentODE,
    observed: float | None,
    experiments: Sequence[Experiment],
    times: Sequence[FloatArray] | None = None,
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Solve for latent states, [T, Z] each, and observables, [T, O] each: see `predict`."""
    check_observed(experiments, observed)
    chosen = list(experiments) if times is None else [e.at(t) for e, t in zip(experiments, times, strict=True)]
    elapsed = np.unique(np.concatenate([e.times - e.start for e in chosen])) if chosen else np.empty(0)
    # Series with times of their own make a long common grid: fewer of them at a time then. Refinement solves from as
    # many starts more as there are states.
    o = model.options
    width = o.dimension * (1 + o.dimension if o.refine else 1)
    some = max(1, MAX_STATES // max(len(elapsed) * width, 1))
    states: list[FloatArray] = []
    observables: list[FloatArray] = []
    for first in range(0, len(chosen), some):
        own = slice(first, first + some)
        series = series_of(experiments[own], model.centre.dtype)
        reading = read_backwards(series, float(series.grid[-1]) if observed is None else observed)
        batch = collate(list(enumerate(chosen[own])))
        z = model.evolve(model.best_start(reading), batch.grid).transpose(0, 1)
        x = model.decode(z, model.size(reading)).to(torch.float64).cpu().numpy()
        y = z.to(torch.float64).cpu().numpy()
        for e, one in enumerate(chosen[own]):
            at = batch.index[e, : len(one.times)].numpy()
            states.append(y[e, at])
            observables.append(x[e, at])
    return states, observables


@torch.no_grad()
def noise_of(model: LatentODE, observed: float | None, experiments: Sequence[Experiment]) -> FloatArray:
    """The noise levels [E, O] of experiments, in the unit of the data. Raises DataError as `solve` does."""
    series = series_of(experiments, model.centre.dtype)
    reading = read_backwards(series, float(series.grid[-1]) if observed is None else observed)
    noise: FloatArray = model.noise(model.size(reading)).squeeze(1).to(torch.float64).cpu().numpy()
    return np.broadcast_to(noise, (len(experiments), noise.shape[1]))


@torch.no_grad()
def interpolate(model: LatentODE, reading: Reading, times: torch.Tensor, steps: int) -> FloatArray:
    """Go straight from the latent start of one series to that of another.

    Where series have sizes of their own, these change in equal proportions.

    Parameters
    ----------
    model
        The latent ODE.
    reading
        What is read of the series; the first two count.
    times
        [T], elapsed.
    steps
        How many series there are on the way, with both ends.

    Returns
    -------
    FloatArray
        [steps, T, O].
    """
    first, second = model.best_start(reading)[:2]
    small, large = model.size(reading)[:2].log()
    weights = torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device).unsqueeze(1)
    z = model.evolve(torch.lerp(first, second, weights), times).transpose(0, 1)
    size = torch.lerp(small, large, weights).exp().unsqueeze(-1)
    between: FloatArray = model.decode(z, size).to(torch.float64).cpu().numpy()
    return between


def n_weights(module: nn.Module) -> int:
    """Count the numbers that a module has learnt or could learn."""
    return sum(q.numel() for q in module.parameters())


def _mean_square(differences: Tensor, mask: Tensor) -> float:
    return float(differences[mask].square().mean())
