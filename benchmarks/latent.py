"""A latent ODE and recurrent networks of the same size continue spirals from their first 50 points.

    python benchmarks/latent.py [--epochs 160] [--out FOLDER]

All are trained on the same 1,000 noisy spirals of 200 points (of which 100 only choose the best epoch), with as many
series per step, from the same four starting points of each series, each series in its own scale, with a noise level in
proportion to it. The latent ODE says where a series starts by its encoder and, after that, two Gauss-Newton steps.
The baseline is trained in two ways: to predict each point from the true ones before it (the usual one), and, after a
tenth of the epochs of that, to continue from its own predictions as it will have to (which suits the task far better;
it is given 2.5 times as many epochs, which take it as long as the latent ODE).
Errors are against the noise-free truth of 1,000 fresh spirals: in the mean, which a few large, slow, long and thin ones
dominate, in the median, and in the mean as a share of each one's own mean square. A baseline is told each observed
point before it predicts the next, so its error there is none of reconstruction.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from timing import describe_machine, duration, show
from torch import nn

from odefit.arrays import FloatArray
from odefit.data.atomic_files import atomic_write
from odefit.latent.baseline import BaselineOptions, hidden_units
from odefit.latent.estimator import continue_baseline, fit_baseline, fit_latent, n_weights, predict
from odefit.latent.evaluation import errors_of, interpolate, share_of_size
from odefit.latent.minibatches import ADAM, TrainingOptions
from odefit.latent.model import LatentODE, LatentOptions
from odefit.latent.objective import ElboOptions
from odefit.latent.series import read_backwards, series_of
from odefit.latent.spirals import Spirals, draw_spirals
from odefit.plots import style
from odefit.plots.latent_curves import draw_forecasts, draw_interpolation
from odefit.training.loss_history import Epoch, TrainingOutcome

OBSERVED = 50
LATENT = LatentOptions(dimension=10, constants=6, hidden=(64,), decoder=(), step=0.5, own_scale=True, refine=2)
STARTS = 4
RATES = {"latent ODE": 1e-2, "GRU, own predictions": 5e-3, "GRU, one step ahead": 5e-3}
LONGER = {"GRU, own predictions": 2.5}
"""So many times the epochs of the others, which takes it as long as the latent ODE."""

TARGET = 2.0
SHOWN = (0, 1, 2, 3)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--epochs", type=int, default=160)
    arguments.add_argument("--out", type=Path, help="a folder for the pictures")
    options = arguments.parse_args()
    describe_machine("torch", "torchdiffeq")
    begun = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        waiting = {name: pool.submit(train, name, options.epochs) for name in RATES}
        outcomes = {name: one.result() for name, one in waiting.items()}
    fresh = draw_spirals(seed=1)
    report(fresh, outcomes)
    print(f"the whole, on two cores: {duration(time.perf_counter() - begun)}")
    if options.out is not None:
        save(options.out, fresh, outcomes)


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


def train(name: str, epochs: int) -> Outcome:
    """One of the competitors, in a process of its own."""
    torch.set_num_threads(1)
    seen, fresh = draw_spirals(seed=0).experiments(), draw_spirals(seed=1).experiments()
    observed = float(seen[0].times[OBSERVED - 1])
    adam = replace(ADAM, epochs=round(epochs * LONGER.get(name, 1)), learning_rate=RATES[name])
    options = TrainingOptions(adam)
    begun = time.perf_counter()

    def tell(epoch: Epoch, _module: nn.Module) -> None:
        if epoch.score is not None and epoch.epoch % 20 == 0:
            seconds = time.perf_counter() - begun
            line = f"{name}, epoch {epoch.epoch}, {seconds:.0f} s: loss {epoch.loss:.4f}, score {epoch.score:.4f}"
            print(line, flush=True)

    if name == "latent ODE":
        elbo = ElboOptions(times_per_step=67, starts=STARTS)
        latent = fit_latent(seen, LATENT, elbo, options, observed=observed, callback=tell)
        seconds = time.perf_counter() - begun
        reading = read_backwards(series_of(fresh[:2]), observed)
        between = interpolate(latent.model, reading, torch.from_numpy(fresh[0].times), 7)
        print(f"sigma learnt: {', '.join(f'{s:.3g}' for s in latent.model.sigma.tolist())} (the noise has 0.02)")
        predicted = np.stack(predict(latent, fresh))
        latent.model.options = replace(LATENT, refine=0)
        by_encoder = np.stack(predict(latent, fresh))
        return Outcome(predicted, n_weights(latent.model), latent.training, seconds, between, by_encoder)
    hidden = hidden_units(2, n_weights(LatentODE(2, LATENT)), own_scale=True)
    own = BaselineOptions(OBSERVED, starts=STARTS) if "own" in name else BaselineOptions(OBSERVED, 1.0, starts=STARTS)
    baseline = fit_baseline(seen, hidden, own, options, own_scale=True, callback=tell)
    seconds = time.perf_counter() - begun
    predicted = continue_baseline(baseline.model, fresh, OBSERVED)
    return Outcome(predicted, n_weights(baseline.model), baseline.training, seconds)


def report(fresh: Spirals, outcomes: dict[str, Outcome]) -> None:
    predicted = {name: one.predicted for name, one in outcomes.items()}
    if (by_encoder := outcomes["latent ODE"].by_encoder) is not None:
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
        rows.append([name, *effort, *(f"{value:.4f}" for value in numbers), f"{e.extrapolation**0.5:.3f}"])
    part = f"first {OBSERVED}"
    errors_by_name = (f"MSE, {part}", "rest", f"median, {part}", "rest", "share", "RMSE")
    header = ("", "weights", "best epoch", "training", *errors_by_name)
    show(f"{len(fresh)} fresh spirals, continued from {OBSERVED} to {len(fresh.times)} points", header, rows)
    latent = errors["latent ODE"]
    print(f"\nextrapolation of the latent ODE, times less (target {TARGET:g}; Chen et al.: (0.320 / 0.150)² = 4.6):")
    for name in list(outcomes)[1:]:
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
