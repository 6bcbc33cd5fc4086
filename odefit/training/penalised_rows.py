"""The loss of a trained hybrid as a sum of squares over its parameters and all weights at once.

With q = (u, weights), the loss times the number N of measured cells is, near its minimum,

    mse:  sum of r² + N penalty + N decay/2 |weights|²
    nll:  sum of -ln p + priors + N penalty + N decay/2 |weights|²

and with c = 1 for mse, 2 for nll, and the rows

    B = [root dm/dq;  entries of priors;  sqrt(c N/n) dk/dq;  sqrt(c N decay/2) I over the weights]

half its Gauss-Newton matrix (for nll: the whole) is B'B. k are the penalised outputs at n points (`penalty.py`); root
is 1 for mse, and that of the noise's information on m for nll.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from odefit.arrays import FloatArray
from odefit.errors import SolveError
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.training.linearised import Linearisation
from odefit.training.objective_torch import Loss, TrainingObjective
from odefit.training.recorded_rows import recorded_rows
from odefit.training.smoothing import smooth
from odefit.training.windows import WindowObjective, obstacle, start_states, whole_series

MOST_ENTRIES = 30_000_000
"""The most numbers of the rows."""
MOST_UNKNOWNS = 1000
"""The most parameters and weights: a decomposition takes a time of their third power."""


@dataclass(frozen=True)
class PenalisedRows:
    """The rows of the module's docstring.

    Parameters
    ----------
    measured
        [M_k, Q] for each observable, in the order of the problem's data.
    variances
        [M_k] for each, the variance of root r by the noise model.
    others
        [K, Q], the rows of priors, penalties and weight decay.
    n_u
        How many columns are parameters; the others are weights.
    """

    measured: tuple[FloatArray, ...]
    variances: tuple[FloatArray, ...]
    others: FloatArray
    n_u: int


class Unavailable(Exception):
    """Why there are no such rows, in a few words."""


def penalised_rows(
    likelihood: Likelihood, networks: nn.ModuleDict, u: FloatArray, loss: Loss, decay: float
) -> PenalisedRows:
    """The rows at the end of a training.

    Parameters
    ----------
    likelihood
        The problem and its data.
    networks
        The trained modules; they stay as they are.
    u
        [P], the parameters in search space.
    loss, decay
        What was minimised: `mse` or `nll`, and the weight decay.

    Raises
    ------
    Unavailable
        The derivatives cannot be had, or are too many.
    """
    problem = likelihood.problem
    if problem.weight_priors and loss == "nll":
        raise Unavailable("its weights have priors")
    if any(w.dtype != torch.float64 or w.device.type != "cpu" for w in networks.parameters()):
        if problem.binding.calls is not None or problem.observation.networks:
            raise Unavailable("it stands outside of the equations, and is not in float64 on the CPU")
        networks = copy.deepcopy(networks).to("cpu", torch.float64)
    size = len(u) + sum(w.numel() for w in networks.parameters() if w.requires_grad)
    if size > MOST_UNKNOWNS or problem.n_measured * size > MOST_ENTRIES:
        raise Unavailable(f"{size:,} parameters and weights, with {problem.n_measured:,} measurements, are too many")
    try:
        slopes, outputs = (rows.numpy() for rows in _slopes(problem, networks, torch.as_tensor(u), loss))
    except SolveError as error:
        raise Unavailable(str(error)) from None
    lengths = [len(e.times) for e in problem.experiments]
    slopes = np.concatenate([rows[:n] for rows, n in zip(slopes, lengths, strict=True)])
    measured, variances = _of_data(likelihood, u, slopes, loss)
    factor = 2.0 if loss == "nll" else 1.0
    penalty = math.sqrt(factor * problem.n_measured / sum(lengths)) * outputs.reshape(-1, size)
    ridge = np.eye(size)[len(u) :] * math.sqrt(factor * problem.n_measured * decay / 2)
    priors = _of_priors(likelihood, u, size) if loss == "nll" else np.zeros((0, size))
    return PenalisedRows(measured, variances, np.concatenate([priors, penalty, ridge]), len(u))


def _slopes(problem: FitProblem, networks: nn.ModuleDict, u: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """As `recorded_rows`, by machine code where that can be. Raises SolveError."""
    if obstacle(problem) is None and all(w.requires_grad for w in networks.parameters()):
        module = TrainingObjective(problem, networks, loss, u)
        states = start_states(problem, smooth(problem), problem.table.to_natural(u.numpy()))
        objective = WindowObjective(module, whole_series(problem.experiments), states, "model")
        if objective.compiled is not None:
            return Linearisation(objective).rows(objective.everything())
    return recorded_rows(problem, networks, u, loss)


def _of_data(
    likelihood: Likelihood, u: FloatArray, slopes: FloatArray, loss: Loss
) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]:
    """Rows and variances of every observable from slopes [R, O, Q]. Censored cells are left out."""
    moments = likelihood.moments(u, derivatives=False)
    if moments is None:
        raise Unavailable(str(likelihood.failure))
    rows, variances = [], []
    for k, (data, observed) in enumerate(zip(likelihood.problem.data, moments, strict=True)):
        m, s, own = observed.m[data.rows], data.scale(data.measured, observed), slopes[data.rows, k]
        if loss == "nll":
            _, root = data.family.location(data.values, m, s)
            rows.append(own * np.broadcast_to(root, m.shape)[:, None])
            variances.append(np.ones(len(m)))
        else:
            rows.append(own)
            variances.append(np.broadcast_to(np.square(data.family.deviation(m, s)), m.shape))
    return tuple(rows), tuple(variances)


def _of_priors(likelihood: Likelihood, u: FloatArray, size: int) -> FloatArray:
    """One row for each parameter with a prior."""
    table = likelihood.problem.table
    theta = table.to_natural(u)
    slope = table.natural_slopes(theta, table.estimated_names)
    rows = []
    for column, (name, position) in enumerate(zip(table.estimated_names, table.estimated, strict=True)):
        prior = table[name].prior
        if prior is not None:
            row = np.zeros(size)
            row[column] = prior.score(float(theta[position]))[1] * slope[column]
            rows.append(row)
    return np.array(rows).reshape(-1, size)
