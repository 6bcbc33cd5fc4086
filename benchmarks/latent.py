"""A latent ODE and recurrent networks of the same size continue spirals from their first 50 points.

    python benchmarks/latent.py [--times even | uneven] [--only NAME ...] [--out FOLDER]

All are trained on the same 1,000 noisy spirals of 200 points (of which 100 only choose the best epoch), with as many
series per step, from the same four starting points of each series; all are trained on all 200 points. The field of the
latent ODE is linear, with a matrix for each series; where a series starts, and its matrix, are found by Gauss-Newton
steps from what the encoder says. The networks see each series in its own scale. They are trained in two ways: to
predict each point from the true ones before it (the usual one), and, after a tenth of the epochs of that, to continue
from their own predictions as they will have to.
With uneven times the 200 times are drawn at random and 30 % of the points of each series are missing; the network then
reads the gaps as well (gap_gru.py).
Errors are against the noise-free truth of 1,000 fresh spirals: in the mean, which a few large, slow, long and thin ones
dominate, in the median, and in the mean as a share of each one's own mean square. A network is told each observed
point before it predicts the next, so its error there is none of reconstruction.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from gap_gru import continue_gaps, fit_gaps
from latent_baseline import BaselineOptions, continue_baseline, fit_baseline, hidden_units
from latent_errors import draw_forecasts, errors_of, share_of_size
from timing import describe_machine, duration, show
from torch import nn

from odefit.arrays import FloatArray
from odefit.data.atomic_files import atomic_write
from odefit.data.experiments import Experiment
from odefit.latent.estimator import fit_latent, interpolate, n_weights, predict
from odefit.latent.minibatches import ADAM, TrainingOptions
from odefit.latent.model import LatentODE, LatentOptions
from odefit.latent.objective import ElboOptions
from odefit.latent.series import read_backwards, series_of
from odefit.latent.spirals import END, Spirals, draw_spirals
from odefit.plots import style
from odefit.plots.latent_interpolation import draw_interpolation
from odefit.training.loss_history import Epoch, TrainingOutcome

OBSERVED = 50
LATENT = LatentOptions(dimension=8, constants=6, hidden=(), decoder=(), refine=6)
STARTS = 4
RATES = {"latent ODE": 3e-3, "GRU, own predictions": 5e-3, "GRU, one step ahead": 5e-3}
EPOCHS = {"latent ODE": 10, "GRU, own predictions": 400, "GRU, one step ahead": 160}
"""The latent ODE: what series that were set aside chose of 60. With gaps a network is seven times as slow: 160."""
MISSING, NOISE = 0.3, 0.02

TARGET = 1.0
SHOWN = (0, 1, 2, 3)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--times", choices=["even", "uneven"], default="even")
    arguments.add_argument("--only", nargs="+", choices=list(RATES), help="these alone")
    arguments.add_argument("--share", type=float, default=1.0, help="of the epochs")
    arguments.add_argument("--data", type=int, default=0, help="seed of what is trained on; the next is for fresh")
    arguments.add_argument("--out", type=Path, help="a folder for the pictures")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    describe_machine("torch", "torchdiffeq")
    even = options.times == "even"
    seeds = options.data, options.data + 1
    race = Race(*((draw_spirals(seed=seed) if even else uneven(seed)) for seed in seeds), even)
    names = options.only or [name for name in RATES if even or name != "GRU, one step ahead"]
    outcomes = {name: train(name, race, options.share) for name in names}
    report(race.fresh, outcomes)
    if options.out is not None:
        save(options.out, race.fresh, outcomes)


@dataclass(frozen=True)
class Race:
    """What is trained on, and what is predicted; even: on regular times without gaps."""

    seen: Spirals
    fresh: Spirals
    even: bool

    def experiments(self, fresh: bool) -> tuple[Experiment, ...]:
        """As the competitors get them, on the grid of all."""
        return (self.fresh if fresh else self.seen).experiments()

    @property
    def observed(self) -> float:
        """The time until which series are read."""
        return float(self.seen.times[OBSERVED - 1])


def uneven(seed: int) -> Spirals:
    """The spirals of draw_spirals at 200 times drawn at random, the same for all, each point missing with 30 %."""
    rng = np.random.default_rng(1000)
    times = np.concatenate([[0.0], np.sort(rng.uniform(0, END, 198)), [END]])
    even = draw_spirals(seed=seed)
    flows = torch.linalg.matrix_exp(torch.from_numpy(even.matrices)[:, None] * torch.from_numpy(times)[:, None, None])
    truth = (flows @ torch.from_numpy(even.truth[:, 0])[:, None, :, None]).squeeze(-1).numpy()
    rng = np.random.default_rng(2000 + seed)
    measured = truth + NOISE * rng.standard_normal(truth.shape)
    measured[rng.random(truth.shape[:2]) < MISSING] = np.nan
    return Spirals(even.matrices, times, truth, measured)


@dataclass(frozen=True)
class Outcome:
    """predicted: [N, T, 2] of the fresh spirals. seconds: of the training. Of the latent ODE, by_encoder: the same
    without refinement; between: between the first two of them."""

    predicted: FloatArray
    weights: int
    training: TrainingOutcome
    seconds: float
    between: FloatArray | None = None
    by_encoder: FloatArray | None = None


def train(name: str, race: Race, share: float) -> Outcome:
    """One of the competitors."""
    seen, fresh = race.experiments(fresh=False), race.experiments(fresh=True)
    adam = replace(ADAM, epochs=round(EPOCHS[name] * share), learning_rate=RATES[name])
    if not race.even and "GRU" in name:
        adam = replace(adam, epochs=round(160 * share))
    options = TrainingOptions(adam)
    begun = time.process_time()

    def tell(epoch: Epoch, _module: nn.Module) -> None:
        if epoch.score is not None and epoch.epoch % 20 == 0:
            seconds = time.process_time() - begun
            line = f"{name}, epoch {epoch.epoch}, {seconds:.0f} s: loss {epoch.loss:.4f}, score {epoch.score:.4f}"
            print(line, flush=True)

    if name == "latent ODE":
        elbo = ElboOptions(times_per_step=67, starts=STARTS)
        latent = fit_latent(seen, LATENT, elbo, options, observed=race.observed, callback=tell)
        seconds = time.process_time() - begun
        reading = read_backwards(series_of(fresh[:2]), race.observed)
        between = interpolate(latent.model, reading, torch.from_numpy(race.fresh.times), 7)
        print(f"sigma learnt: {', '.join(f'{s:.3g}' for s in latent.model.sigma.tolist())} (the noise has 0.02)")
        predicted = np.stack(predict(latent, fresh))
        latent.model.options = replace(LATENT, refine=0)
        by_encoder = np.stack(predict(latent, fresh))
        return Outcome(predicted, n_weights(latent.model), latent.training, seconds, between, by_encoder)
    hidden = hidden_units(2, n_weights(LatentODE(2, LATENT)), own_scale=True)
    if not race.even:
        gaps = fit_gaps(seen, hidden, OBSERVED, STARTS, options, tell)
        seconds = time.process_time() - begun
        predicted = continue_gaps(gaps.model, fresh, OBSERVED)
        return Outcome(predicted, n_weights(gaps.model), gaps.training, seconds)
    own = BaselineOptions(OBSERVED, starts=STARTS) if "own" in name else BaselineOptions(OBSERVED, 1.0, starts=STARTS)
    baseline = fit_baseline(seen, hidden, own, options, own_scale=True, callback=tell)
    seconds = time.process_time() - begun
    predicted = continue_baseline(baseline.model, fresh, OBSERVED)
    return Outcome(predicted, n_weights(baseline.model), baseline.training, seconds)


def report(fresh: Spirals, outcomes: dict[str, Outcome]) -> None:
    predicted = {name: one.predicted for name, one in outcomes.items()}
    ours = outcomes.get("latent ODE")
    if ours is not None and (by_encoder := ours.by_encoder) is not None:
        predicted["latent ODE, encoder alone"] = by_encoder
    predicted["zero everywhere"] = np.zeros_like(fresh.truth)
    errors = {name: errors_of(x, fresh.truth, OBSERVED) for name, x in predicted.items()}
    rows = []
    for name, e in errors.items():
        one = outcomes.get(name)
        effort = ["-"] * 3
        if one is not None:
            effort = [str(one.weights), str(one.training.best_epoch), duration(one.seconds)]
        share = share_of_size(predicted[name], fresh.truth, OBSERVED)
        numbers = (e.reconstruction, e.extrapolation, e.median_reconstruction, e.median_extrapolation, share)
        rows.append([name, *effort, *(f"{value:.3g}" for value in numbers), f"{e.extrapolation**0.5:.3f}"])
    part = f"first {OBSERVED}"
    errors_by_name = (f"MSE, {part}", "rest", f"median, {part}", "rest", "share", "RMSE")
    header = ("", "weights", "best epoch", "training (CPU)", *errors_by_name)
    show(f"{len(fresh)} fresh spirals, continued from {OBSERVED} to {len(fresh.times)} points", header, rows)
    if ours is None:
        return
    latent = errors["latent ODE"]
    print(f"\nextrapolation of the latent ODE, times less (target {TARGET:g}; Chen et al.: (0.320 / 0.150)² = 4.6):")
    for name in [name for name in outcomes if name != "latent ODE"]:
        ratio = errors[name].extrapolation / latent.extrapolation
        median = errors[name].median_extrapolation / latent.median_extrapolation
        verdict = "met" if ratio >= TARGET else "missed"
        print(f"than {name}: {ratio:.3g} in the mean ({verdict}), {median:.3g} in the median")


def save(out: Path, fresh: Spirals, outcomes: dict[str, Outcome]) -> None:
    rows = list(SHOWN)
    chosen = {name: one.predicted[rows] for name, one in list(outcomes.items())[:2]}
    between = outcomes["latent ODE"].between
    assert between is not None
    out.mkdir(parents=True, exist_ok=True)
    with style.styled():
        title = f"Spirals continued from their first {OBSERVED} points"
        forecasts = draw_forecasts(fresh.times, fresh.measured[rows], fresh.truth[rows], chosen, OBSERVED, title=title)
        atomic_write(out / "latent_forecasts.png", style.render(forecasts, "png"))
        atomic_write(out / "latent_interpolation.png", style.render(draw_interpolation(between), "png"))
    print(f"pictures: {out}")


if __name__ == "__main__":
    main()
