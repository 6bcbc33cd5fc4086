"""Measurements that the fit does not see: chosen before it, scored after it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.errors import ConfigError, SolveError
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.problem.table_form import in_numbers
from odefit.records import dataclass
from odefit.runs.results import Score
from odefit.text import suggest


@dataclass(frozen=True)
class Split:
    """The same experiments twice.

    Parameters
    ----------
    seen
        With the cells that the fit sees.
    held
        With those that it does not; empty where there are none.
    masks
        [T, O] per measured experiment: which cells are held out.
    """

    seen: tuple[Experiment, ...]
    held: tuple[Experiment, ...]
    masks: tuple[Mask, ...]
    """Per measured experiment [T, O]: which cells are held out."""


def split(loaded: LoadedConfig, measured: Sequence[Experiment], fold: Collection[str] = ()) -> Split:
    """Apply `data.hold_out`.

    Parameters
    ----------
    loaded
        The config.
    measured
        All experiments with every measurement.
    fold
        Experiments that are held out instead, of what `data.hold_out` leaves.

    Raises
    ------
    ConfigError
        A name is unknown, or everything or nothing is held out.
    """
    section = loaded.config.data.hold_out
    if section is None and not fold:
        return Split(tuple(measured), (), tuple(np.zeros(e.values.shape, dtype=bool) for e in measured))
    where = loaded.where("data", "hold_out")
    names = set[str]()
    if section is not None and section.experiments is not None:
        known = dict.fromkeys(replicate_of(e.name) for e in measured)
        for name in section.experiments:
            if name not in known:
                raise ConfigError(where, f"no experiment is called '{name}'; {suggest(name, known)}")
        names |= set(section.experiments)
    rng = np.random.default_rng(loaded.config.fit.seed)
    masks = []
    for experiment in measured:
        mask = np.zeros(experiment.values.shape, dtype=bool)
        if replicate_of(experiment.name) in names:
            mask[:] = True
        if section is not None and section.after is not None:
            mask |= (experiment.times > in_numbers(section.after, where))[:, None]
        if section is not None and section.fraction is not None:
            mask |= _drawn(experiment, section.fraction, rng)
        masks.append(mask)
    # In a fold, what is held out anyway is neither learnt from nor scored.
    folded = [np.full(m.shape, replicate_of(e.name) in fold) for e, m in zip(measured, masks, strict=True)]
    chosen = [out & ~mask for out, mask in zip(folded, masks, strict=True)] if fold else masks
    seen = tuple(_only(e, ~(mask | out)) for e, mask, out in zip(measured, masks, folded, strict=True))
    held = tuple(_only(e, mask) for e, mask in zip(measured, chosen, strict=True))
    for what, some in (("everything", seen), ("nothing", held)):
        if not any(e.n_measured for e in some):
            raise ConfigError(where, f"holds out {what}; choose other experiments or times")
    return Split(seen, held, tuple(masks))


def _drawn(experiment: Experiment, fraction: float, rng: np.random.Generator) -> Mask:
    """A share of the measured times after the first, which may be the initial value: whole rows at random."""
    rows = np.flatnonzero(~np.isnan(experiment.values).all(axis=1))
    rows = rows[experiment.times[rows] > experiment.start]
    chosen = rng.permutation(rows)[: round(fraction * len(rows))]
    mask = np.zeros(experiment.values.shape, dtype=bool)
    mask[chosen] = True
    return mask


def _only(experiment: Experiment, keep: Mask) -> Experiment:
    """The experiment with these cells, at the times that then have any; one empty row where none has.

    Counts keep the rows before, from which they go on: what was measured there may be on one side of a jump.
    """
    values = np.where(keep, experiment.values, np.nan)
    rows = np.flatnonzero(~np.isnan(values).all(axis=1))
    if not len(rows):
        rows = np.array([0])
    elif experiment.intervals is not None:
        rows = np.arange(rows[-1] + 1)
    return replace(experiment, values=values).rows(rows)


@dataclass(frozen=True)
class Errors:
    """What a `Score` is made of; errors of several folds can be added.

    Parameters
    ----------
    n
        The number of measurements.
    nll
        Their negative log-likelihood.
    squares
        Observable -> the sum of squared differences, and their number.
    """

    n: int
    nll: float
    squares: Mapping[str, tuple[float, int]]

    def __add__(self, other: Errors) -> Errors:
        squares = {
            name: (a + other.squares[name][0], n + other.squares[name][1]) for name, (a, n) in self.squares.items()
        }
        return Errors(self.n + other.n, self.nll + other.nll, squares)

    @property
    def score(self) -> Score:
        """The score of these errors; None in it stands for what is not finite."""
        rmse = {name: math.sqrt(a / n) if n and math.isfinite(a) else None for name, (a, n) in self.squares.items()}
        known = math.isfinite(self.nll)
        return Score(self.n, self.nll if known else None, self.nll / self.n if known else None, rmse)


def errors(problem: FitProblem, held: Sequence[Experiment], theta: FloatArray) -> Errors:
    """How well a problem predicts what it has not seen.

    Parameters
    ----------
    problem
        The fit.
    held
        As many experiments as it has, with what was held out.
    theta
        [N], the estimates.
    """
    held = tuple(held)
    problem = replace(problem, experiments=held)
    likelihood, u = Likelihood(problem), problem.table.to_search(theta)
    try:
        y = problem.solve_levels(theta)
    except SolveError:
        nll, predicted = math.inf, [np.full(e.values.shape, np.nan) for e in held]
    else:
        moments = problem.observation.moments(y, problem.clock, problem.rows(problem.binding.local(theta)))
        nll = likelihood.assemble(u, moments, {}, derivatives=False).value - likelihood.prior_value(u)
        predicted = problem.observe_levels(theta, y)
    squares = {}
    for k, name in enumerate(problem.observation.names):
        both = zip(predicted, held, strict=True)
        differences = np.concatenate([(g - e.values)[_exact(e)[:, k], k] for g, e in both])
        squares[name] = (float(np.sum(differences**2)), len(differences))
    return Errors(sum(experiment.n_measured for experiment in held), nll, squares)


def _exact(experiment: Experiment) -> Mask:
    """The cells with a measurement that is no limit."""
    measured = ~np.isnan(experiment.values)
    return measured if experiment.censored is None else measured & (experiment.censored == 0)
